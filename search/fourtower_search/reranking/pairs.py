"""The hook for cross-encoders: anything that looks at the query and one product at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from fourtower_search.errors import SearchError
from fourtower_search.index.rows import Row
from fourtower_search.ranking.candidates import Candidate
from fourtower_search.ranking.rerank import RerankQuery

ScorePairs = Callable[[RerankQuery, Sequence[Row]], ArrayLike]
"""How well each product answers the query, 0 to 1; a model's logits belong through a sigmoid first."""


class PairReranker:
    """A re-ranker from a function that scores pairs.

    Its scores replace the plain ones. With `top`, only that many first candidates are scored: they take the upper
    half of 0..1, and the others follow in the lower half in their plain order.
    """

    def __init__(self, score_pairs: ScorePairs, *, top: int | None = None) -> None:
        self._score_pairs = score_pairs
        self._top = top

    def __call__(self, query: RerankQuery, candidates: Sequence[Candidate]) -> list[float]:
        """One score per candidate, in their order.

        Raises:
            SearchError: the function did not give one number in 0..1 for each row.
        """
        top = len(candidates) if self._top is None else self._top
        scored = self._scored(query, [each.row for each in candidates[:top]])
        if self._top is None:
            return scored
        return [*(0.5 + 0.5 * score for score in scored), *(0.5 * each.score for each in candidates[top:])]

    def _scored(self, query: RerankQuery, rows: Sequence[Row]) -> list[float]:
        if not rows:
            return []
        given = np.asarray(self._score_pairs(query, rows), dtype=np.float64)
        if given.shape != (len(rows),) or not ((given >= 0) & (given <= 1)).all():
            raise SearchError(
                f"A scorer of pairs must return {len(rows)} numbers from 0 to 1, one per row; it returned an array of "
                f"shape {list(given.shape)}, or numbers beyond. Mend this plugin."
            )
        scores: list[float] = given.tolist()
        return scores
