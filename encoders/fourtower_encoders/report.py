"""Shows an evaluation: tables for a terminal, a dictionary for JSON, and a picture of what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fourtower_encoders.combined import METHODS
from fourtower_encoders.embedded import EmbeddedDataset
from fourtower_encoders.gallery import Hit, Query, Row, Verdict, contact_sheet
from fourtower_encoders.manifest import Dataset, Product, Task
from fourtower_encoders.metrics import Ranking
from fourtower_encoders.scoring import DEPTH, IMAGE_ONLY, PHOTOS, Evaluation
from fourtower_encoders.statistics import Interval, bootstrap_interval

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

_SHOWN = 5
_MEANING = {
    "R@1": "the right product is first",
    "R@5": "it is among the first 5",
    f"R@{DEPTH}": f"it is among the first {DEPTH}",
    "MRR": "one over its place",
    f"nDCG@{DEPTH}": "right and similar products stand first",
    f"mAP@{DEPTH}": f"similar products are among the first {DEPTH}",
    "XC@1": "lower is better: the first hit has another category",
    f"XC@{DEPTH}": f"lower is better: share of such hits among {DEPTH}",
    "XC@1-removed": "the same where the right product is not for sale",
    f"XC@{DEPTH}-removed": "the same where the right product is not for sale",
    f"PC@{DEPTH}": f"share of {DEPTH}: other category, but same pattern",
    f"PC@{DEPTH} of XC@{DEPTH}": "share of wrong categories that have the same pattern",
}
"""What a row of the table says, in the order of the table."""


def intervals(evaluation: Evaluation, *, draws: int = 2_000, seed: int = 0) -> dict[str, Interval]:
    """95 % bootstrap intervals over queries of every figure that is a mean of queries."""
    return {name: bootstrap_interval(values, draws=draws, seed=seed) for name, values in evaluation.values.items()}


def to_dict(evaluation: Evaluation, ranges: Mapping[str, Interval] | None = None) -> dict[str, Any]:
    """Everything that the tables show, ready for JSON."""
    report: dict[str, Any] = {
        "model_id": evaluation.model_id,
        "sizes": evaluation.sizes,
        "weights": evaluation.params.weights.model_dump(),
        "figures": evaluation.figures(),
    }
    if ranges is not None:
        report["intervals"] = {name: [value.low, value.high] for name, value in ranges.items()}
    return report


def tables(evaluation: Evaluation, ranges: Mapping[str, Interval] | None = None) -> list[Table]:
    """One table for photo search and, if there are tasks, one for photos combined with words."""
    figures = evaluation.figures()
    shown = [_photo_table(evaluation, figures, ranges or {})]
    names = [name for name in evaluation.rankings if name != PHOTOS]
    return [*shown, _task_table(names, figures, ranges or {})] if names else shown


def picture(
    evaluation: Evaluation, embedded: EmbeddedDataset, out: Path, *, photos: int = 5, per_task: int = 1, seed: int = 0
) -> None:
    """Draw the first five hits of some photos, and of some tasks of each name, all drawn by lot.

    Green frames the right product (for a task, any that answers it); red one of another category.
    """
    chance = np.random.default_rng(seed)
    drawn = _drawn(chance, len(embedded.dataset.pairs), photos)
    rows = [_photo_row(evaluation, embedded, index, first=index == drawn[0]) for index in drawn]
    for name, ranking in evaluation.rankings.items():
        if name != PHOTOS:
            tasks = [task for task in embedded.dataset.tasks if task.task == name]
            drawn = _drawn(chance, len(tasks), per_task)
            rows += [_task_row(embedded.dataset, tasks[index], ranking, index) for index in drawn]
    contact_sheet(
        rows,
        out,
        title="What was found",
        subtitle=f"Model {evaluation.model_id}, {evaluation.sizes['products']:,} products. "
        "Green: a right answer. Red: another category.",
        root=embedded.dataset.root,
    )


def _drawn(chance: np.random.Generator, count: int, wanted: int) -> list[int]:
    return sorted(chance.choice(count, size=min(wanted, count), replace=False).tolist())


def _photo_row(evaluation: Evaluation, embedded: EmbeddedDataset, index: int, *, first: bool) -> Row:
    products = embedded.dataset.products
    target = products[embedded.targets[index]]
    hits = _hits(products, evaluation.rankings[PHOTOS], index, right={target.product_id}, categories={target.category})
    return Row(Query(embedded.dataset.pairs[index].query_image), hits, heading="Street photo" if first else "")


def _task_row(dataset: Dataset, task: Task, ranking: Ranking, index: int) -> Row:
    categories = {product.category for product in dataset.products if product.product_id in task.relevant}
    hits = _hits(dataset.products, ranking, index, right=set(task.relevant), categories=categories)
    return Row(Query(task.query_image, task.text, task.minus), hits, heading=task.task.replace("_", " ").capitalize())


def _hits(
    products: Sequence[Product], ranking: Ranking, index: int, *, right: set[str], categories: set[str | None]
) -> list[Hit]:
    """The first hits of one query; a category is wrong if it is none of the right answers'."""
    hits = []
    for place, score in zip(ranking.top[index, :_SHOWN], ranking.scores[index, :_SHOWN], strict=True):
        product = products[place]
        strange = None not in categories and product.category not in categories
        verdict: Verdict | None = "right" if product.product_id in right else "wrong" if strange else None
        image = product.images[0] if product.images else None
        hits.append(Hit(image, product.title or product.product_id, float(score), verdict))
    return hits


def _photo_table(evaluation: Evaluation, figures: Mapping[str, float], ranges: Mapping[str, Interval]) -> Table:
    from rich.table import Table

    sizes = evaluation.sizes
    title = f"{sizes['photos']:,} street photos, {sizes['products']:,} products, model {evaluation.model_id}"
    table = Table(title=_plain(title), title_justify="left")
    table.add_column("figure")
    table.add_column("image and text", justify="right")
    table.add_column("image only", justify="right")
    table.add_column("meaning", style="dim")
    for name, meaning in _MEANING.items():
        if name in figures:
            cells = (_cell(key, figures, ranges) for key in (name, IMAGE_ONLY + name))
            table.add_row(name, *cells, meaning)
    return table


def _task_table(names: list[str], figures: Mapping[str, float], ranges: Mapping[str, Interval]) -> Table:
    from rich.table import Table

    table = Table(title=f"Photo and words: Hit@1 and Hit@{DEPTH}", title_justify="left")
    table.add_column("task")
    for method in METHODS:
        table.add_column(method, justify="right")
    between = "\n" if ranges else " / "
    for name in names:
        cells = (_hits_cell(f"{name}/{method}", figures, ranges, between) for method in METHODS)
        table.add_row(_plain(name), *cells)
    return table


def _plain(text: str) -> Text:
    """A name from outside, shown as it is: no markup, and no signs that steer a terminal."""
    from rich.text import Text

    return Text("".join(sign if sign.isprintable() else "\ufffd" for sign in text))


def _hits_cell(prefix: str, figures: Mapping[str, float], ranges: Mapping[str, Interval], between: str) -> str:
    keys = [f"{prefix}/Hit@{k}" for k in (1, DEPTH)]
    return between.join(_cell(key, figures, ranges) for key in keys if key in figures) or "-"


def _cell(name: str, figures: Mapping[str, float], ranges: Mapping[str, Interval]) -> str:
    if name not in figures:
        return "-"
    if name not in ranges:
        return f"{figures[name]:.3f}"
    return f"{figures[name]:.3f} \\[{ranges[name].low:.3f}, {ranges[name].high:.3f}]"
