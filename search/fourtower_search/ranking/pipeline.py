"""The pipeline: what was found goes through all stages, in one fixed order, and comes out ranked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import ParamSpec, TypeVar

from fourtower_encoders.joint import QueryParams
from fourtower_search.errors import Unsupported
from fourtower_search.filters import Filter
from fourtower_search.index.rows import Row
from fourtower_search.query.refinements import picked_by
from fourtower_search.query.request import SearchRequest
from fourtower_search.query.vector import QueryVector
from fourtower_search.ranking.boost import Matcher, boost
from fourtower_search.ranking.candidates import Candidate, Found, Match, by_score, gather
from fourtower_search.ranking.collapse import collapse_groups
from fourtower_search.ranking.cursors import Place
from fourtower_search.ranking.cut import cut_off
from fourtower_search.ranking.diversity import diversify
from fourtower_search.ranking.facets import Facet, count_facets
from fourtower_search.ranking.ordering import sort_by
from fourtower_search.ranking.rerank import Reranker, rerank
from fourtower_search.ranking.scores import LexicalParams, calibration_of, explain, score
from fourtower_search.schema import CatalogSchema

P = ParamSpec("P")
T = TypeVar("T")


def _no_filters(_: Filter) -> Callable[[Row], bool]:
    raise Unsupported("Boosts by a filter need RankingContext.matcher, which turns a filter into a test of rows.")


@dataclass(frozen=True, slots=True)
class RankingContext:
    """What ranking knows beside the request."""

    params: QueryParams
    schema: CatalogSchema
    now_ms: int
    """Milliseconds since 1970, for boosts by age: given, so that a ranking can be repeated."""
    lexical: LexicalParams = field(default_factory=LexicalParams)
    rerankers: Mapping[str, Reranker] = field(default_factory=dict)
    matcher: Matcher = _no_filters


@dataclass(frozen=True, slots=True)
class Ranked:
    """A whole ranking; pages are slices of it."""

    candidates: tuple[Candidate, ...]
    facets: Mapping[str, Facet]
    truncated: bool
    """More products may match than were looked at."""
    milliseconds: Mapping[str, float]
    """By stage, in their order."""

    def page(self, limit: int) -> tuple[Candidate, ...]:
        """The first page."""
        return self.candidates[:limit]

    def remaining(self, limit: int) -> tuple[Place, ...]:
        """What comes after the first page, as a cursor carries it."""
        rest = self.candidates[limit:]
        return tuple([(each.hit.product_id, each.hit.view, each.score, each.relevance) for each in rest])


def rank(found: Found, query: QueryVector | None, request: SearchRequest, context: RankingContext) -> Ranked:
    """Rank what was found.

    Args:
        found: rows with their vectors.
        query: None in a purely lexical search.
        request: checked against the catalog.
        context: everything else.

    Raises:
        InvalidQuery: the request names a re-ranker that is not there.
        SearchError: a re-ranker misbehaves.
    """
    clock = _Clock()
    matches = clock("gather", gather, found, query)
    ranked = clock("score", _scored, matches, found, query, request, context)
    truncated = not found.exhausted or len(ranked) > request.depth
    ranked = clock("collapse", _collapsed, ranked, request)
    ranked = clock("rerank", rerank, ranked, request, context.rerankers, query)
    ranked = clock("boost", boost, ranked, request.boosts, now_ms=context.now_ms, matcher=context.matcher)
    ranked = clock("cut", cut_off, ranked, request.cut)
    ranked = clock("sort", sort_by, ranked, request.sort)
    ranked = clock("diversify", diversify, ranked, request.diversity)
    facets = clock("facets", count_facets, ranked, request.facets, context.schema, truncated=truncated)
    return Ranked(tuple(ranked), facets, truncated, clock.milliseconds)


def _scored(
    matches: Sequence[Match],
    found: Found,
    query: QueryVector | None,
    request: SearchRequest,
    context: RankingContext,
) -> list[Candidate]:
    calibration = calibration_of(context.params, query.kind if query else "text")
    with_words = found.lexical is not None
    scored = score(matches, query, calibration, context.lexical, fusion=request.fusion, with_words=with_words)
    if not request.explain:
        return scored
    return explain(scored, query, calibration, context.lexical, fusion=request.fusion, with_words=with_words)


def _collapsed(candidates: Sequence[Candidate], request: SearchRequest) -> list[Candidate]:
    """The best products, of which two lists together may have brought too many, or one for each of their groups."""
    deepest = by_score(candidates)[: request.depth]
    return deepest if request.collapse == "product" else collapse_groups(deepest, picked_by(request.pick))


class _Clock:
    """Calls stages and notes how long they took."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}

    def __call__(self, stage: str, run: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        start = perf_counter()
        result = run(*args, **kwargs)
        self.milliseconds[stage] = (perf_counter() - start) * 1000
        return result
