"""The exact answer to a query: every row's inner product, the best view of each product, nothing approximated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from fourtower_encoders.joint import Array
from fourtower_search.index.rows import ProductWrite

Bools = NDArray[np.bool_]
ROUNDING = 1e-5
"""Scores this near each other are equal: products may have the very same vector."""


class Exact:
    """All products of an index, in memory."""

    def __init__(self, writes: Iterable[ProductWrite]) -> None:
        """Keep the vectors and prices of products, whose rows may come from a generator."""
        vectors: list[Array] = []
        starts: list[int] = []
        prices: list[float] = []
        self.places: dict[str, int] = {}
        """Of each product, by id."""
        for write in writes:
            self.places[write.product_id] = len(starts)
            starts.append(len(vectors))
            prices.append(float(write.rows[0].attributes.get("price", np.nan)))  # type: ignore[arg-type]
            vectors += [row.vector for row in write.rows if row.vector is not None]
        self.prices: NDArray[np.float64] = np.array(prices)
        self._vectors: Array = np.stack(vectors)
        self._starts = np.array(starts)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self._vectors)

    def scores(self, query: Array) -> Array:
        """The best score of each product [P] for one query [2 D]."""
        return np.asarray(np.maximum.reduceat(self._vectors @ query, self._starts), dtype=np.float32)

    def recall(self, query: Array, found: Sequence[str], depth: int, possible: Bools | None = None) -> float:
        """Which share of the best `depth` products was found; of equal ones it does not matter which.

        Args:
            query: [2 D].
            found: the ids of distinct products, best first.
            depth: how many are looked at.
            possible: which products [P] a filter leaves; None is all.
        """
        scores = self.scores(query)
        allowed = scores if possible is None else scores[possible]
        wanted = min(depth, len(allowed))
        if wanted == 0:
            return float("nan")
        least = np.partition(allowed, -wanted)[-wanted] - ROUNDING
        places = [self.places[product_id] for product_id in dict.fromkeys(found[:depth])]
        right = [place for place in places if scores[place] >= least and (possible is None or possible[place])]
        return len(right) / wanted

    def band(self, share: float, number: int, of: int) -> tuple[float, float]:
        """Two prices between which lies about this share of the products, the n-th of several such bands."""
        low = (1 - share) * (number + 0.5) / of
        edges = np.nanquantile(self.prices, [low, low + share])
        return float(edges[0]), float(edges[1])

    def within(self, low: float, high: float) -> Bools:
        """Which products have a price between these, ends included."""
        return (self.prices >= low) & (self.prices <= high)
