"""Candidates: found rows, joined from all lists, of each product the newest version and the view that fits best."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fourtower_search.index.rows import Row
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


Match = tuple[Hit, float | None, float | None]
"""A product's best view with its vector score, None in a purely lexical search, and its BM25 score, None if its words
were not found."""


class Candidate(NamedTuple):
    """A product on its way through the stages; a tuple, as every search makes hundreds of them."""

    hit: Hit
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
        return self.hit.product_id

    @property
    def view(self) -> int:
        """Which of the product's views it is."""
        return self.hit.view

    @property
    def row(self) -> Row:
        """The whole row of that view."""
        return self.hit.row

    def value(self, attribute: str) -> Value | None:
        """A declared attribute; None if the product lacks it."""
        return self.row.attributes.get(attribute)

    def number(self, attribute: str) -> float | None:
        """A numeric, time or bool attribute; None if the product lacks it."""
        value = self.value(attribute)
        return None if value is None or isinstance(value, str | tuple) else float(value)


def by_score(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Best first; the product id decides between equals."""
    return sorted(candidates, key=lambda each: (-each.score, each.hit.product_id))


def gather(found: Found, query: QueryVector | None) -> list[Match]:
    """One match per product, with exact vector scores, in no order.

    Lexical scores belong to a product, whichever of its views was found by its words. So, as long as more vector
    score means more score, its best view is that of the highest vector score, and is chosen before any fusion.
    """
    hits = _distinct(found)
    scores = [0.0] * len(hits) if query is None else _scores(hits, query)
    words = _words_by_product(found.lexical or ())
    return [
        (hit, None if query is None else raw, words.get(product_id))
        for product_id, (hit, raw) in _best_by_product(hits, scores).items()
        if not hit.columns["deleted"]
    ]


def stacked(rows: Sequence[Row]) -> NDArray[np.float32]:
    """The rows' vectors, [N, 2 D]."""
    vectors = [row.vector for row in rows if row.vector is not None]
    assert len(vectors) == len(rows), "rows to rank are fetched with their vectors"
    return np.stack(vectors)


def _distinct(found: Found) -> list[Hit]:
    """Every row once, whichever lists have it."""
    if not found.lexical:
        return list(found.vector)
    return list({(hit.product_id, hit.order, hit.view): hit for hit in (*found.vector, *found.lexical)}.values())


def _scores(hits: Sequence[Hit], query: QueryVector) -> list[float]:
    """Vector scores, from the vectors where they are there."""
    if not hits or hits[0].row.vector is None:
        return [hit.score for hit in hits]
    return [float(score) for score in query.scores(stacked([hit.row for hit in hits]))]


def _best_by_product(hits: Sequence[Hit], scores: Sequence[float]) -> dict[str, tuple[Hit, float]]:
    """Of each product's highest version that is there, the view of the highest score, the first one among equals."""
    best: dict[str, tuple[Hit, float]] = {}
    for hit, score in zip(hits, scores, strict=True):
        held = best.get(hit.product_id)
        if held is None or (hit.order, score, -hit.view) > (held[0].order, held[1], -held[0].view):
            best[hit.product_id] = (hit, score)
    return best


def _words_by_product(hits: Iterable[Hit]) -> dict[str, float]:
    """The highest lexical score of each product."""
    best: dict[str, float] = {}
    for hit in hits:
        best[hit.product_id] = max(hit.score, best.get(hit.product_id, hit.score))
    return best
