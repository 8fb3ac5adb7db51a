"""Measures what share of the truly nearest rows a search finds: exact scores of every row, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fourtower_search.index.product_index import ProductIndex

Array = NDArray[np.float32]
DEPTH = 10
QUERIES_AT_ONCE = 50
EQUAL = 1e-5
"""Scores that differ by less, relatively, are the same: rows with equal vectors can stand for each other."""
TIMEOUT_S = 60.0
Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Recall:
    """What was measured."""

    mean: float
    """Of each query's share of right hits."""
    queries: int
    rows: int
    """That were scanned."""


def measure_recall(
    index: ProductIndex, keys: Sequence[str], *, depth: int = DEPTH, advance: Advance = lambda products: None
) -> Recall:
    """Search with some of the stored vectors, and compare the hits with an exact scan.

    Args:
        index: what is searched, as clients search it.
        keys: of the rows whose vectors are the queries.
        depth: hits per query.
        advance: told how many products more are scanned.
    """
    found = index.vectors(keys, timeout_s=TIMEOUT_S)
    if not found:
        return Recall(1.0, 0, 0)
    queries = np.stack(list(found.values()))
    scores = _searched(index, queries, depth)
    best = Best(queries, depth)
    for block in _blocks(index, advance):
        best.take(block)
    right = np.minimum((scores >= best.bar()[:, None]).sum(axis=1), best.count)
    return Recall(float((right / best.count).mean()), len(queries), best.rows)


class Best:
    """The highest scores of each query so far."""

    def __init__(self, queries: Array, depth: int) -> None:
        self._queries, self._depth = queries, depth
        self._scores = np.full((len(queries), depth), -np.inf, dtype=np.float32)
        self.rows = 0

    @property
    def count(self) -> int:
        """How many hits a query can have."""
        return max(1, min(self._depth, self.rows))

    def take(self, vectors: Array) -> None:
        """Score some more rows [N, 2 D]."""
        self.rows += len(vectors)
        scores = np.concatenate([self._scores, self._queries @ vectors.T], axis=1)
        self._scores = np.partition(scores, -self._depth, axis=1)[:, -self._depth :]

    def bar(self) -> Array:
        """The score that a right hit has at least [Q]."""
        lowest = np.sort(self._scores, axis=1)[:, -self.count]
        return np.asarray(lowest - EQUAL * np.maximum(1, np.abs(lowest)), dtype=np.float32)


def _searched(index: ProductIndex, queries: Array, depth: int) -> Array:
    """The exact scores of what a search finds [Q, depth]; an engine's own may be those of compressed vectors."""
    scores = np.full((len(queries), depth), -np.inf, dtype=np.float32)
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        some = queries[start : start + QUERIES_AT_ONCE]
        found = index.search(some, limit=depth, with_vectors=True, timeout_s=TIMEOUT_S)
        for place, (query, hits) in enumerate(zip(some, found, strict=True), start):
            vectors = _vectors(hit.row.vector for hit in hits)
            scores[place, : len(vectors)] = [float(query @ vector) for vector in vectors]
    return scores


def _blocks(index: ProductIndex, advance: Advance) -> Iterator[Array]:
    """The vectors of every live row, some hundred at a time."""
    waiting: list[Array] = []
    for product in index.iterate(vectors=True, timeout_s=TIMEOUT_S):
        waiting += _vectors(row.vector for row in product.rows)
        advance(1)
        if len(waiting) >= 512:
            yield np.stack(waiting)
            waiting = []
    if waiting:
        yield np.stack(waiting)


def _vectors(vectors: Iterable[Array | None]) -> list[Array]:
    return [vector for vector in vectors if vector is not None]
