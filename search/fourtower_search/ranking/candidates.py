"""Candidates: found rows, joined from all lists, of each product the newest version and the view that fits best."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fourtower_search.index.rows import Order, Row
from fourtower_search.index.store import Hit
from fourtower_search.query.vector import QueryVector
from fourtower_search.ranking.explain import Node
from fourtower_search.schema import Value


@dataclass(frozen=True, slots=True)
class Found:
    """What retrieval brought; with vectors, unless every row was found by vector and scored exactly."""

    vector: Sequence[Hit] = ()
    lexical: Sequence[Hit] | None = None
    """None: words were not looked up."""
    exhausted: bool = True
    """There is nothing more to find; False: a greater depth could bring more."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A product on its way through the stages."""

    row: Row
    """The view that fits best."""
    raw: float | None = None
    """Exact vector score; None in a purely lexical search."""
    lexical: float | None = None
    """BM25 score of the product; None if its words were not found."""
    relevance: float = 0.0
    """0..1, what cuts go by: the calibrated vector score, or in a purely lexical search the saturated BM25 score."""
    score: float = 0.0
    """What the order follows."""
    variants: tuple[str, ...] = ()
    """The other found members of its group, best first, where groups were collapsed."""
    penalty: float = 0.0
    """What its likeness to hits above it took off when its place was chosen; not part of the score."""
    trail: Node | None = None
    """How the score came about, if asked for."""
    relevance_trail: Node | None = None

    @property
    def product_id(self) -> str:
        """The product."""
        return self.row.product_id

    def value(self, attribute: str) -> Value | None:
        """A declared attribute; None if the product lacks it."""
        return self.row.attributes.get(attribute)

    def number(self, attribute: str) -> float | None:
        """A numeric, time or bool attribute; None if the product lacks it."""
        value = self.value(attribute)
        return None if value is None or isinstance(value, str | tuple) else float(value)


def by_score(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Best first; the product id decides between equals."""
    return sorted(candidates, key=lambda each: (-each.score, each.product_id))


def gather(found: Found, query: QueryVector | None) -> list[Candidate]:
    """One candidate per product, with exact vector scores.

    Lexical scores belong to a product, whichever of its views was found by its words. So, as long as more vector
    score means more score, its best view is that of the highest vector score, and is chosen before any fusion.
    """
    rows = _newest(hit.row for hit in (*found.vector, *(found.lexical or ())))
    words = _best_by_product(found.lexical or ())
    if query is None:
        first = _one_per_product(rows, np.zeros(len(rows)))
        return [Candidate(row, lexical=words.get(row.product_id)) for row, _ in first]
    best = _one_per_product(rows, _scores(rows, found, query))
    return [Candidate(row, raw=raw, lexical=words.get(row.product_id)) for row, raw in best]


def _scores(rows: Sequence[Row], found: Found, query: QueryVector) -> NDArray[np.float64]:
    """Vector scores [N], from the vectors where they are there."""
    if all(row.vector is not None for row in rows):
        return query.scores(stacked(rows)) if rows else np.zeros(0)
    scores = {hit.row.key: hit.score for hit in found.vector}
    return np.array([scores[row.key] for row in rows])


def stacked(rows: Sequence[Row]) -> NDArray[np.float32]:
    """The rows' vectors, [N, 2 D]."""
    vectors = [row.vector for row in rows if row.vector is not None]
    assert len(vectors) == len(rows), "rows to rank are fetched with their vectors"
    return np.stack(vectors)


def _newest(rows: Iterable[Row]) -> list[Row]:
    """Every row once, of the highest version that is there of its product; nothing of a deleted product."""
    distinct = {row.key: row for row in rows}
    newest: dict[str, Order] = {}
    for row in distinct.values():
        newest[row.product_id] = max(row.order, newest.get(row.product_id, row.order))
    return [row for row in distinct.values() if row.order == newest[row.product_id] and not row.order.deleted]


def _one_per_product(rows: Sequence[Row], scores: NDArray[np.float64]) -> list[tuple[Row, float]]:
    """The row of the highest score of each product, the first view among equals; by product id."""
    order = sorted(range(len(rows)), key=lambda n: (rows[n].product_id, -scores[n], rows[n].view))
    best: dict[str, tuple[Row, float]] = {}
    for n in order:
        best.setdefault(rows[n].product_id, (rows[n], float(scores[n])))
    return list(best.values())


def _best_by_product(hits: Iterable[Hit]) -> dict[str, float]:
    best: dict[str, float] = {}
    for row, score in hits:
        best[row.product_id] = max(score, best.get(row.product_id, score))
    return best
