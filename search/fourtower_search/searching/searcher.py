"""Answers requests on one generation of the index, and continues rankings from cursors."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fourtower_search.answering import ProductPage
from fourtower_search.encoding.encoder import QueryEncoder
from fourtower_search.errors import InvalidQuery
from fourtower_search.filters.binding import bind
from fourtower_search.index.columns import to_columns
from fourtower_search.index.conditions import Condition, holds
from fourtower_search.index.deadline import Deadline
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.index.products import IndexedProduct
from fourtower_search.index.rows import Row
from fourtower_search.query.checking import check
from fourtower_search.query.filtering import as_where
from fourtower_search.query.fingerprint import fingerprint
from fourtower_search.query.request import SearchRequest
from fourtower_search.ranking.candidates import Candidate, Found
from fourtower_search.ranking.cursors import LIFETIME_S, Cursor, Place, decode, encode
from fourtower_search.ranking.pipeline import Ranked, RankingContext, rank
from fourtower_search.ranking.rerank import Reranker
from fourtower_search.ranking.scores import LexicalParams
from fourtower_search.results import Product, ProductHit, SearchResult, product_fields
from fourtower_search.schema import CatalogSchema
from fourtower_search.searching.breadth import Breadth
from fourtower_search.searching.resolving import query_vectors
from fourtower_search.searching.retrieval import Ask, Retrieval


@dataclass(frozen=True)
class Searcher:
    """One generation: an index, the model that built it, and how to rank."""

    index: ProductIndex
    encoder: QueryEncoder
    generation: str
    cursor_key: bytes
    lexical: LexicalParams
    rerankers: Mapping[str, Reranker]
    breadth: Breadth = field(default_factory=Breadth)
    image_root: Path | None = None
    owns_index: bool = True
    """Whether closing this closes the index."""

    def answer(self, requests: Sequence[SearchRequest], *, timeout_s: float) -> list[SearchResult]:
        """One result per request; those with a cursor continue an earlier ranking.

        Raises:
            InvalidQuery: a request can't be used.
            IndexUnavailable: the index did not answer in time.
        """
        for request in requests:
            check(request, self.index.schema)
        deadline = Deadline(timeout_s)
        fresh = iter(self._fresh([each for each in requests if each.cursor is None], deadline))
        return [next(fresh) if each.cursor is None else self._continued(each, deadline) for each in requests]

    def products(self, product_ids: Sequence[str], *, timeout_s: float) -> dict[str, Product]:
        """Those of some products that exist, by id."""
        found = self.index.get(product_ids, timeout_s=timeout_s)
        return {product_id: self._product(product) for product_id, product in found.items()}

    def iterate(self, where: Any, *, timeout_s: float) -> Iterator[Product]:
        """Every live product that fulfils a filter, by ascending id; `timeout_s` applies to each request."""
        found = self.index.iterate(condition_of(where, self.index.schema), timeout_s=timeout_s)
        return map(self._product, found)

    def page(self, where: Any, *, after: str, limit: int, timeout_s: float) -> ProductPage:
        """The first products after an id that fulfil a filter."""
        condition = condition_of(where, self.index.schema)
        found, more = self.index.page(condition, after=after, limit=limit, timeout_s=timeout_s)
        return ProductPage(tuple(map(self._product, found)), self.generation, more)

    def count(self, where: Any, *, timeout_s: float) -> int:
        """How many live products fulfil a filter."""
        return self.index.count(condition_of(where, self.index.schema), timeout_s=timeout_s)

    def close(self) -> None:
        """Let go of the index and the model."""
        if self.owns_index:
            self.index.close()
        self.encoder.close()

    def _product(self, product: IndexedProduct) -> Product:
        return Product(**product_fields(product.rows[0], self.index.schema))

    def _fresh(self, requests: Sequence[SearchRequest], deadline: Deadline) -> list[SearchResult]:
        if not requests:
            return []
        times: dict[str, float] = {}
        conditions = [condition_of(request.where, self.index.schema) for request in requests]
        with _timed(times, "encode"):
            queries = query_vectors(requests, self.encoder, self.index, timeout_s=deadline.left())
        asks = [Ask(*each) for each in zip(requests, queries, conditions, strict=True)]
        with _timed(times, "retrieve"):
            found = Retrieval(self.index, deadline, self.breadth).retrieve(asks)
        shared = {stage: spent / len(requests) for stage, spent in times.items()}
        return [self._ranked(ask, each, shared) for ask, each in zip(asks, found, strict=True)]

    def _ranked(self, ask: Ask, found: Found, times: Mapping[str, float]) -> SearchResult:
        request = ask.request
        ranked = rank(found, ask.query, request, self._context())
        return SearchResult(
            hits=tuple(self._hit(candidate) for candidate in ranked.page(request.limit)),
            total=len(ranked.candidates),
            truncated=ranked.truncated,
            search_id=uuid.uuid4().hex,
            generation=self.generation,
            next_cursor=self._cursor(request, ranked),
            facets=ranked.facets,
            timings_ms={**times, **ranked.milliseconds},
            image_root=self.image_root,
        )

    def _context(self) -> RankingContext:
        return RankingContext(
            params=self.index.params,
            schema=self.index.schema,
            now_ms=round(time.time() * 1000),
            lexical=self.lexical,
            rerankers=self.rerankers,
            matcher=lambda where: matcher(where, self.index.schema),
        )

    def _hit(self, candidate: Candidate) -> ProductHit:
        return self._shown(candidate.row, candidate.score, candidate.relevance, candidate.variants, candidate.trail)

    def _shown(
        self, row: Row, score: float, relevance: float, variants: tuple[str, ...] = (), explanation: Any = None
    ) -> ProductHit:
        fields = product_fields(row, self.index.schema)
        images = fields["images"]
        return ProductHit(
            **fields,
            score=score,
            relevance=relevance,
            image=images[row.view] if row.view < len(images) else None,
            variants=variants,
            explanation=explanation,
        )

    def _cursor(self, request: SearchRequest, ranked: Ranked) -> str | None:
        rest = ranked.remaining(request.limit)
        first = (fingerprint(request), 1, round(time.time()) + LIFETIME_S, len(ranked.candidates), ranked.truncated)
        return encode(Cursor(self.generation, *first, rest), self.cursor_key) if rest else None

    def _continued(self, request: SearchRequest, deadline: Deadline) -> SearchResult:
        """The next page of a ranking; products that were deleted since are passed over."""
        assert request.cursor is not None
        if request.explain or request.facets:
            raise InvalidQuery("Explanations and facets come with the first page; leave them out with a cursor.")
        times: dict[str, float] = {}
        cursor = decode(
            request.cursor,
            self.cursor_key,
            generation=self.generation,
            request=fingerprint(request),
            now_s=time.time(),
        )
        with _timed(times, "retrieve"):
            hits, rest = self._page(cursor.remaining, request.limit, deadline)
        following = Cursor(
            cursor.generation,
            cursor.request,
            cursor.page + 1,
            cursor.expires_at,
            cursor.total,
            cursor.truncated,
            rest,
        )
        return SearchResult(
            hits=tuple(hits),
            total=cursor.total,
            truncated=cursor.truncated,
            search_id=uuid.uuid4().hex,
            generation=self.generation,
            next_cursor=encode(following, self.cursor_key) if rest else None,
            timings_ms=times,
            image_root=self.image_root,
        )

    def _page(
        self, places: Sequence[Place], limit: int, deadline: Deadline
    ) -> tuple[list[ProductHit], tuple[Place, ...]]:
        """The first `limit` places whose products are still live, and the places after them."""
        hits: list[ProductHit] = []
        taken = 0
        while len(hits) < limit and taken < len(places):
            some = places[taken : taken + limit - len(hits)]
            taken += len(some)
            live = self.index.get([product_id for product_id, *_ in some], timeout_s=deadline.left())
            for product_id, view, score, relevance in some:
                if product_id in live:
                    rows = live[product_id].rows
                    hits.append(self._shown(rows[view] if view < len(rows) else rows[0], score, relevance))
        return hits, tuple(places[taken:])


def condition_of(where: Any, schema: CatalogSchema) -> Condition | None:
    """A filter in any form, over stored columns.

    Raises:
        InvalidFilter: it can't be read, or doesn't fit the catalog.
    """
    return None if where is None else bind(as_where(where), schema)


def matcher(where: Any, schema: CatalogSchema) -> Callable[[Row], bool]:
    """A filter as a test of rows."""
    condition = bind(as_where(where), schema)
    return lambda row: holds(condition, to_columns(row, schema))


@contextmanager
def _timed(times: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    times[stage] = times.get(stage, 0.0) + (time.perf_counter() - start) * 1000
