"""Judged queries for an index of the whole catalog: photos, short texts and tasks, each with all its right answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from fourtower_encoders.manifest import Task
from fourtower_encoders.relevance import EXACT
from fourtower_encoders.synth.products import Split, SynthProduct
from fourtower_encoders.synth.randomness import stream
from fourtower_encoders.synth.tasks import street_name

MOST_GRADED = 500
"""Graded products of a photo query; beyond it whole grades are left out, the lowest first."""

Grades = dict[str, int]


class _Style(NamedTuple):
    """What answers to photos and tasks depend on; a task's filter uses these names."""

    category: str
    pattern: str
    colour: str


def make_judgments(
    products: Sequence[SynthProduct], tasks: Iterable[Task], *, split: Split, per_kind: int
) -> Iterator[dict[str, Any]]:
    """The lines of `judgments.<split>.jsonl`.

    Args:
        products: the whole catalog. Queries come from the split, but every product may answer them, since
            an index that follows the catalog's events holds all splits.
        tasks: those of the split.
        split: whose photos and words ask.
        per_kind: the most queries of a kind.
    """
    members = [product for product in products if product.split == split]
    alike: dict[_Style, list[str]] = defaultdict(list)
    for product in products:
        alike[_style(product)].append(product.product_id)
    photos = (_photo(product, alike) for product in members[:per_kind])
    answered = (_task(number, task, members, alike) for number, task in enumerate(tasks))
    yield from chain(photos, _texts(products, members, per_kind), answered)


def _style(product: SynthProduct) -> _Style:
    return _Style(product.look.category, product.look.pattern, product.look.colour)


def _photo(shown: SynthProduct, alike: Mapping[_Style, Sequence[str]]) -> dict[str, Any]:
    """A street photo: what it shows has the highest grade, others of the category one by their style."""
    own = _style(shown)
    grades = {
        product_id: 1 + (style.pattern == own.pattern) + (style.colour == own.colour)
        for style, product_ids in alike.items()
        if style.category == own.category
        for product_id in product_ids
    }
    grades[shown.product_id] = EXACT
    image = street_name(shown, 0)
    return _line(f"image-{shown.product_id}", "image", _bounded(grades), image=image, category=own.category)


def _bounded(grades: Grades) -> Grades:
    """Drop a grade as a whole or not at all: of equally good products none may count more than another."""
    kept = grades
    for least in range(2, EXACT + 1):
        if len(kept) <= MOST_GRADED:
            break
        kept = {product_id: grade for product_id, grade in kept.items() if grade >= least}
    return kept


def _texts(products: Sequence[SynthProduct], members: Iterable[SynthProduct], most: int) -> Iterator[dict[str, Any]]:
    """Short queries that products of the split answer, drawn by lot; every product that answers one is right."""
    texts = sorted({text for product in members for text in product.queries})
    if not texts:
        return
    drawn = stream(products[0].seed, 0, "judged texts").permutation(len(texts))[:most]
    answers: dict[str, list[SynthProduct]] = {texts[place]: [] for place in drawn}
    for product in products:
        for text in answers.keys() & product.queries:
            answers[text].append(product)
    for number, (text, right) in enumerate(answers.items()):
        grades = {product.product_id: 1 for product in right}
        yield _line(f"text-{number}", "text", grades, text=text, category=right[0].look.category)


def _task(
    number: int, task: Task, members: Sequence[SynthProduct], alike: Mapping[_Style, Sequence[str]]
) -> dict[str, Any]:
    """A photo with words: right is the photo's style but for the one thing that the words change."""
    example = next(product for product in members if product.product_id == task.relevant[0])
    wanted = _style(example)._replace(**task.filter)
    right = [product_ids for style, product_ids in alike.items() if _meets(style, wanted)]
    return _line(
        f"{task.task}-{number}",
        task.task,
        dict.fromkeys(sorted(chain.from_iterable(right)), 1),
        text=task.text,
        minus=task.minus,
        image=task.query_image,
        category=wanted.category,
    )


def _meets(style: _Style, wanted: _Style) -> bool:
    """Whether a style is the wanted one, in which a leading "!" negates."""
    pairs = zip(style, wanted, strict=True)
    return all((found == value.removeprefix("!")) != value.startswith("!") for found, value in pairs)


def _line(query_id: str, kind: str, grades: Grades, **asked: str | None) -> dict[str, Any]:
    given = {name: value for name, value in asked.items() if value}
    return {"query_id": query_id, "kind": kind, **given, "grades": grades}
