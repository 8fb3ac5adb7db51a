"""Scores searches that combine a photo with words, beside what simpler searches would have found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from fourtower_encoders.embedded import EmbeddedDataset
from fourtower_encoders.errors import ManifestError
from fourtower_encoders.joint import Array, Part, Weights, query_vector
from fourtower_encoders.manifest import Task
from fourtower_encoders.metrics import Flags, Ranking, hit_at, rank
from fourtower_encoders.relevance import matches

Method = Literal["composed", "image-only", "text-only", "filter, then image"]
"""The photo with words wanted and unwanted; the photo alone; the wanted words alone; or the photo alone
among the products that pass the task's exact filter."""
METHODS: tuple[Method, ...] = ("composed", "image-only", "text-only", "filter, then image")
AMOUNT = 0.5
"""How much photo, words and unwanted words each count in a composed query."""


class _Group(NamedTuple):
    """The tasks of one name, and for each what answers it and what its filter leaves; flags [T, P]."""

    tasks: Sequence[Task]
    relevant: Flags
    allowed: Flags


def score_tasks(
    embedded: EmbeddedDataset, rows: Array, weights: Weights, *, depth: int
) -> tuple[dict[str, Array], dict[str, Ranking]]:
    """Hit@1 and Hit@depth per task, as "name/method/Hit@k" [T], and the hits of composed queries by name.

    Nothing is left out of the gallery, so the product that the photo shows may take a place. A method
    that a task gives nothing to search with (an image search without photo) is NaN there.

    Raises:
        ManifestError: a task asks for nothing, or its answer is not among the products.
    """
    values: dict[str, Array] = {}
    rankings: dict[str, Ranking] = {}
    for name in dict.fromkeys(task.task for task in embedded.dataset.tasks):
        group = _group(embedded, name)
        for method in METHODS:
            asked, ranking = _rank(embedded, rows, weights, group, method, depth=depth)
            hits = np.take_along_axis(group.relevant, ranking.top, axis=1) & np.isfinite(ranking.scores)
            for k in (1, depth):
                values[f"{name}/{method}/Hit@{k}"] = np.where(asked, hit_at(hits, k), np.float32(np.nan))
            if method == "composed":
                rankings[name] = ranking
    return values, rankings


def _rank(
    embedded: EmbeddedDataset, rows: Array, weights: Weights, group: _Group, method: Method, *, depth: int
) -> tuple[Flags, Ranking]:
    """Which tasks [T] the method can be asked for, and the hits of all (meaningless for the others)."""
    parts = [_parts(embedded, task, method) for task in group.tasks]
    queries = np.zeros((len(parts), rows.shape[1]), dtype=np.float32)
    for query, some in zip(queries, parts, strict=True):
        if some:
            query[:] = query_vector(some, weights)
    allowed = group.allowed if method == "filter, then image" else None
    return np.array([bool(some) for some in parts]), rank(queries, rows, depth, owner=embedded.owner, allowed=allowed)


def _parts(embedded: EmbeddedDataset, task: Task, method: Method) -> list[Part]:
    """The query of one task; empty if the method can't be asked."""
    photo = [Part("image", embedded.photos([task.query_image])[0], AMOUNT)] if task.query_image else []
    words = [Part("text", embedded.words([task.text])[0], AMOUNT)] if task.text else []
    unwanted = [Part("text", embedded.words([task.minus])[0], -AMOUNT)] if task.minus else []
    if method == "composed":
        return photo + words + unwanted
    if method == "filter, then image" and not task.filter:
        return []
    return words if method == "text-only" else photo


def _group(embedded: EmbeddedDataset, name: str) -> _Group:
    products = embedded.dataset.products
    tasks = [task for task in embedded.dataset.tasks if task.task == name]
    place = {product.product_id: index for index, product in enumerate(products)}
    # Many tasks share a filter; looking at every product is done once for each.
    passing = {key: matches(products, dict(key)) for key in {tuple(task.filter.items()) for task in tasks}}
    relevant = np.zeros((len(tasks), len(products)), dtype=np.bool_)
    for row, task in zip(relevant, tasks, strict=True):
        if not (task.query_image or task.text):
            raise ManifestError(f"A task {name!r} has neither photo nor wanted words; give it `query_image` or `text`.")
        unknown = [product for product in task.relevant if product not in place]
        if unknown:
            raise ManifestError(
                f"A task {name!r} is answered by {unknown[0]!r}, which is not among the products of this split."
            )
        row[[place[product] for product in task.relevant]] = True
    return _Group(tasks, relevant, np.stack([passing[tuple(task.filter.items())] for task in tasks]))
