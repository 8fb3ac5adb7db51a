from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from fourtower_encoders.manifest import Product
from fourtower_encoders.relevance import Labels
from fourtower_encoders.synth import SynthConfig, SynthProduct, holds_catalog, make_products, write_catalog
from fourtower_encoders.synth import judgments as judged
from fourtower_encoders.synth.judgments import make_judgments
from fourtower_encoders.synth.tasks import make_tasks
from fourtower_search.schema import CatalogSchema

PRODUCTS = make_products(SynthConfig(products=1200, test_share=0.4))
MEMBERS = [product for product in PRODUCTS if product.split == "test"]
TASKS = make_tasks(MEMBERS, per_kind=60)
LINES = list(make_judgments(PRODUCTS, TASKS, split="test", per_kind=60))
BY_ID = {product.product_id: product for product in PRODUCTS}
PHOTOS, TEXTS = ([line for line in LINES if line["kind"] == kind] for kind in ("image", "text"))


def shown(image: str) -> SynthProduct:
    return BY_ID[image.removeprefix("street/").rsplit("-", 1)[0]]


def test_there_are_as_many_of_each_kind_as_asked() -> None:
    kinds = ("image", "text", "change_category", "change_colour", "add_attribute", "negation")
    assert Counter(line["kind"] for line in LINES) == dict.fromkeys(kinds, 60)
    assert len({line["query_id"] for line in LINES}) == len(LINES)


def test_photos_are_graded_as_an_evaluation_grades_them() -> None:
    described = [
        Product(product_id=product.product_id, category=product.look.category, attributes=product.attributes)
        for product in PRODUCTS
    ]
    labels = Labels.of(described)
    everything = np.arange(len(PRODUCTS))[None, :]
    for line in PHOTOS:
        target = PRODUCTS.index(shown(line["image"]))
        grades = labels.grades(np.array([target]), everything)[0]
        graded = zip(PRODUCTS, grades.tolist(), strict=True)
        assert line["grades"] == {product.product_id: grade for product, grade in graded if grade}


def test_a_text_is_answered_by_every_product_that_lists_it_and_no_other() -> None:
    for line in TEXTS:
        assert set(line["grades"]) == {product.product_id for product in PRODUCTS if line["text"] in product.queries}


def test_tasks_have_the_answers_of_the_split_and_those_of_the_others() -> None:
    lines = [line for line in LINES if line["kind"] not in ("image", "text")]
    for line, task in zip(lines, TASKS, strict=True):
        assert (line["kind"], line["image"]) == (task.task, task.query_image)
        assert (line.get("text", ""), line.get("minus", "")) == (task.text, task.minus)
        of_the_split = [product_id for product_id in line["grades"] if BY_ID[product_id].split == "test"]
        assert sorted(of_the_split) == sorted(task.relevant)
    assert any(BY_ID[product_id].split == "train" for line in lines for product_id in line["grades"])


def test_what_answers_a_task_differs_from_the_photo_in_one_thing() -> None:
    names = {"change_category": "category", "change_colour": "colour", "add_attribute": "pattern"}
    for line in (line for line in LINES if line["kind"] in names):
        own = shown(line["image"]).attributes
        for found in (BY_ID[product_id].attributes for product_id in line["grades"]):
            differing = {name for name in ("category", "pattern", "colour") if own[name] != found[name]}
            assert differing == {names[line["kind"]]}


def test_every_line_names_the_category_of_its_best_answers() -> None:
    for line in LINES:
        best = max(line["grades"].values())
        right = [product_id for product_id, grade in line["grades"].items() if grade == best]
        assert {BY_ID[product_id].look.category for product_id in right} == {line["category"]}


def test_photos_and_words_come_from_their_split() -> None:
    assert {shown(line["image"]).split for line in LINES if "image" in line} == {"test"}
    possible = {text for product in MEMBERS for text in product.queries}
    assert all(line["text"] in possible for line in TEXTS)


@pytest.mark.parametrize(("most", "lowest"), [(1000, 1), (40, 2), (3, 3), (1, 4), (0, 4)])
def test_long_lists_lose_their_lowest_grades_as_a_whole(
    most: int, lowest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judged, "MOST_GRADED", most)
    full = {f"p{n}": grade for n, grade in enumerate([4, 3, 3] + [2] * 20 + [1] * 400)}
    assert judged._bounded(full) == {name: grade for name, grade in full.items() if grade >= lowest}


def test_a_split_without_products_has_no_judgments() -> None:
    train = [product for product in PRODUCTS if product.split == "train"]
    assert list(make_judgments(train, [], split="test", per_kind=5)) == []


def test_the_folder_has_judgments_and_a_declaration_that_all_products_fit(tmp_path) -> None:
    config = SynthConfig(products=40, size=32, test_share=0.4, val_share=0.3)
    write_catalog(tmp_path, config)
    for split in ("val", "test"):
        lines = [json.loads(line) for line in (tmp_path / f"judgments.{split}.jsonl").read_text().splitlines()]
        assert {line["kind"] for line in lines} >= {"image", "text"}
        assert all((tmp_path / line["image"]).is_file() for line in lines if "image" in line)
    schema = CatalogSchema.load(tmp_path / "catalog.toml")
    for product in make_products(config):
        declared, others = schema.split(product.attributes)
        assert declared == product.attributes
        assert others == {}


@pytest.mark.parametrize("lacking", ["catalog.toml", "judgments.val.jsonl", "judgments.test.jsonl"])
def test_a_folder_of_an_earlier_release_is_not_taken_for_a_whole_catalog(tmp_path, lacking: str) -> None:
    config = SynthConfig(products=20, size=32)
    write_catalog(tmp_path, config)
    assert holds_catalog(tmp_path, config)
    (tmp_path / lacking).unlink()
    assert not holds_catalog(tmp_path, config)
