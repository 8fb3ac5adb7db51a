"""Data folders: what a line may say, and that a bad one is always named."""

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fourtower_encoders.errors import ManifestError
from fourtower_encoders.manifest import Dataset, load_dataset

GOOD = {"product_id": "p1", "title": "red mug", "images": ["a.jpg"]}
PAIR = {"query_image": "s.jpg", "product_id": "p1"}
NAMED = re.compile(r"^(products|queries|tasks)\.train\.jsonl line \d+: ")


def write(folder, split="train", **files):
    folder.mkdir(exist_ok=True)
    for name, lines in files.items():
        rows = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        (folder / f"{name}.{split}.jsonl").write_bytes(b"\n".join(rows))
    return folder


def test_a_whole_folder(tmp_path):
    full = GOOD | {"description": "With dots.", "category": "mug", "group": "g", "queries": ["mug"], "colour": "red"}
    task = {"task": "negation", "query_image": "s.jpg", "minus": "red", "relevant": ["p1"]}
    data = load_dataset(write(tmp_path, products=[full], queries=[PAIR], tasks=[task]), "train")
    product = data.products[0]
    assert product.text == "red mug. With dots."
    assert (product.group, product.queries, product.images) == ("g", ("mug",), ("a.jpg",))
    assert product.where == "products.train.jsonl line 1"
    assert data.tasks[0].relevant == ("p1",)
    assert data.bad == []


def test_names_of_other_catalogs_are_understood(tmp_path):
    product = {"product_id": "p1", "title": "mug", "group_id": "g", "image": "a.jpg", "queries": "mug"}
    data = load_dataset(write(tmp_path, products=[product], queries=[{"image": "s.jpg", "product_id": "p1"}]), "train")
    assert (data.products[0].group, data.products[0].images, data.products[0].queries) == ("g", ("a.jpg",), ("mug",))
    assert data.products[0].text == "mug"
    assert data.pairs[0].query_image == "s.jpg"


def test_splits_may_share_their_products(tmp_path):
    for split in ("train", "val"):
        write(tmp_path, split, queries=[PAIR])
    (tmp_path / "products.jsonl").write_text(json.dumps(GOOD))
    assert load_dataset(tmp_path, "train").products == load_dataset(tmp_path, "val").products
    write(tmp_path, "val", products=[GOOD | {"title": "own"}])
    assert load_dataset(tmp_path, "val").products[0].title == "own"


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"products": [GOOD, b"{oops"]}, r"^products\.train\.jsonl line 2: the line: Invalid JSON"),
        ({"products": [GOOD, b"\xff\xfe"]}, r"^products\.train\.jsonl line 2: the line: "),
        ({"products": [GOOD, b"[1]"]}, r"^products\.train\.jsonl line 2: the line: "),
        ({"products": [b"", GOOD | {"product_id": 7}]}, r"^products\.train\.jsonl line 2: product_id: .*string"),
        ({"products": [GOOD | {"images": ["a.jpg", 5]}]}, r"^products\.train\.jsonl line 1: images\S*\.1: "),
        ({"products": [GOOD, GOOD]}, r"^products\.train\.jsonl line 2: product_id 'p1' appears twice"),
        ({"queries": [PAIR, PAIR | {"product_id": "p9"}]}, r"^queries\.train\.jsonl line 2: product_id 'p9' is not"),
        ({"queries": [{"product_id": "p1"}]}, r"^queries\.train\.jsonl line 1: query_image: "),
        ({"tasks": [{"task": "t", "relevant": []}]}, r"^tasks\.train\.jsonl line 1: relevant: "),
        ({"tasks": [{"task": "t", "relevant": ["p1", "p9"]}]}, r"^tasks\.train\.jsonl line 1: product_id 'p9' is not"),
    ],
)
def test_a_bad_line_is_named(tmp_path, files, sentence):
    write(tmp_path, **({"products": [GOOD], "queries": [PAIR]} | files))
    with pytest.raises(ManifestError, match=sentence) as caught:
        load_dataset(tmp_path, "train")
    assert str(caught.value).endswith("Mend the line, or pass --on-bad skip.")


