"""Asks judged queries of anything that searches, and measures what comes back and how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fourtower_encoders.errors import InvalidConfig
from fourtower_encoders.metrics import Array, hit_at, ndcg_at, recall_at, reciprocal_rank
from fourtower_search.errors import InvalidQuery
from fourtower_search.evaluation.judgments import Judged, Judgments

DEPTH = 10
ALL = "all"
"""The name under which all kinds of queries are taken together."""


class Found(Protocol):
    """A hit, as far as it is measured."""

    @property
    def product_id(self) -> str:
        """Which product was found."""
        ...

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Where its category is looked up."""
        ...


Search = Callable[[Judged, int], Sequence[Found]]
"""From a query and how many hits are wanted to the hits, best first."""


@dataclass(frozen=True)
class Report:
    """What was measured of one index, kept per query so that two reports can be paired."""

    name: str
    query_ids: tuple[str, ...]
    kinds: tuple[str, ...]
    """Of each query."""
    values: Mapping[str, Array]
    """By figure, one value per query [Q]; NaN where it says nothing."""
    milliseconds: NDArray[np.float64]
    """How long each query took [Q]."""

    def places(self) -> dict[str, NDArray[np.int64]]:
        """Which queries are of each kind, all of them first."""
        kinds = dict.fromkeys(self.kinds)
        if len(kinds) == 1:
            return {next(iter(kinds)): np.arange(len(self.kinds))}
        by_kind = {kind: np.flatnonzero([each == kind for each in self.kinds]) for kind in kinds}
        return {ALL: np.arange(len(self.kinds)), **by_kind}

    def figures(self) -> dict[str, dict[str, float]]:
        """The means by kind and figure, then how many queries there were, and p50 and p95 of their times."""
        return {kind: self._figures(some) for kind, some in self.places().items()}

    def _figures(self, some: NDArray[np.int64]) -> dict[str, float]:
        known = {name: values[some][np.isfinite(values[some])] for name, values in self.values.items()}
        means = {name: float(values.mean(dtype=np.float64)) for name, values in known.items() if values.size}
        middle, slow = np.percentile(self.milliseconds[some], [50, 95])
        return {"queries": float(some.size), **means, "p50_ms": float(middle), "p95_ms": float(slow)}


def evaluate(
    search: Search,
    judgments: Judgments,
    *,
    name: str = "",
    category: str = "category",
    clock: Callable[[], float] = time.perf_counter,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Ask every query and measure the first ten hits.

    The *right answers* of a query are the products of its highest grade. nDCG@10 regards all grades; recall@10 is
    the share of the right answers, of ten at most, among the hits; MRR@10 is one over the place of the first right
    answer, 0 beyond the tenth place; Hit@1 and Hit@10 say whether one is first, or there at all; XC@1 whether the
    first hit has another category than the right answers, where both are known.

    Args:
        search: what is measured; it is called once more beforehand, so that no time includes its loading.
        judgments: the queries.
        name: of what is measured.
        category: the attribute that holds a product's category.
        clock: seconds, for the times.
        progress: told how many queries are done.

    Raises:
        InvalidConfig: there are no queries.
        InvalidQuery: the search refused one; the message names it.
    """
    queries = judgments.queries
    if not queries:
        raise InvalidConfig("There are no judged queries to measure with.")
    _ask(search, queries[-1])
    hits, seconds = [], []
    for done, query in enumerate(queries, start=1):
        start = clock()
        hits.append(_ask(search, query))
        seconds.append(clock() - start)
        if progress:
            progress(done)
    return Report(
        name,
        tuple(query.query_id for query in queries),
        tuple(query.kind for query in queries),
        _measured(judgments, hits, category),
        np.array(seconds) * 1000,
    )


def _ask(search: Search, query: Judged) -> Sequence[Found]:
    try:
        return search(query, DEPTH)[:DEPTH]
    except InvalidQuery as error:
        raise InvalidQuery(f"Query {query.query_id!r:.80} was refused: {error}") from error


def _measured(judgments: Judgments, hits: Sequence[Sequence[Found]], category: str) -> dict[str, Array]:
    queries, ids = judgments.queries, [_distinct(found) for found in hits]
    flags = [[each in query.right for each in some] for query, some in zip(queries, ids, strict=True)]
    right = np.array([_padded(some) for some in flags]) > 0  # [Q, 10]
    totals = np.array([min(len(query.right), DEPTH) for query in queries])
    answered, judged = right.any(axis=1), totals > 0
    strange = [_strange(query, found, category) for query, found in zip(queries, hits, strict=True)]
    return {
        f"nDCG@{DEPTH}": ndcg_at(*_gains(judgments, ids), DEPTH),
        f"recall@{DEPTH}": recall_at(right, DEPTH, total=totals),
        f"MRR@{DEPTH}": _where(judged, reciprocal_rank(right.argmax(axis=1) + 1) * answered),
        "Hit@1": _where(judged, hit_at(right, 1)),
        f"Hit@{DEPTH}": _where(judged, hit_at(right, DEPTH)),
        "XC@1": np.array(strange, dtype=np.float32),
    }


def _distinct(found: Sequence[Found]) -> list[str | None]:
    """Product ids; one that comes again is no second answer."""
    ids = [hit.product_id for hit in found]
    return [each if each not in ids[:place] else None for place, each in enumerate(ids)]


def _gains(judgments: Judgments, ids: Sequence[Sequence[str | None]]) -> tuple[Array, Array]:
    """What the hits, and the best possible hits, are worth; both [Q, 10]."""
    got, best = [], []
    for query, some in zip(judgments.queries, ids, strict=True):
        worth = {product_id: judgments.gain(grade) for product_id, grade in query.grades.items()}
        got.append(_padded([worth.get(each, 0.0) if each is not None else 0.0 for each in some]))
        best.append(_padded(sorted(worth.values(), reverse=True)[:DEPTH]))
    return np.array(got, dtype=np.float32), np.array(best, dtype=np.float32)


def _strange(query: Judged, found: Sequence[Found], category: str) -> float:
    """Whether the first hit has another category; NaN if nobody knows."""
    own = found[0].attributes.get(category) if found else None
    return np.nan if own is None or query.category is None else float(own != query.category)


def _padded(values: Sequence[float]) -> list[float]:
    return [*map(float, values), *[0.0] * (DEPTH - len(values))]


def _where(known: NDArray[np.bool_], values: Array) -> Array:
    return np.where(known, values, np.float32(np.nan))
