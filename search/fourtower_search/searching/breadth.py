"""Learns how many rows to ask the engine for, so that one call is mostly enough to find the products of a search."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fourtower_search.index.store import Hit

FIRST, MOST = 1.5, 8.0
"""Rows per product before anything is known, and at most: one odd search shall not make all others dear."""
SPARE = 1.05
"""A little more than was needed so far."""
FORGETTING = 0.02
"""How fast the need of earlier searches fades."""
TELLING = 10
"""Searches for fewer products say nothing of others."""


class Breadth:
    """Rows per product that searches needed lately; threads may share it, and lose a lesson now and then."""

    def __init__(self) -> None:
        self._needed = FIRST / SPARE

    @property
    def views(self) -> float:
        """What to ask for, per product."""
        return min(SPARE * self._needed, MOST)

    def learn(self, hits: Sequence[Hit], depth: int) -> None:
        """Note at which row the last product of a search came; one that ran out of rows teaches nothing."""
        if depth < TELLING:
            return
        needed = rows_needed(hits, depth) / depth
        if math.isfinite(needed):
            self._needed = max(needed, self._needed + FORGETTING * (needed - self._needed))


def rows_needed(hits: Sequence[Hit], depth: int) -> float:
    """How many of the hits hold `depth` distinct products; infinite if they don't."""
    products = [hit.product_id for hit in hits]
    distinct = list(dict.fromkeys(products))
    return products.index(distinct[depth - 1]) + 1 if len(distinct) >= depth else math.inf
