"""Fitting saved towers on a drawn catalog: what changes, what stays, and that both runtimes agree."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fourtower_encoders.checkpoint import load_model
from fourtower_encoders.config import IMAGE_ROLES, ROLES, HashedText, Preprocess, SmallResNet, TowerConfig
from fourtower_encoders.embedder import Embedder
from fourtower_encoders.errors import ImageRejected
from fourtower_encoders.fit_data import embed_fit_data
from fourtower_encoders.fitting import save_fitted, set_means
from fourtower_encoders.joint import QueryParams
from fourtower_encoders.manifest import load_dataset
from fourtower_encoders.model import FourTower
from fourtower_encoders.query_fit import fit
from fourtower_encoders.saving import save_checkpoint

SMALL = TowerConfig(
    image=SmallResNet(width=4),
    text=HashedText(buckets=256, width=8),
    preprocess=Preprocess(size=32),
    dim=8,
    heads_per_role=True,
)


@pytest.fixture(scope="session")
def splits(catalog):
    return [load_dataset(catalog, split) for split in ("train", "val")]


def embed(folder, dataset, runtime):
    """A few embeddings of every role."""
    pictures = [pair.query_image for pair in dataset.pairs[:3]]
    words = [product.text for product in dataset.products[:3]]
    with Embedder.load(folder, runtime=runtime, device="cpu") as embedder:
        return {
            role: embedder.embed_images(pictures, role=role, root=dataset.root)
            if role in IMAGE_ROLES
            else embedder.embed_texts(words, role=role)
            for role in ROLES
        }


@pytest.fixture
def plain(tmp_path):
    """Untrained towers on disk, not centred."""
    torch.manual_seed(0)
    folder = tmp_path / "plain"
    save_checkpoint(folder, FourTower(SMALL).eval(), QueryParams(), onnx=False)
    return folder


def test_a_fitted_checkpoint(splits, plain, tmp_path):
    """Its means and numbers are those of the fit on the same data; both runtimes use them."""
    with Embedder.load(plain, runtime="torch", device="cpu") as embedder:
        means, params = fit(*(embed_fit_data(embedder, split) for split in splits))
    model, folder = load_model(plain), tmp_path / "checkpoint"
    set_means(model, {role: np.full(8, 0.2, np.float32) for role in ROLES})  # of an earlier fit; must not stay
    before = save_checkpoint(folder, model, QueryParams(), provenance={"note": "old"}, onnx=False)

    after = save_fitted(folder, model, *splits, device="cpu", provenance={"note": "new"})
    assert after.identity.provenance == {"note": "new"}
    assert after.model_id != before.model_id
    assert after.params == params
    assert after.params.fitted
    model = load_model(folder)
    uncentred, fitted = embed(plain, splits[1], "torch"), embed(folder, splits[1], "torch")
    for role in ROLES:
        np.testing.assert_allclose(getattr(model, f"mean_{role}").numpy(), means[role], atol=1e-6)
        moved = uncentred[role] - means[role]
        np.testing.assert_allclose(fitted[role], moved / np.linalg.norm(moved, axis=1, keepdims=True), atol=1e-4)
    for role, embeddings in embed(folder, splits[1], "onnx").items():
        assert (embeddings * fitted[role]).sum(axis=1).min() > 0.9999


def test_a_fit_that_fails_leaves_nothing_that_looks_fitted(splits, tmp_path):
    train, val = splits
    lost = [pair.model_copy(update={"query_image": "lost.jpg"}) for pair in val.pairs]
    folder = tmp_path / "checkpoint"
    with pytest.raises(ImageRejected, match=r"lost\.jpg"):
        save_fitted(folder, FourTower(SMALL).eval(), train, replace(val, pairs=lost), device="cpu")
    assert list(tmp_path.iterdir()) == []


def test_a_role_that_is_not_named_is_not_centred(plain):
    model = load_model(plain)
    set_means(model, {"query_image": np.full(8, 0.1, np.float32)})
    assert model.mean_query_image.tolist() == pytest.approx([0.1] * 8)
    assert not model.mean_product_image.any()
    set_means(model, {})
    assert not any(getattr(model, f"mean_{role}").any() for role in ROLES)


def test_a_catalog_without_short_queries_still_fits(splits, plain):
    """Nobody knows the mean of queries that nobody asked."""
    silent = []
    for split in splits:
        products = [product.model_copy(update={"queries": ()}) for product in split.products]
        silent.append(replace(split, products=products))
    with Embedder.load(plain, runtime="torch", device="cpu") as embedder:
        means, params = fit(*(embed_fit_data(embedder, split) for split in silent))
    assert not means["query_text"].any()
    assert all(np.isfinite(mean).all() for mean in means.values())
    assert np.isfinite(list(params.weights.model_dump().values())).all()


def test_products_without_any_picture_still_fit(splits, plain):
    bare = []
    for split in splits:
        products = [product.model_copy(update={"images": ()}) for product in split.products]
        bare.append(replace(split, products=products))
    with Embedder.load(plain, runtime="torch", device="cpu") as embedder:
        means, params = fit(*(embed_fit_data(embedder, split) for split in bare))
    assert not means["product_image"].any()
    assert params.weights.it > 0, "photos can only be compared with texts"
    assert np.isfinite(list(params.weights.model_dump().values())).all()
