"""Evaluation of an embedder that can be followed by hand: pictures and words are colours and categories."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fourtower_encoders.errors import CheckpointError, ImageError, InvalidConfig, ManifestError
from fourtower_encoders.evaluate import EmbeddedDataset, embed_dataset, evaluate, score
from fourtower_encoders.images import load_image
from fourtower_encoders.joint import QueryParams, Weights
from fourtower_encoders.manifest import Dataset, Pair, Product, Task, load_dataset

WORDS = ("red", "green", "blue", "mug", "shoe", "bag")
PRODUCTS = [
    {"product_id": "p0", "title": "red mug", "category": "mug", "pattern": "dots", "images": ["red mug.png"]},
    {"product_id": "p1", "title": "red shoe", "category": "shoe", "pattern": "dots", "images": ["red shoe.png"]},
    {"product_id": "p2", "title": "green mug", "category": "mug", "pattern": "plain", "images": ["green mug.png"]},
    {"product_id": "p3", "title": "blue bag", "category": "bag", "pattern": "dots"},
    # A misleading first view: only the second one shows the product.
    {"product_id": "p4", "title": "green shoe", "category": "shoe", "pattern": "plain",
     "images": ["blue bag.png", "green shoe.png"]},
]  # fmt: skip
PAIRS = [
    {"query_image": "red mug.png", "product_id": "p0"},
    {"query_image": "red mug.png", "product_id": "p2"},
    {"query_image": "green shoe.png", "product_id": "p4"},
]
TASKS = [
    {"task": "change_category", "query_image": "red mug.png", "text": "shoe", "relevant": ["p1"],
     "filter": {"category": "shoe"}},
    {"task": "negation", "query_image": "green shoe.png", "minus": "green", "relevant": ["p1"],
     "filter": {"colour": "!green"}},
    {"task": "words", "text": "blue bag", "relevant": ["p3"]},
]  # fmt: skip


class SixAxes:
    """Three axes for colours, three for categories: a picture's left half is the one, its right half the other."""

    dim = 6
    model_id = "six-axes"
    params = QueryParams()

    def embed_images(self, sources, *, role, root):
        """Mean colours of both halves."""
        pixels = np.stack([np.asarray(load_image(source, root=root), np.float32) for source in sources])
        return _unit(np.concatenate([half.mean(axis=(1, 2)) for half in np.split(pixels, 2, axis=2)], axis=1))

    def embed_texts(self, texts, *, role):
        """Which of the known words occur."""
        return _unit(np.array([[word in text.split() for word in WORDS] for text in texts], dtype=np.float32))


def _unit(features):
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)


@pytest.fixture
def dataset(tmp_path):
    """The five products above, written to a folder and read back."""
    for name in ("red mug", "red shoe", "green mug", "blue bag", "green shoe"):
        pixels = np.zeros((8, 16, 3), np.uint8)
        colour, category = name.split()
        pixels[:, :8, WORDS.index(colour)] = pixels[:, 8:, WORDS.index(category) - 3] = 255
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    products = [
        {**product, "attributes": {"pattern": product["pattern"], "colour": product["title"].split()[0]}}
        for product in PRODUCTS
    ]
    for name, records in (("products", products), ("queries", PAIRS), ("tasks", TASKS)):
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (tmp_path / f"{name}.test.jsonl").write_text(lines)
    return load_dataset(tmp_path, "test")


@pytest.fixture
def embedded(dataset):
    """The dataset on its six axes."""
    return embed_dataset(SixAxes(), dataset)


def test_photo_figures_by_hand(dataset):
    # "red mug" ranks p0 p1 p2 p3 p4 (p1 = p2 and p3 = p4 tie); "green shoe" ranks p4 p1 p2 p0 p3.
    figures = evaluate(SixAxes(), dataset).figures()
    ndcg = (
        (15 + 1 / 2) / (15 + 1 / math.log2(3))
        + (1 + 15 / 2) / (15 + 1 / math.log2(3))
        + 1  # p4, then p1, the other shoe
    ) / 3
    expected = {
        "R@1": 2 / 3,
        "R@5": 1,
        "MRR": (1 + 1 / 3 + 1) / 3,
        "nDCG@10": ndcg,
        "mAP@10": (1 + 1 / 3 + 1) / 3,
        "XC@1": 0,
        "XC@10": 3 / 5,
        "XC@1-removed": 1 / 3,
        "XC@10-removed": 3 / 4,
        "PC@10": (2 / 5 + 1 / 5 + 1 / 5) / 3,
        "PC@10 of XC@10": 4 / 9,
    }
    assert {name: figures[name] for name in expected} == pytest.approx(expected)


