from __future__ import annotations

import pytest

from fourtower_encoders.manifest import Task
from fourtower_encoders.synth import SynthConfig, SynthProduct, make_products
from fourtower_encoders.synth.palette import COLOURS
from fourtower_encoders.synth.tasks import make_tasks
from fourtower_encoders.synth.wording import CATEGORY_WORDS, PATTERN_WORDS

PRODUCTS = [product for product in make_products(SynthConfig(products=1600)) if product.split == "test"]
TASKS = make_tasks(PRODUCTS, per_kind=300)
BY_ID = {product.product_id: product for product in PRODUCTS}
NAMED = {
    **{word: ("category", name) for name, words in CATEGORY_WORDS.items() for word in words},
    **{word: ("pattern", name) for name, words in PATTERN_WORDS.items() for word in words},
    **{word: ("colour", pair.name) for pair in COLOURS.values() for word in pair.words},
}
KINDS = {"change_category": "category", "change_colour": "colour", "add_attribute": "pattern", "negation": "pattern"}


def shown(task: Task) -> SynthProduct:
    assert task.query_image is not None
    return BY_ID[task.query_image.removeprefix("street/").rsplit("-", 1)[0]]


def brute_force(task: Task) -> set[str]:
    """All products whose attributes are the photo's, but for what the words ask."""
    wanted = {name: shown(task).attributes[name] for name in ("category", "pattern", "colour")}
    negative = task.task == "negation"
    attribute, value = NAMED[task.minus if negative else task.text]
    assert attribute == KINDS[task.task]
    del wanted[attribute]
    return {
        product.product_id
        for product in PRODUCTS
        if all(product.attributes[name] == kept for name, kept in wanted.items())
        and (product.attributes[attribute] == value) != negative
    }


@pytest.mark.parametrize("kind", KINDS)
def test_relevant_products_are_exactly_those_that_answer(kind: str) -> None:
    tasks = [task for task in TASKS if task.task == kind]
    assert len(tasks) > 100
    for task in tasks:
        assert set(task.relevant) == brute_force(task)
        assert len(set(task.relevant)) == len(task.relevant)


def test_the_shown_product_never_answers() -> None:
    assert all(shown(task).product_id not in task.relevant for task in TASKS)


def test_the_words_ask_for_something_the_photo_does_not_show() -> None:
    for task in TASKS:
        attribute, value = NAMED[task.minus or task.text]
        assert (shown(task).attributes[attribute] == value) == (task.task == "negation")


def test_filters_say_the_same_as_the_words() -> None:
    for task in TASKS:
        attribute, value = NAMED[task.minus or task.text]
        assert task.filter == {attribute: f"!{value}" if task.task == "negation" else value}


def test_a_kind_has_no_more_tasks_than_asked() -> None:
    few = make_tasks(PRODUCTS, per_kind=5)
    assert {kind: sum(task.task == kind for task in few) for kind in KINDS} == dict.fromkeys(KINDS, 5)


def test_a_lone_product_gives_no_task() -> None:
    assert make_tasks(PRODUCTS[:1], per_kind=10) == []
