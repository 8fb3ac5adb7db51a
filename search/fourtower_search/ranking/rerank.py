"""The hook for re-rankers: anything that gives the candidates new scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fourtower_search.errors import InvalidQuery, SearchError
from fourtower_search.query.request import SearchRequest
from fourtower_search.query.vector import QueryVector
from fourtower_search.ranking.candidates import Candidate, by_score
from fourtower_search.ranking.explain import leaf, node


@dataclass(frozen=True, slots=True)
class RerankQuery:
    """What the candidates are to answer."""

    request: SearchRequest
    vector: QueryVector | None = None
    """With the embeddings of all parts; None in a purely lexical search."""


class Reranker(Protocol):
    """Gives candidates new scores; in 0..1, if boosts are to weigh as they say."""

    def __call__(self, query: RerankQuery, candidates: Sequence[Candidate]) -> Sequence[float]:
        """One finite score per candidate, in their order."""
        ...


def rerank(
    candidates: Sequence[Candidate],
    request: SearchRequest,
    rerankers: Mapping[str, Reranker],
    vector: QueryVector | None = None,
) -> list[Candidate]:
    """Replace scores by those of the re-ranker that the request names.

    Raises:
        InvalidQuery: there is none of this name.
        SearchError: it did not do what it should.
    """
    if request.rerank is None:
        return list(candidates)
    reranker = rerankers.get(request.rerank)
    if reranker is None:
        known = ", ".join(sorted(rerankers)) or "none; install a plugin that brings one"
        raise InvalidQuery(f"There is no re-ranker {request.rerank!r}. Known: {known}.")
    given = [float(number) for number in reranker(RerankQuery(request, vector), candidates)] if candidates else []
    if len(given) != len(candidates) or not all(map(math.isfinite, given)):
        raise SearchError(
            f"The re-ranker {request.rerank!r} must return one finite score for each of {len(candidates)} candidates; "
            f"it returned {len(given)}. Mend or remove this plugin."
        )
    return by_score(_rescored(each, new, request.rerank) for each, new in zip(candidates, given, strict=True))


def _rescored(candidate: Candidate, score: float, name: str) -> Candidate:
    if candidate.trail is None:
        return candidate._replace(score=score)
    trail = node("rerank", f"re-ranked by {name}", leaf("given", score), candidate.trail)
    return candidate._replace(score=score, trail=trail)
