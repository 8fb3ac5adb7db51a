"""The checkpoint that ships: small, torch-free, honest about its figures."""

import json
import subprocess
import sys

import pytest

from fourtower_encoders.checkpoint import DEMO, read_checkpoint
from fourtower_encoders.embedder import Embedder
from fourtower_encoders.evaluate import evaluate
from fourtower_encoders.manifest import Dataset, load_dataset
from fourtower_encoders.synth import SynthConfig, write_catalog

UNUSED_SEED = 4711
"""Neither trained on nor measured for the card."""


def test_is_small_and_complete():
    names = {path.name for path in DEMO.iterdir()}
    assert {"config.json", "model.safetensors", "image.onnx", "text.onnx", "query.json", "README.md"} <= names
    assert sum(path.stat().st_size for path in DEMO.iterdir()) <= 8_000_000


def test_says_where_it_comes_from():
    checkpoint = read_checkpoint(DEMO)
    assert checkpoint.params.fitted
    assert set(checkpoint.params.calibration) == {"image", "text", "mixed"}
    assert checkpoint.identity.provenance["training"]["variant"].startswith("4-tower")
    card = (DEMO / "README.md").read_text(encoding="utf-8")
    assert checkpoint.model_id in card
    assert "trained on drawings" in card
    assert "make train-demo" in card


def test_embeds_without_torch():
    code = (
        "import sys, io; from PIL import Image; from fourtower_encoders import Embedder\n"
        "picture = io.BytesIO(); Image.new('RGB', (80, 80), 'red').save(picture, 'PNG')\n"
        "with Embedder.load('demo', runtime='onnx') as e:\n"
        "    assert e.embed_images([picture.getvalue()]).shape == (1, e.dim)\n"
        "    assert e.embed_texts(['red bag']).shape == (1, e.dim)\n"
        "print('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_both_runtimes_agree(tmp_path):
    write_catalog(tmp_path, SynthConfig(products=40, seed=5, photos=1))
    pictures = sorted((tmp_path / "street").glob("*.jpg"))[:32]
    with Embedder.load("demo", runtime="onnx") as onnx, Embedder.load("demo", runtime="torch", device="cpu") as torch:
        for role in ("query_image", "product_image"):
            agreement = onnx.embed_images(pictures, role=role) * torch.embed_images(pictures, role=role)
            assert float(agreement.sum(axis=1).min()) >= 0.9999
        words = ["red bag", "", "zebra clock handmade", "ÄÖ 東京"]
        agreement = onnx.embed_texts(words) * torch.embed_texts(words)
        assert float(agreement.sum(axis=1).min()) >= 0.9999


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Dataset:
    """A catalog of the size that the card names, from a seed of its own."""
    folder = tmp_path_factory.mktemp("fresh")
    card = json.loads((DEMO / "card.json").read_text(encoding="utf-8"))
    write_catalog(folder, SynthConfig(products=card["products"], seed=UNUSED_SEED, photos=1), workers=2)
    return load_dataset(folder, "test")


@pytest.mark.slow
def test_figures_stay_inside_the_intervals_of_the_card(fresh):
    intervals = json.loads((DEMO / "card.json").read_text(encoding="utf-8"))["prediction_intervals"]
    with Embedder.load("demo") as embedder:
        figures = evaluate(embedder, fresh).figures()
    outside = {
        name: (figures[name], span) for name, span in intervals.items() if not span[0] <= figures[name] <= span[1]
    }
    assert not outside


@pytest.mark.slow
def test_bf16_finds_the_same(fresh):
    pictures = [product.images[0] for product in fresh.products if product.images]
    found, embeddings = [], []
    for precision in ("fp32", "bf16"):
        with Embedder.load("demo", runtime="torch", device="cpu", precision=precision) as embedder:
            embeddings.append(embedder.embed_images(pictures, root=fresh.root))
            found.append(evaluate(embedder, fresh).figures()["R@10"])
    assert float((embeddings[0] * embeddings[1]).sum(axis=1).min()) >= 0.999
    assert found[0] == pytest.approx(found[1], abs=0.005)