def test_task_figures_by_hand(embedded):
    figures = score(embedded, QueryParams()).figures()
    assert {name: value for name, value in figures.items() if name.count("/") == 2} == {
        "change_category/composed/Hit@1": 1,
        "change_category/composed/Hit@10": 1,
        "change_category/image-only/Hit@1": 0,
        "change_category/image-only/Hit@10": 1,
        "change_category/text-only/Hit@1": 1,
        "change_category/text-only/Hit@10": 1,
        "change_category/filter, then image/Hit@1": 1,
        "change_category/filter, then image/Hit@10": 1,
        "negation/composed/Hit@1": 1,
        "negation/composed/Hit@10": 1,
        "negation/image-only/Hit@1": 0,
        "negation/image-only/Hit@10": 1,
        "negation/filter, then image/Hit@1": 1,
        "negation/filter, then image/Hit@10": 1,
        "words/composed/Hit@1": 1,
        "words/composed/Hit@10": 1,
        "words/text-only/Hit@1": 1,
        "words/text-only/Hit@10": 1,
    }


def test_values_are_kept_per_query(embedded):
    evaluation = score(embedded, QueryParams())
    assert evaluation.values["R@1"].tolist() == [1, 0, 1]
    assert evaluation.values["XC@1-removed"].tolist() == [1, 0, 0]
    assert evaluation.rankings["photos"].top[0].tolist() == [0, 1, 2, 3, 4]
    assert evaluation.rankings["change_category"].top[0, 0] == 1
    assert evaluation.sizes == {"products": 5, "rows": 6, "photos": 3, "tasks": 3}
    assert evaluation.model_id == "six-axes"


def test_a_filter_hides_the_right_answers_that_fail_it(embedded):
    wrong = Task(task="t", query_image="red mug.png", relevant=("p0",), filter={"category": "bag"})
    figures = score(replace(embedded, dataset=_with_tasks(embedded, wrong)), QueryParams()).figures()
    assert figures["t/filter, then image/Hit@10"] == 0
    assert figures["t/image-only/Hit@1"] == 1


def test_the_image_only_figures_ignore_the_products_text(embedded):
    # The photo shows p3, which has no picture; only its text can bring it before p0 to p2.
    pairs = [Pair(query_image="blue bag.png", product_id="p3")]
    figures = score(_embed_pairs(embedded, pairs), QueryParams(weights=Weights(it=0.5))).figures()
    assert figures["MRR"] == 1 / 2  # after p4, whose misleading view is that very picture
    # Everything but p4 scores 0 now, and ties go by place: p4 p0 p1 p2 p3.
    assert figures["image-image only/MRR"] == pytest.approx(1 / 5)


def test_in_image_only_figures_no_text_stands_in_for_a_missing_picture(embedded):
    # p3 has no picture; half its text would otherwise be compared with the photo.
    pairs = [Pair(query_image="blue bag.png", product_id="p3")]
    params = QueryParams(weights=Weights(it=0.0), kappa_image=2.0)
    figures = score(_embed_pairs(embedded, pairs), params).figures()
    assert figures["MRR"] == 1
    assert figures["image-image only/MRR"] == pytest.approx(1 / 5)


def test_params_fill_in_missing_halves(embedded):
    filled = embedded.rows(QueryParams(kappa_image=0.5))
    np.testing.assert_allclose(filled[3, :6], 0.5 * embedded.product_text[3])
    assert not embedded.rows(QueryParams())[3, :6].any()


def test_without_labels_only_exact_figures_remain(embedded):
    plain = [Product(product_id=p.product_id, title=p.title, images=p.images) for p in embedded.dataset.products]
    figures = score(replace(embedded, dataset=replace(embedded.dataset, products=plain)), QueryParams()).figures()
    assert figures["R@1"] == pytest.approx(2 / 3)
    assert figures["mAP@10"] == pytest.approx((1 + 1 / 3 + 1) / 3)
    assert not [name for name in figures if "XC" in name or "PC" in name]


