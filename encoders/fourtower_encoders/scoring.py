"""Scores an embedded dataset with given query weights: street photo to product, and every task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fourtower_encoders.combined import score_tasks
from fourtower_encoders.embedded import EmbeddedDataset
from fourtower_encoders.joint import Array, QueryParams, Weights, query_vectors
from fourtower_encoders.metrics import (
    Flags,
    Indices,
    Ranking,
    average_precision_at,
    ndcg_at,
    positions,
    rank,
    reciprocal_rank,
    share_at,
    without,
)
from fourtower_encoders.relevance import UNKNOWN, Labels, same

DEPTH = 10
IMAGE_ONLY = "image-image only/"
"""Prefix of the figures of photo search that ignores the products' text: the weight `it` is 0."""
PHOTOS = "photos"
_SIMILAR = 2
"""Grade from which a product counts as similar: its category, and its pattern or colour."""
_TARGETS_AT_ONCE = 256


@dataclass(frozen=True)
class Evaluation:
    """Figures of one model on one dataset, kept per query so that they can be paired and resampled."""

    model_id: str
    params: QueryParams
    sizes: dict[str, int]
    """How many products, rows, photos and tasks were measured."""
    values: dict[str, Array]
    """Per-query values by flat name ("R@1", "image-image only/R@1", "change_category/composed/Hit@1");
    NaN where a query has none."""
    rankings: dict[str, Ranking]
    """The first hits of `PHOTOS` and, by task name, of composed queries: places in the product list."""

    def figures(self) -> dict[str, float]:
        """The mean of everything by flat name, and which share of wrong-category hits copies the pattern."""
        means = {name: float(np.nanmean(values)) for name, values in self.values.items()}
        for prefix in ("", IMAGE_ONLY):
            captured, wrong = means.get(f"{prefix}PC@{DEPTH}"), means.get(f"{prefix}XC@{DEPTH}")
            if captured is not None and wrong:
                means[f"{prefix}PC@{DEPTH} of XC@{DEPTH}"] = captured / wrong
        return means


def score(embedded: EmbeddedDataset, params: QueryParams) -> Evaluation:
    """Measure photo search, the same without the products' text, and every task.

    Figures that no query has a value for (a catalog without categories has no "XC@1") are left out.
    """
    dataset, rows, labels = embedded.dataset, embedded.rows(params), Labels.of(embedded.dataset.products)
    values, ranking = _score_photos(embedded, rows, labels, params.weights)
    # Here a text must not stand in for a missing picture either.
    pictured = embedded.rows(params.model_copy(update={"kappa_image": 0.0}))
    plain, _ = _score_photos(embedded, pictured, labels, params.weights.model_copy(update={"it": 0.0}))
    by_task, rankings = score_tasks(embedded, rows, params.weights, depth=DEPTH)
    values |= {IMAGE_ONLY + name: figure for name, figure in plain.items()} | by_task
    return Evaluation(
        model_id=embedded.model_id,
        params=params,
        sizes={
            "products": len(dataset.products),
            "rows": len(rows),
            "photos": len(dataset.pairs),
            "tasks": len(dataset.tasks),
        },
        values={name: figure for name, figure in values.items() if np.isfinite(figure).any()},
        rankings={PHOTOS: ranking, **rankings},
    )


def _score_photos(
    embedded: EmbeddedDataset, rows: Array, labels: Labels, weights: Weights
) -> tuple[dict[str, Array], Ranking]:
    """Per-query values [Q] of photos without words, and their first hits."""
    targets, owner = embedded.targets, embedded.owner
    photos = embedded.photos([pair.query_image for pair in embedded.dataset.pairs])
    queries = query_vectors(photos, None, weights)
    places = positions(queries, rows, targets, owner=owner)
    deeper = rank(queries, rows, DEPTH + 1, owner=owner)  # one more, for a gallery without the target
    top = deeper.top[:, :DEPTH]
    values = {f"R@{k}": (places <= k).astype(np.float32) for k in (1, 5, DEPTH)}
    values["MRR"] = reciprocal_rank(places)
    values |= _similarity(labels, targets, top)
    values |= _confusion(labels, targets, top)
    removed = _confusion(labels, targets, without(deeper.top, targets))
    values |= {f"{name}-removed": share for name, share in removed.items()}
    return values, Ranking(top, deeper.scores[:, :DEPTH])


def _similarity(labels: Labels, targets: Indices, top: Indices) -> dict[str, Array]:
    """Graded figures: does the ranking put what resembles the target before what doesn't?"""
    ideal, similar = _best_grades(labels, targets, len(labels.category))
    grades = labels.grades(targets, top)
    return {
        f"nDCG@{DEPTH}": ndcg_at(_gain(grades), _gain(ideal), DEPTH),
        f"mAP@{DEPTH}": average_precision_at(grades >= _SIMILAR, DEPTH, total=similar),
    }


def _confusion(labels: Labels, targets: Indices, top: Indices) -> dict[str, Array]:
    """XC: share of hits of another category. PC: share of hits that copy the pattern of another category."""
    wrong = ~same(labels.category, targets, top)
    copied = wrong & same(labels.pattern, targets, top)
    categorised = labels.category[targets] != UNKNOWN
    patterned = categorised & (labels.pattern[targets] != UNKNOWN)
    return {
        "XC@1": _where(categorised, share_at(wrong, 1)),
        f"XC@{DEPTH}": _where(categorised, share_at(wrong, DEPTH)),
        f"PC@{DEPTH}": _where(patterned, share_at(copied, DEPTH)),
    }


def _best_grades(labels: Labels, targets: Indices, products: int) -> tuple[Indices, Indices]:
    """For each target, the highest grades [Q, 10] that the gallery offers, and how many are similar [Q]."""
    everything = np.arange(products)[None, :]
    best = np.zeros((len(targets), min(DEPTH, products)), dtype=np.int64)
    similar = np.zeros(len(targets), dtype=np.int64)
    for start in range(0, len(targets), _TARGETS_AT_ONCE):
        part = slice(start, start + _TARGETS_AT_ONCE)
        grades = labels.grades(targets[part], everything)  # [C, P]
        best[part] = -np.sort(-grades, axis=1)[:, :DEPTH]
        similar[part] = (grades >= _SIMILAR).sum(axis=1)
    return best, similar


def _gain(grades: Indices) -> Array:
    return (np.exp2(grades) - 1).astype(np.float32)


def _where(known: Flags, values: Array) -> Array:
    return np.where(known, values, np.float32(np.nan))
