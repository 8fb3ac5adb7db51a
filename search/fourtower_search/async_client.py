"""The client for asyncio: the same methods and results, run in threads of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, Unpack

import numpy as np
from numpy.typing import NDArray

from fourtower_encoders.images import ImageSource
from fourtower_search.answering import Count, Embeddings, IndexFacts, ProductPage
from fourtower_search.client import SearchClient, Where
from fourtower_search.errors import SearchError
from fourtower_search.query.refinements import FacetRequest
from fourtower_search.query.request import SearchRequest
from fourtower_search.query.sugar import Query, SearchOptions
from fourtower_search.results import Product, SearchResult
from fourtower_search.serving import CLOSED

if TYPE_CHECKING:
    from fourtower_search.encoding.cache import CacheStats
    from fourtower_search.index.product_index import ProductIndex
    from fourtower_search.ranking.facets import Facet

_P = ParamSpec("_P")
_T = TypeVar("_T")


class AsyncSearchClient:
    """Searches one index from coroutines; see `SearchClient` for what each method does.

    ```python
    async with AsyncSearchClient("products.db") as client:
        result = await client.search("red bag")
    ```

    The index is opened when the client is entered or first used. A call that is cancelled stops being waited
    for; its thread ends by its own timeout.
    """

    def __init__(self, index: str | Path | ProductIndex = "products.db", *, threads: int = 16, **settings: Any) -> None:
        """Take the settings of `SearchClient`, and how many calls run at a time."""
        self._make = partial(SearchClient, index, **settings)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="fourtower-search")
        self._client: asyncio.Future[SearchClient] | None = None
        self._closed = False

    async def search(
        self,
        query: Query | None = None,
        /,
        *,
        text: str | None = None,
        image: ImageSource | Sequence[ImageSource] | None = None,
        timeout_s: float | None = None,
        **options: Unpack[SearchOptions],
    ) -> SearchResult:
        """Find products."""
        client = await self._opened()
        return await self._run(client.search, query, text=text, image=image, timeout_s=timeout_s, **options)

    async def search_many(
        self,
        queries: Iterable[Query | Mapping[str, Any]],
        /,
        *,
        timeout_s: float | None = None,
        **options: Unpack[SearchOptions],
    ) -> list[SearchResult]:
        """Find products for many queries in one round trip."""
        client = await self._opened()
        return await self._run(client.search_many, queries, timeout_s=timeout_s, **options)

    async def answer(self, requests: Sequence[SearchRequest], *, timeout_s: float | None = None) -> list[SearchResult]:
        """One result per request."""
        client = await self._opened()
        return await self._run(client.answer, requests, timeout_s=timeout_s)

    async def similar(
        self, product_id: str, /, *, timeout_s: float | None = None, **options: Unpack[SearchOptions]
    ) -> SearchResult:
        """Find products like one of the index."""
        client = await self._opened()
        return await self._run(client.similar, product_id, timeout_s=timeout_s, **options)

    async def get(self, product_id: str, /, *, timeout_s: float | None = None) -> Product:
        """One product."""
        client = await self._opened()
        return await self._run(client.get, product_id, timeout_s=timeout_s)

    async def get_many(self, product_ids: Iterable[str], /, *, timeout_s: float | None = None) -> dict[str, Product]:
        """Those of some products that exist, by id."""
        client = await self._opened()
        return await self._run(client.get_many, product_ids, timeout_s=timeout_s)

    async def lookup(self, product_ids: Iterable[str], /, *, timeout_s: float | None = None) -> ProductPage:
        """The same, each once and in the order of the ids, with the generation that they are of."""
        client = await self._opened()
        return await self._run(client.lookup, product_ids, timeout_s=timeout_s)

    async def count(self, where: Where | None = None, *, timeout_s: float | None = None) -> int:
        """How many products there are, or fulfil a filter."""
        client = await self._opened()
        return await self._run(client.count, where, timeout_s=timeout_s)

    async def counted(self, where: Where | None = None, *, timeout_s: float | None = None) -> Count:
        """The same, with the generation that was counted."""
        client = await self._opened()
        return await self._run(client.counted, where, timeout_s=timeout_s)

    async def facets(
        self,
        query: Query | None = None,
        /,
        *,
        of: Sequence[str | FacetRequest],
        timeout_s: float | None = None,
        **options: Unpack[SearchOptions],
    ) -> Mapping[str, Facet]:
        """How many of the products that a query finds have which values."""
        client = await self._opened()
        return await self._run(client.facets, query, of=of, timeout_s=timeout_s, **options)

    async def embed(
        self,
        *,
        texts: Sequence[str] = (),
        images: Sequence[ImageSource] = (),
        timeout_s: float | None = None,
    ) -> dict[str, NDArray[np.float32]]:
        """Embeddings of query texts and pictures."""
        client = await self._opened()
        return await self._run(client.embed, texts=texts, images=images, timeout_s=timeout_s)

    async def embeddings(
        self,
        *,
        texts: Sequence[str] = (),
        images: Sequence[ImageSource] = (),
        timeout_s: float | None = None,
    ) -> Embeddings:
        """The same, with the model that made them and the generation that it is of."""
        client = await self._opened()
        return await self._run(client.embeddings, texts=texts, images=images, timeout_s=timeout_s)

    async def products(self, where: Where | None = None) -> AsyncIterator[Product]:
        """Every product, or every one that fulfils a filter, by ascending id."""
        client = await self._opened()
        found = _Batches(client.products(where))
        try:
            while batch := await self._run(found.next):
                for product in batch:
                    yield product
        finally:
            await (asyncio.to_thread(found.close) if self._closed else self._run(found.close))

    async def page(
        self, where: Where | None = None, *, after: str = "", limit: int = 100, timeout_s: float | None = None
    ) -> ProductPage:
        """The first products after an id, by ascending id."""
        client = await self._opened()
        return await self._run(client.page, where, after=after, limit=limit, timeout_s=timeout_s)

    async def facts(self, *, timeout_s: float | None = None) -> IndexFacts:
        """What is known of the index."""
        client = await self._opened()
        return await self._run(client.facts, timeout_s=timeout_s)

    async def cache_stats(self) -> CacheStats | None:
        """How the memory of recent queries' embeddings has done."""
        client = await self._opened()
        return await self._run(client.cache_stats)

    async def refresh(self) -> None:
        """Look now whether another generation became current, and switch to it."""
        client = await self._opened()
        await self._run(client.refresh)

    async def close(self) -> None:
        """Let go of connections and the model; calls that still run finish."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._client is not None and (client := await _if_opened(self._client)):
                await self._run(client.close)
        finally:
            self._pool.shutdown(wait=False)

    async def __aenter__(self) -> Self:
        await self._opened()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _opened(self) -> SearchClient:
        if self._closed:
            raise SearchError(CLOSED)
        if self._client is None:
            self._client = asyncio.ensure_future(self._run(self._make))
        opening = self._client
        try:
            return await asyncio.shield(opening)
        except Exception:
            if self._client is opening:  # another call may have begun to try again already
                self._client = None
            raise

    async def _run(self, call: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            running = self._pool.submit(call, *args, **kwargs)
        except RuntimeError as error:  # the pool takes nothing any more
            raise SearchError(CLOSED) from error
        return await asyncio.wrap_future(running)


async def _if_opened(opening: asyncio.Future[SearchClient]) -> SearchClient | None:
    """The client, once it is open; None if it could not be opened, which whoever asked for it was told."""
    await asyncio.wait([opening])
    return None if opening.cancelled() or opening.exception() else opening.result()


class _Batches:
    """Products in batches, for threads in turn: one whose caller gave up may still be at work."""

    def __init__(self, products: Generator[Product]) -> None:
        self._products = products
        self._turn = threading.Lock()

    def next(self, count: int = 256) -> list[Product]:
        with self._turn:
            return list(islice(self._products, count))

    def close(self) -> None:
        """Let go of the generation of the index that they come from."""
        with self._turn:
            self._products.close()