def test_one_product_is_a_catalog_too(embedded):
    only = Dataset(
        embedded.dataset.root, embedded.dataset.products[:1], [Pair(query_image="red mug.png", product_id="p0")], []
    )
    figures = score(embed_dataset(SixAxes(), only), QueryParams()).figures()
    assert (figures["R@1"], figures["XC@10"]) == (1, 0)
    assert "XC@1-removed" not in figures


def test_figures_agree_with_loops_over_random_embeddings():
    random = np.random.default_rng(11)
    views = random.integers(0, 4, 30)
    products = [
        Product(
            product_id=f"p{n}", title=f"t{n}", category="abc"[n % 3], images=tuple(f"{n}-{v}" for v in range(count))
        )
        for n, count in enumerate(views)
    ]
    shown = random.integers(0, 30, 40)
    pairs = [Pair(query_image=f"q{n}", product_id=f"p{product}") for n, product in enumerate(shown)]
    image, text, photo = (_unit(random.normal(size=(n, 8))).astype(np.float32) for n in (views.sum(), 30, 40))
    embedded = EmbeddedDataset(
        Dataset(Path(), products, pairs, []), photo, image, np.zeros((0, 8), np.float32), text, "random"
    )
    evaluation = score(embedded, QueryParams(weights=Weights(ii=1, it=0.7)))
    first = np.concatenate([[0], np.cumsum(views)])
    for query, target in enumerate(shown):
        own = []
        for n in range(30):
            seen = image[first[n] : first[n + 1]] if views[n] else np.zeros((1, 8))
            own.append(max(float(photo[query] @ view) for view in seen) + 0.7 * float(photo[query] @ text[n]))
        order = sorted(range(30), key=lambda n: -own[n])
        assert evaluation.values["MRR"][query] == pytest.approx(1 / (order.index(target) + 1))
        assert evaluation.values["XC@10"][query] == pytest.approx(np.mean([n % 3 != target % 3 for n in order[:10]]))
        others = [n for n in order if n != target]
        assert evaluation.values["XC@1-removed"][query] == (others[0] % 3 != target % 3)


def test_batches_change_nothing_and_progress_reaches_the_end(dataset, embedded):
    seen = []
    small = embed_dataset(SixAxes(), dataset, batch_size=2, progress=lambda done, total: seen.append((done, total)))
    for name in ("query_image", "product_image", "query_text", "product_text"):
        np.testing.assert_array_equal(getattr(small, name), getattr(embedded, name))
    inputs = embedded.inputs
    assert inputs.query_image == ["red mug.png", "green shoe.png"]  # each photo once
    assert inputs.query_text == ["shoe", "green", "blue bag"]
    assert seen[-1] == (2 + 5 + 3 + 5,) * 2
    assert [done for done, _ in seen] == [2, 4, 6, 7, 9, 10, 12, 14, 15]


def test_a_missing_picture_is_an_error(dataset):
    (dataset.root / "red mug.png").unlink()
    with pytest.raises(ImageError):
        evaluate(SixAxes(), dataset)


def test_embeddings_that_cannot_be_ranked_are_refused(embedded):
    broken = embedded.query_image.copy()
    broken[0, 0] = np.nan
    with pytest.raises(CheckpointError, match=r"query_image.*six-axes"):
        replace(embedded, query_image=broken)
    with pytest.raises(InvalidConfig, match=r"product_text has shape \(4, 6\).*\(5, 6\)"):
        replace(embedded, product_text=embedded.product_text[:4])


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (Task(task="odd", text="bag", relevant=("p9",)), "'odd'.*'p9'"),
        (Task(task="odd", minus="green", relevant=("p1",)), "'odd'.*neither photo nor wanted words"),
    ],
)
def test_tasks_that_cannot_be_answered_are_named(embedded, task, message):
    asked = embed_dataset(SixAxes(), _with_tasks(embedded, task))
    with pytest.raises(ManifestError, match=message):
        score(asked, QueryParams())


def _with_tasks(embedded, *tasks):
    """The same dataset, asked for more."""
    return replace(embedded.dataset, tasks=[*embedded.dataset.tasks, *tasks])


def _embed_pairs(embedded, pairs):
    return embed_dataset(SixAxes(), replace(embedded.dataset, pairs=pairs, tasks=[]))
