from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image

from fourtower_encoders.manifest import load_dataset
from fourtower_encoders.synth import SynthConfig, holds_catalog, image_count, make_products, write_catalog
from fourtower_encoders.synth.products import SPLITS

CONFIG = SynthConfig(products=70, size=32, test_share=0.3, val_share=0.2, photos=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("catalog") / "data"
    counted: list[int] = []
    summary = write_catalog(out, CONFIG, progress=counted.append)
    assert sum(counted) == summary.images == image_count(CONFIG)
    return out


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_split_loads_and_they_are_disjoint(folder: Path) -> None:
    loaded = {split: load_dataset(folder, split) for split in SPLITS}
    ids = [product.product_id for split in SPLITS for product in loaded[split].products]
    assert sorted(ids) == sorted({product.product_id for product in make_products(CONFIG)})
    assert all(loaded[split].bad == [] for split in SPLITS)
    assert loaded["test"].tasks
    assert not loaded["train"].tasks
    for split in SPLITS:
        own = {product.product_id for product in loaded[split].products}
        assert all(set(task.relevant) <= own for task in loaded[split].tasks)


def test_the_manifest_says_what_the_products_are(folder: Path) -> None:
    expected = {product.product_id: product for product in make_products(CONFIG)}
    for split in SPLITS:
        for product in load_dataset(folder, split).products:
            source = expected[product.product_id]
            assert (product.title, product.description, product.group) == (
                source.title,
                source.description,
                source.group,
            )
            assert product.queries == source.queries
            assert product.attributes == source.attributes
            assert product.category == source.attributes["category"]


def test_all_named_pictures_exist_and_no_others(folder: Path) -> None:
    named = set()
    for split in SPLITS:
        data = load_dataset(folder, split)
        named |= {image for product in data.products for image in product.images}
        named |= {pair.query_image for pair in data.pairs}
        assert {task.query_image for task in data.tasks} <= named
    found = {str(path.relative_to(folder)) for path in folder.rglob("*.jpg")}
    assert named == found
    with Image.open(folder / next(iter(sorted(found)))) as picture:
        assert (picture.size, picture.format) == ((32, 32), "JPEG")


def test_training_products_get_more_photos(folder: Path) -> None:
    for split, photos in (("train", 2), ("val", 1), ("test", 1)):
        data = load_dataset(folder, split)
        assert len(data.pairs) == photos * len(data.products)


def test_events_carry_every_product_and_true_digests(folder: Path) -> None:
    events = lines(folder / "events.jsonl")
    expected = {product.product_id: product for product in make_products(CONFIG)}
    assert [event["product_id"] for event in events] == list(expected)
    for event in events:
        assert set(event) == {"op", "product_id", "version", "product"}
        assert (event["op"], event["version"]) == ("upsert", 1)
        product = event["product"]
        assert set(product) == {"title", "description", "images", "group_id", "attributes"}
        assert product["attributes"] == expected[event["product_id"]].attributes
        for image in product["images"]:
            assert image["sha256"] == hashlib.sha256((folder / image["url"]).read_bytes()).hexdigest()


def test_the_folder_records_what_made_it(folder: Path) -> None:
    record = json.loads((folder / "dataset.json").read_text())
    assert SynthConfig.model_validate(record["config"]) == CONFIG
    assert record["counts"]["catalog_images"] == len(list((folder / "images").iterdir()))
    assert record["counts"]["street_images"] == len(list((folder / "street").iterdir()))
    assert sum(record["counts"]["tasks"]["test"].values()) == len(lines(folder / "tasks.test.jsonl"))
    assert len(record["held_out_cells"]) == 18
    assert record["generator_version"] >= 1


def test_two_processes_write_the_same_files(folder: Path, tmp_path: Path) -> None:
    write_catalog(tmp_path, CONFIG, workers=2)

    def contents(root: Path) -> dict[str, bytes]:
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    assert contents(tmp_path) == contents(folder)


def test_a_call_that_breaks_off_leaves_no_catalog(tmp_path: Path) -> None:
    """Neither that of an earlier call, whose pictures are partly replaced, nor the beginning of a new one."""
    first, second = (SynthConfig(products=40, size=32, seed=seed) for seed in (1, 2))
    write_catalog(tmp_path, first)
    assert holds_catalog(tmp_path, first)
    assert not holds_catalog(tmp_path, second)

    def interrupt(pictures: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_catalog(tmp_path, second, progress=interrupt)
    assert not holds_catalog(tmp_path, first)
    assert not holds_catalog(tmp_path, second)
    assert {path.name for path in tmp_path.iterdir()} == {"images", "street"}


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"generator_version": 1, "config": 3}', b"\xff"])
def test_a_damaged_description_is_no_catalog(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "dataset.json").write_bytes(content)
    assert not holds_catalog(tmp_path, SynthConfig())
