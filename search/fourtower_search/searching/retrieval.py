"""Fetches candidates: by vector for many requests in one call, by words where the engine can."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fourtower_search.errors import Unsupported
from fourtower_search.index.conditions import Condition
from fourtower_search.index.deadline import Deadline
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.index.store import Hit
from fourtower_search.query.request import SearchRequest
from fourtower_search.query.vector import QueryVector
from fourtower_search.ranking.candidates import Found
from fourtower_search.ranking.widening import Widened, widen, widen_many
from fourtower_search.searching.breadth import Breadth

MOST_ROWS = 10_000
"""Of one call's answers together: with long vectors, more would exceed what a server sends in one message."""


Alike = tuple[Condition | None, int, str, bool, bool]


@dataclass(frozen=True)
class Ask:
    """A request, ready for the engine."""

    request: SearchRequest
    query: QueryVector | None
    """None in a purely lexical search."""
    where: Condition | None

    @property
    def alike(self) -> Alike:
        """Requests that share this can share a call to the engine."""
        request = self.request
        return self.where, request.depth, request.freshness, self.compares, request.is_lexical(engine_can=True)

    @property
    def compares(self) -> bool:
        """Whether ranking looks at the rows' vectors; to send them takes longer than to find them."""
        request = self.request
        return request.explain or request.diversity > 0 or request.rerank is not None


@dataclass(frozen=True)
class Retrieval:
    """What one call to `retrieve` may use."""

    index: ProductIndex
    deadline: Deadline
    breadth: Breadth = field(default_factory=Breadth)
    """How many rows the first attempt asks for."""

    def retrieve(self, asks: Sequence[Ask]) -> list[Found]:
        """What is found for each request, in their order.

        Raises:
            Unsupported: words were asked for, and the engine has no full-text search.
        """
        by_vector = self._by_vector(asks)
        for n, widened in by_vector.items():
            self.breadth.learn(widened.hits, asks[n].request.depth)
        by_words = [self._by_words(ask) for ask in asks]
        return [
            Found(
                vector=by_vector[n].hits if n in by_vector else (),
                lexical=None if words is None else words.hits,
                exhausted=all(part.exhausted for part in (by_vector.get(n), words) if part is not None),
            )
            for n, words in enumerate(by_words)
        ]

    def _by_vector(self, asks: Sequence[Ask]) -> dict[int, Widened]:
        groups: dict[Alike, list[int]] = defaultdict(list)
        for n, ask in enumerate(asks):
            if ask.query is not None:
                groups[ask.alike].append(n)
        calls = [some for members in groups.values() for some in self._portions(members, asks[members[0]].request)]
        return {n: widened for members in calls for n, widened in self._search(asks, members)}

    def _portions(self, members: Sequence[int], request: SearchRequest) -> list[Sequence[int]]:
        size = max(1, MOST_ROWS // math.ceil(self.breadth.views * request.depth))
        return [members[start : start + size] for start in range(0, len(members), size)]

    def _search(self, asks: Sequence[Ask], members: Sequence[int]) -> list[tuple[int, Widened]]:
        """One call for all requests of the same filter and depth; another one for those that need more rows."""
        request, where = asks[members[0]].request, asks[members[0]].where
        vectors = np.stack([query.vector for n in members if (query := asks[n].query) is not None])

        def fetch(chosen: Sequence[int], limit: int) -> list[list[Hit]]:
            return self.index.search(
                vectors[list(chosen)],
                where,
                limit=limit,
                with_vectors=self._vectors(asks[members[0]]),
                freshness=request.freshness,
                timeout_s=self.deadline.left(),
            )

        return list(zip(members, widen_many(fetch, len(members), request.depth, views=self.breadth.views), strict=True))

    def _vectors(self, ask: Ask) -> bool:
        """Products found by words need a vector score, too, and compressed vectors have no exact one."""
        capabilities = self.index.capabilities
        by_words = ask.request.is_lexical(engine_can=capabilities.lexical)
        return ask.compares or by_words or not capabilities.exact_scores

    def _by_words(self, ask: Ask) -> Widened | None:
        can = self.index.capabilities.lexical
        if not ask.request.is_lexical(engine_can=can):
            return None
        if not can:
            raise Unsupported(
                f"{self.index.capabilities.engine} has no full-text search: mode = 'lexical' and 'hybrid' need "
                "Milvus 2.5 or newer, or Milvus Lite; 'vector' and 'auto' work here."
            )

        def fetch(limit: int) -> list[Hit]:
            return self.index.lexical(
                ask.request.words,
                ask.where,
                limit=limit,
                with_vectors=True,
                freshness=ask.request.freshness,
                timeout_s=self.deadline.left(),
            )

        return widen(fetch, ask.request.depth, views=self.breadth.views)