def test_bad_lines_are_counted_or_skipped(tmp_path):
    write(tmp_path, products=[b"{", GOOD, GOOD], queries=[PAIR, b"1"])
    with pytest.raises(ManifestError, match=r"line 1: .* \(and 2 more\)\."):
        load_dataset(tmp_path, "train")
    data = load_dataset(tmp_path, "train", on_bad="skip")
    assert ([p.product_id for p in data.products], len(data.pairs)) == (["p1"], 1)
    assert [NAMED.match(sentence).group() for sentence in data.bad] == [
        "products.train.jsonl line 1: ",
        "products.train.jsonl line 3: ",
        "queries.train.jsonl line 2: ",
    ]


def test_what_names_a_skipped_product_is_skipped_too(tmp_path):
    lost = {"product_id": "p2", "title": 5}
    task = {"task": "t", "text": "mug", "relevant": ["p2"]}
    write(tmp_path, products=[GOOD, lost], queries=[PAIR, PAIR | {"product_id": "p2"}], tasks=[task])
    data = load_dataset(tmp_path, "train", on_bad="skip")
    assert (len(data.products), len(data.pairs), len(data.tasks), len(data.bad)) == (1, 1, 0, 3)


def test_missing_and_empty_files(tmp_path):
    with pytest.raises(ManifestError, match=r"There is no data folder .*nowhere; correct the path\."):
        load_dataset(tmp_path / "nowhere", "train")
    with pytest.raises(ManifestError, match=r"products\.jsonl does not exist\. Name a split that the folder has"):
        load_dataset(tmp_path, "train")
    write(tmp_path, products=[GOOD])
    with pytest.raises(ManifestError, match=r"queries\.train\.jsonl does not exist"):
        load_dataset(tmp_path, "train")
    with pytest.raises(ManifestError, match=r"no usable queries for split 'train'"):
        load_dataset(write(tmp_path, queries=[b"\n"]), "train")
    with pytest.raises(ManifestError, match=r"no usable products for split 'train'"):
        load_dataset(write(tmp_path, products=[b""], queries=[PAIR]), "train", on_bad="skip")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(["p1", "p2"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ("product_id", "title", "images", "image", "group_id", "queries", "attributes", "query_image", "relevant")
records = st.dictionaries(st.sampled_from((*FIELDS, "task", "where")), json_values, max_size=5)
nearly = st.tuples(st.sampled_from([GOOD, PAIR]), records).map(lambda both: both[0] | both[1])
wild = (records | nearly).map(json.dumps)
lines = st.lists(wild.map(str.encode) | st.binary(max_size=12) | st.just(b""), max_size=6)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(products=lines, queries=lines, tasks=lines)
def test_any_lines_give_a_dataset_or_a_named_line(tmp_path_factory, products, queries, tasks):
    files = {"products": [json.dumps(GOOD).encode(), *products], "queries": [json.dumps(PAIR).encode(), *queries]}
    folder = write(tmp_path_factory.mktemp("wild"), **files, tasks=tasks)
    data = load_dataset(folder, "train", on_bad="skip")
    assert isinstance(data, Dataset)
    if data.bad:
        with pytest.raises(ManifestError, match=NAMED):
            load_dataset(folder, "train")
    else:
        assert load_dataset(folder, "train") == data
    assert all(NAMED.match(sentence) for sentence in data.bad)
    known = {product.product_id for product in data.products}
    assert len(known) == len(data.products), "no product appears twice"
    assert {pair.product_id for pair in data.pairs} <= known
    assert {product_id for task in data.tasks for product_id in task.relevant} <= known
    everything = b"\n".join(b"\n".join(rows) for rows in (*files.values(), tasks))
    meant = sum(bool(line.strip()) for line in everything.split(b"\n"))
    assert len(data.products) + len(data.pairs) + len(data.tasks) + len(data.bad) == meant
