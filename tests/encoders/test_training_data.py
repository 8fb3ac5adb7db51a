"""Pictures and texts of a split as arrays; every picture here is one flat grey that says which one it is."""

import json
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fourtower_encoders.config import HashedText, Preprocess
from fourtower_encoders.errors import ManifestError
from fourtower_encoders.manifest import Dataset, Pair, Product, Task, load_dataset
from fourtower_encoders.tokens import build_tokenizer
from fourtower_encoders.training_data import load_training_data, readable

SMALL = Preprocess(size=16)
TEXT = HashedText(buckets=64, width=8)
VIEWS = {"p0": ("p0-0", "p0-1"), "p1": ("p1-0",), "p2": (), "p3": ("p3-0", "p3-1", "p3-2")}
SHOTS = [("s0", "p0"), ("s1", "p1"), ("s2", "p2"), ("s3", "p3"), ("s4", "p0")]
GREY = {name: 10 * number for number, name in enumerate([*sum(VIEWS.values(), ()), *(shot for shot, _ in SHOTS)])}


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for name, grey in GREY.items():
        Image.new("RGB", (8, 8), (grey,) * 3).save(folder / f"{name}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def dataset(root, broken=()):
    """The split above, with some of its pictures replaced by one that can't be read."""
    lines = count(1)

    def path(name):
        return f"./{name}/../broken.png" if name in broken else f"{name}.png"

    products = [
        Product(product_id=p, title=p, images=tuple(map(path, views)), where=f"products line {next(lines)}")
        for p, views in VIEWS.items()
    ]
    pairs = [Pair(query_image=path(shot), product_id=p, where=f"queries line {next(lines)}") for shot, p in SHOTS]
    tasks = [Task(task="t", query_image=path("s0"), relevant=("p0",)), Task(task="t", text="mug", relevant=("p1",))]
    return Dataset(root, products, pairs, tasks)


def load(data, **options):
    return load_training_data(data, build_tokenizer(TEXT, None), SMALL, threads=2, **options)


def greys(arrays, pictures):
    return [int(arrays.pixels[picture].mean()) for picture in pictures]


def test_pixels_have_room_for_a_crop(pictures):
    seen = []
    arrays = load(dataset(pictures), progress=lambda done, total: seen.append((done, total)))
    assert arrays.pixels.shape == (len(GREY), 18, 18, 3)
    assert seen == [(n, len(GREY)) for n in range(1, len(GREY) + 1)]
    assert arrays.bad == {}


@settings(max_examples=25, deadline=None)
@given(broken=st.sets(st.sampled_from(sorted(GREY))))
def test_skipping_drops_exactly_what_is_broken(pictures, broken):
    kept = [[view for view in views if view not in broken] for views in VIEWS.values()]
    pairs = [(s, p) for s, p in SHOTS if s not in broken and any(view not in broken for view in VIEWS[p])]
    if not pairs:
        with pytest.raises(ManifestError, match="no pair is left"):
            load(dataset(pictures, broken), on_bad="skip")
        return
    arrays = load(dataset(pictures, broken), on_bad="skip")
    assert greys(arrays, arrays.pair_photo) == [GREY[shot] for shot, _ in pairs]
    assert [f"p{number}" for number in arrays.pair_product] == [product for _, product in pairs]
    assert [greys(arrays, views) for views in arrays.views] == [[GREY[view] for view in views] for views in kept]
    assert len(arrays.bad) == len(broken)
    for number, own in enumerate(arrays.pairs_of):
        assert (arrays.pair_product[own] == number).all()
    assert sorted(np.concatenate(arrays.pairs_of)) == list(range(len(pairs)))


@pytest.mark.parametrize(("name", "line"), [("s1", "queries line 6"), ("p3-1", "products line 4")])
def test_an_unreadable_picture_is_named_with_its_line(pictures, name, line):
    for attempt in (load, readable):
        with pytest.raises(ManifestError, match=rf"^{line}: \./{name}/\.\./broken\.png: .*--on-bad skip\.$"):
            attempt(dataset(pictures, {name}))


def test_a_picture_outside_the_folder_is_unreadable(pictures, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.png")
    data = dataset(pictures)
    data.pairs[0] = Pair(query_image=str(tmp_path / "secret.png"), product_id="p0", where="queries line 5")
    with pytest.raises(ManifestError, match=r"^queries line 5: .*leads out of the image root"):
        load(data)


def test_readable_keeps_the_rest(pictures):
    data = readable(dataset(pictures, {"s0", "p3-1", "p1-0"}), on_bad="skip")
    assert [len(product.images) for product in data.products] == [2, 0, 0, 2]
    assert [pair.query_image for pair in data.pairs] == ["s1.png", "s2.png", "s3.png", "s4.png"]
    assert [task.text for task in data.tasks] == ["mug"], "the other one needs the broken photo"
    assert len(data.bad) == 3
    with pytest.raises(ManifestError, match=r"no pair is left .*queries line 5"):
        readable(dataset(pictures, {shot for shot, _ in SHOTS}), on_bad="skip")


def test_a_task_photo_that_is_in_no_pair_is_read_too(pictures):
    data = dataset(pictures)
    data.tasks[0] = Task(task="t", query_image="gone.png", relevant=("p0",), where="tasks line 1")
    with pytest.raises(ManifestError, match=r"^tasks line 1: gone\.png: "):
        readable(data)
    assert len(readable(data, on_bad="skip").tasks) == 1


def test_what_belongs_together_is_numbered(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    rows = [
        {"product_id": "a", "title": "mug", "group": "g", "category": "mug", "queries": ["Red  Mug", "mug"]},
        {"product_id": "b", "title": "mug", "group": "g", "category": "mug", "queries": ["red mug "]},
        {"product_id": "c", "title": "bag", "queries": []},
    ]
    (tmp_path / "products.jsonl").write_text("\n".join(json.dumps(row | {"images": ["x.png"]}) for row in rows))
    (tmp_path / "queries.train.jsonl").write_text('{"image": "x.png", "product_id": "a"}')
    arrays = load(load_dataset(tmp_path, "train"))
    assert arrays.group.tolist() == [0, 0, -1]
    assert arrays.category.tolist() == [0, 0, -1]
    assert arrays.text.tolist() == [0, 0, 1], "the very same text can't tell two products apart"
    assert arrays.answered.tolist() == [[1, 0], [1, -2], [-2, -2]], "case and spaces make no other query"
    assert (arrays.queries[-1] == 0).all(), "the empty query is last"
    assert arrays.queries.shape == (3, arrays.titles.shape[1])
