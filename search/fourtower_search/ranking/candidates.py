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
    hits = _newest(_distinct(found))
    words = _best_by_product(found.lexical or ())
    rows = [hit.row for hit in hits]
    best = _one_per_product(rows, [0.0] * len(rows) if query is None else _scores(hits, query))
    return [
        Candidate(row, None if query is None else raw, words.get(product_id) if words else None)
        for product_id, (row, raw) in sorted(best.items())
    ]


def stacked(rows: Sequence[Row]) -> NDArray[np.float32]:
    """The rows' vectors, [N, 2 D]."""
    vectors = [row.vector for row in rows if row.vector is not None]
    assert len(vectors) == len(rows), "rows to rank are fetched with their vectors"
    return np.stack(vectors)


def _distinct(found: Found) -> list[Hit]:
    """Every row once, whichever lists have it."""
    hits = (*found.vector, *(found.lexical or ()))
    by_row = {(hit.row.product_id, hit.row.order, hit.row.view): hit for hit in hits}
    return list(by_row.values())


def _newest(hits: Sequence[Hit]) -> list[Hit]:
    """Those of the highest version that is there of their product; nothing of a deleted product."""
    newest: dict[str, Order] = {}
    for hit in hits:
        row = hit.row
        if row.order is not newest.setdefault(row.product_id, row.order) and row.order > newest[row.product_id]:
            newest[row.product_id] = row.order
    return [hit for hit in hits if hit.row.order == newest[hit.row.product_id] and not hit.row.order.deleted]


def _scores(hits: Sequence[Hit], query: QueryVector) -> list[float]:
    """Vector scores, from the vectors where they are there."""
    if not hits or hits[0].row.vector is None:
        return [hit.score for hit in hits]
    return [float(score) for score in query.scores(stacked([hit.row for hit in hits]))]


def _one_per_product(rows: Sequence[Row], scores: Sequence[float]) -> dict[str, tuple[Row, float]]:
    """The row of the highest score of each product, the first view among equals."""
    best: dict[str, tuple[Row, float]] = {}
    for row, score in zip(rows, scores, strict=True):
        held = best.get(row.product_id)
        if held is None or (score, -row.view) > (held[1], -held[0].view):
            best[row.product_id] = (row, score)
    return best


def _best_by_product(hits: Iterable[Hit]) -> dict[str, float]:
    best: dict[str, float] = {}
    for row, score in hits:
        best[row.product_id] = max(score, best.get(row.product_id, score))
    return best
