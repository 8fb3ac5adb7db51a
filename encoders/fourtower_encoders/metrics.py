"""Ranks products for queries and measures rankings: pure functions on arrays, one value per query.

A *ranking* is an array `top` [Q, K] of gallery positions, best first. A metric reads what those hits
are: `relevant[q, k]` says whether hit k answers query q. Means are left to the caller, so that
queries can be paired and resampled.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]

_SCORES_AT_ONCE = 1 << 23
"""Scores held at a time: 32 MB of float32, and twice that in sorting keys."""


class Ranking(NamedTuple):
    """The best hits of each query; both of shape [Q, K]."""

    top: Indices
    scores: Array


def collapse(scores: Array, owner: Indices, *, products: int) -> Array:
    """Keep the best row of each product: [Q, N] becomes [Q, P].

    Args:
        scores: One column per row (view) of the index.
        owner: The product that each row belongs to, shape [N].
        products: How many products there are; one without rows scores minus infinity.
    """
    order = np.argsort(owner, kind="stable")
    present, starts = np.unique(owner[order], return_index=True)
    best = np.full((scores.shape[0], products), -np.inf, dtype=np.float32)
    if present.size:
        best[:, present] = np.maximum.reduceat(scores[:, order], starts, axis=1)
    return best


def top_k(scores: Array, k: int) -> Indices:
    """Columns [Q, K] of the highest scores of each row; equal scores are ordered by column."""
    columns = scores.shape[1]
    k = min(k, columns)
    if k == 0:
        return np.zeros((scores.shape[0], 0), dtype=np.int64)
    # One integer holds score and column, so that keys are unique and a partial sort is exact.
    bits = (np.ascontiguousarray(scores, dtype=np.float32) + np.float32(0.0)).view(np.uint32)
    falling = np.where(bits >> 31, bits, ~bits & np.uint32(0x7FFF_FFFF))  # a high score is a small integer
    keys = (falling.astype(np.uint64) << np.uint64(32)) | np.arange(columns, dtype=np.uint64)
    best = np.partition(keys, k - 1, axis=1)[:, :k]
    return (np.sort(best, axis=1) & np.uint64(0xFFFF_FFFF)).astype(np.int64)


def rank(queries: Array, rows: Array, k: int, *, owner: Indices | None = None, allowed: Flags | None = None) -> Ranking:
    """Rank a gallery by inner product, a bounded number of scores at a time.

    Args:
        queries: Vectors [Q, E].
        rows: Vectors [N, E].
        k: How many hits to keep; fewer if the gallery is smaller.
        owner: The product [N] of each row; hits are then products, each by its best row.
        allowed: Which products [Q, P] each query may find; the others come last, with minus infinity.
    """
    depth = min(k, _products(rows, owner))
    ranking = Ranking(np.zeros((len(queries), depth), np.int64), np.zeros((len(queries), depth), np.float32))
    for part, scores in _score_chunks(queries, rows, owner):
        seen = scores if allowed is None else np.where(allowed[part], scores, np.float32(-np.inf))
        ranking.top[part] = top_k(seen, depth)
        ranking.scores[part] = np.take_along_axis(seen, ranking.top[part], axis=1)
    return ranking


def positions(queries: Array, rows: Array, targets: Indices, *, owner: Indices | None = None) -> Indices:
    """The place [Q], from 1, at which a full ranking has each query's one target."""
    places = np.zeros(len(queries), dtype=np.int64)
    for part, scores in _score_chunks(queries, rows, owner):
        target = targets[part, None]
        own = np.take_along_axis(scores, target, axis=1)
        earlier = np.arange(scores.shape[1]) < target
        places[part] = 1 + ((scores > own) | ((scores == own) & earlier)).sum(axis=1)
    return places


def without(top: Indices, targets: Indices) -> Indices:
    """The same ranking of a gallery that lacks each query's target: [Q, K] becomes [Q, K - 1]."""
    order = np.argsort(top == targets[:, None], axis=1, kind="stable")  # the target moves to the end
    return np.take_along_axis(top, order, axis=1)[:, :-1]


def hit_at(relevant: Flags, k: int) -> Array:
    """1 where any of the first k hits is relevant, shape [Q]."""
    return np.asarray(relevant[:, :k].any(axis=1), dtype=np.float32)


def recall_at(relevant: Flags, k: int, *, total: Indices) -> Array:
    """Share of the `total` [Q] relevant products that are among the first k hits; NaN where there are none."""
    return _divide(relevant[:, :k].sum(axis=1), total)


def reciprocal_rank(places: Indices) -> Array:
    """One over the place of the target; its mean is MRR, and mAP too when one product is relevant."""
    return (1.0 / places).astype(np.float32)


def average_precision_at(relevant: Flags, k: int, *, total: Indices) -> Array:
    """Mean precision at each relevant hit among the first k; NaN where nothing is relevant.

    A query with fewer than k relevant products reaches 1 by listing them all first.
    """
    seen = relevant[:, :k]
    precision = np.cumsum(seen, axis=1) / np.arange(1, seen.shape[1] + 1)
    return _divide((precision * seen).sum(axis=1), np.minimum(total, k))


def ndcg_at(gains: Array, ideal: Array, k: int) -> Array:
    """Discounted gain of the first k hits over that of the best possible order; NaN where all gains are 0.

    Args:
        gains: What each hit is worth, in ranked order, shape [Q, K].
        ideal: What the best possible hits are worth, falling, shape [Q, at least k if there are so many].
        k: Depth.
    """
    return _divide(_discounted(gains[:, :k]), _discounted(ideal[:, :k]))


def share_at(flags: Flags, k: int) -> Array:
    """Share of the first k hits that are flagged (of all hits if there are fewer); NaN without hits."""
    seen = flags[:, :k]
    return _divide(seen.sum(axis=1), np.full(len(seen), seen.shape[1]))


def _discounted(gains: Array) -> NDArray[np.float64]:
    discounts = 1.0 / np.log2(np.arange(2, gains.shape[1] + 2))
    weighted: NDArray[np.float64] = gains.astype(np.float64) @ discounts
    return weighted


def _divide(upper: NDArray[np.floating | np.integer], lower: NDArray[np.floating | np.integer]) -> Array:
    """Divide, with NaN where the divisor is 0: such a query says nothing about the ranking."""
    out = np.full(np.shape(upper), np.nan)
    np.divide(upper, lower, out=out, where=np.asarray(lower) > 0)
    return out.astype(np.float32)


def _products(rows: Array, owner: Indices | None) -> int:
    return len(rows) if owner is None else int(owner.max(initial=-1)) + 1


def _score_chunks(queries: Array, rows: Array, owner: Indices | None) -> Iterator[tuple[slice, Array]]:
    """Inner products [C, P] of a few queries at a time with all products."""
    rows = np.asarray(rows, dtype=np.float32)
    step = max(1, _SCORES_AT_ONCE // max(1, len(rows)))
    for start in range(0, len(queries), step):
        part = slice(start, min(start + step, len(queries)))
        scores = np.asarray(queries[part], dtype=np.float32) @ rows.T
        yield part, scores if owner is None else collapse(scores, owner, products=_products(rows, owner))
