"""Re-ranks hits so that, of equally relevant products, those with short titles come first."""

from __future__ import annotations

from collections.abc import Sequence

from fourtower_search.ranking.candidates import Candidate
from fourtower_search.ranking.rerank import Reranker, RerankQuery
from fourtower_search.reranking.setup import RerankerSetup


def short_titles(setup: RerankerSetup) -> Reranker:
    """What the entry point names: called once per index, with its catalog, its model and the caller's options."""
    per_word = float(setup.options.get("per_word", "0.02"))

    def rerank(query: RerankQuery, candidates: Sequence[Candidate]) -> list[float]:
        """One score per candidate, in their order; in 0..1, as the plain ones are."""
        return [max(0.0, each.score - per_word * len(each.row.title.split())) for each in candidates]

    return rerank
