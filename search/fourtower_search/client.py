"""The Python client: open an index, or call a service that has one, and ask it anything."""

from __future__ import annotations

import secrets
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, Unpack

import numpy as np
from numpy.typing import NDArray

from fourtower_encoders.images import ImageSource
from fourtower_search.answering import (
    MAX_PRODUCTS,
    Answering,
    Count,
    Embeddings,
    IndexFacts,
    ProductPage,
    is_service,
)
from fourtower_search.errors import InvalidQuery, UnknownProduct
from fourtower_search.filters.tree import Filter
from fourtower_search.query.parts import Image, Text
from fourtower_search.query.parts import Product as ProductPart
from fourtower_search.query.refinements import FacetRequest
from fourtower_search.query.request import SearchRequest
from fourtower_search.query.sugar import Query, SearchOptions, request_of
from fourtower_search.results import Product, SearchResult

if TYPE_CHECKING:
    from fourtower_encoders.embedder import Embedder
    from fourtower_encoders.fetching import ImageFetcher
    from fourtower_search.encoding.cache import CacheStats
    from fourtower_search.index.product_index import ProductIndex
    from fourtower_search.ranking.facets import Facet
    from fourtower_search.ranking.rerank import Reranker

TIMEOUT_S = 10.0
LONGEST_S = 3600.0
SHORTEST_KEY = 16
CACHE_BYTES = 64_000_000
REFRESH_S = 2.0
Where = Filter | Mapping[str, Any] | str
"""A filter: `F.price < 50`, its JSON form, or its text."""


class SearchClient:
    """Searches one index, in this process or through a service; threads may share it.

    ```python
    with SearchClient("products.db") as client:
        for hit in client.search("red bag -leather", image="photo.jpg", where=F.price < 50):
            print(hit.title, hit.relevance)
    ```
    """

    def __init__(
        self,
        index: str | Path | ProductIndex = "products.db",
        *,
        api_key: str | None = None,
        model: str | Path | Embedder | None = None,
        alias: str = "products",
        token: str | None = None,
        ca_file: Path | None = None,
        image_root: Path | None = None,
        fetcher: ImageFetcher | None = None,
        rerankers: Mapping[str, Reranker] | None = None,
        reranker_options: Mapping[str, Mapping[str, str]] | None = None,
        cursor_key: bytes | None = None,
        cache_bytes: int = CACHE_BYTES,
        refresh_s: float = REFRESH_S,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Open an index and load the model that built it, or find the service that has done so.

        Args:
            index: a Milvus Lite file, `milvus://host:19530`, `milvuss://...` with TLS, an index that is open, or
                the address of a Fourtower service: `http://host:8000`, `https://...`. Of a service, only the key,
                certificates, image_root, fetcher and timeout are settings of the caller.
            api_key: of the service.
            model: a checkpoint folder or a loaded one, where the name that the index records can't be found here.
            alias: which index of the server.
            token: of the Milvus server, `user:password` or an API key.
            ca_file: certificates to trust, for `milvuss://` and `https://`.
            image_root: where the catalog's picture files lie, to show thumbnails.
            fetcher: gets query pictures from URLs; without one they are refused, or left to the service.
            rerankers: beside those that are installed as plugins, by name.
            reranker_options: for installed ones that need some, by name.
            cursor_key: signs cursors, at least 16 bytes; processes that continue each other's pages share it.
            cache_bytes: how much of recent queries' embeddings is remembered.
            refresh_s: how often, at most, to look whether another generation became current.
            timeout_s: of each call, unless it says otherwise.

        Raises:
            InvalidQuery: the address, or a setting, can't be used.
            IndexUnavailable: the server does not answer.
            IndexMismatch: there is no such index, or its model is another one; at the address is no service of ours.
            AccessDenied: the service asks for an API key, or for another one.
        """
        self._timeout_s = _checked_seconds(timeout_s)
        embedded: dict[str, Any] = {
            "model": model,
            "alias": alias,
            "token": token,
            "rerankers": rerankers or {},
            "reranker_options": reranker_options or {},
            "cursor_key": cursor_key,
            "cache_bytes": cache_bytes,
        }
        both: dict[str, Any] = {"ca_file": ca_file, "image_root": image_root, "fetcher": fetcher}
        if is_service(index):
            _check_settings_of_service({**embedded, "refresh_s": refresh_s})
            self._answering = _remote(str(index), api_key=api_key, timeout_s=self._timeout_s, **both)
        else:
            if api_key is not None:
                raise InvalidQuery("An API key is for a service (http://host:8000); for a Milvus server, pass token.")
            embedded["cursor_key"] = secrets.token_bytes(32) if cursor_key is None else _checked_key(cursor_key)
            settings = {**embedded, **both, "timeout_s": self._timeout_s}
            self._answering = _embedded(index, settings, refresh_s=refresh_s)

    def search(
        self,
        query: Query | None = None,
        /,
        *,
        text: str | None = None,
        image: ImageSource | Sequence[ImageSource] | None = None,
        timeout_s: float | None = None,
        **options: Unpack[SearchOptions],
    ) -> SearchResult:
        """Find products.

        Args:
            query: words, in which `-word` moves away from something; or parts such as `Text("red", 0.5)`,
                `Image("photo.jpg")`, `Product("sku-1")`, `Vector(...)`; or a list of these.
            text: words, beside the query.
            image: a picture or several: path, bytes, Pillow image or URL.
            timeout_s: of this call.
            options: filters, page size, ranking; see `SearchOptions`.

        Raises:
            InvalidQuery: the query can't be used; the message says what to change.
            IndexUnavailable: the index did not answer in time; try again after `retry_after_s`.
        """
        request = request_of(query, text=text, image=image, options=options)
        return self.answer([request], timeout_s=timeout_s)[0]

    def search_many(
        self,
        queries: Iterable[Query | Mapping[str, Any]],
        /,
        *,
        timeout_s: float | None = None,
        **options: Unpack[SearchOptions],
    ) -> list[SearchResult]:
        """Find products for many queries in one round trip.

        Args:
            queries: each as for `search`, or a mapping of its arguments (`query`, `text`, `image`, options).
            timeout_s: of the whole call.
            options: for all queries; those of a mapping win.
        """
        requests = [_request(each, options) for each in _several(queries, "queries")]
        return self.answer(requests, timeout_s=timeout_s)

    def answer(self, requests: Sequence[SearchRequest], *, timeout_s: float | None = None) -> list[SearchResult]:
        """One result per request; for those who make requests themselves, such as the service.

        Args:
            requests: as `SearchRequest.parse` makes them.
            timeout_s: of the whole call.
        """
        return self._answering.answer(list(requests), timeout_s=self._seconds(timeout_s))

    def similar(
        self, product_id: str, /, *, timeout_s: float | None = None, **options: Unpack[SearchOptions]
    ) -> SearchResult:
        """Find products like one of the index, which is itself left out.

        Raises:
            UnknownProduct: there is no such product.
        """
        others: dict[str, Any] = {"must_not": [{"field": "product_id", "eq": product_id}]}
        where = options.get("where")
        both = others if where is None else {"must": [_as_json(where)], **others}
        request = request_of(ProductPart(product_id), options={**options, "where": both, "mode": "vector"})
        return self.answer([request], timeout_s=timeout_s)[0]

    def get(self, product_id: str, /, *, timeout_s: float | None = None) -> Product:
        """One product.

        Raises:
            UnknownProduct: there is no such product.
        """
        found = self.get_many([product_id], timeout_s=timeout_s)
        if product_id not in found:
            raise UnknownProduct(f"The index holds no product {product_id!r}; it may be deleted or not there yet.")
        return found[product_id]

    def get_many(self, product_ids: Iterable[str], /, *, timeout_s: float | None = None) -> dict[str, Product]:
        """Those of some products that exist, by id."""
        ids = _checked_ids(product_ids)
        page = self.lookup(ids, timeout_s=timeout_s) if ids else None
        return {product.product_id: product for product in page.products} if page else {}

    def lookup(self, product_ids: Iterable[str], /, *, timeout_s: float | None = None) -> ProductPage:
        """The same, each once and in the order of the ids, with the generation that they are of."""
        return self._answering.lookup(_checked_ids(product_ids), timeout_s=self._seconds(timeout_s))

    def count(self, where: Where | None = None, *, timeout_s: float | None = None) -> int:
        """How many products there are, or fulfil a filter."""
        return self.counted(where, timeout_s=timeout_s).count

    def counted(self, where: Where | None = None, *, timeout_s: float | None = None) -> Count:
        """The same, with the generation that was counted."""
        return self._answering.count(where, timeout_s=self._seconds(timeout_s))

    def facets(
        self,
        query: Query | None = None,
        /,
        *,
        of: Sequence[str | FacetRequest],
        timeout_s: float | None = None,
        **options: Unpack[SearchOptions],
    ) -> Mapping[str, Facet]:
        """How many of the products that a query finds have which values; see `FacetRequest`."""
        deep: dict[str, Any] = {"depth": 500, **options, "facets": of}
        request = request_of(query, options=deep)
        return self.answer([request], timeout_s=timeout_s)[0].facets

    def embed(
        self,
        *,
        texts: Sequence[str] = (),
        images: Sequence[ImageSource] = (),
        timeout_s: float | None = None,
    ) -> dict[str, NDArray[np.float32]]:
        """Embeddings of query texts and pictures, `{"texts": [N, D], "images": [M, D]}`."""
        found = self.embeddings(texts=texts, images=images, timeout_s=timeout_s)
        return {"texts": found.texts, "images": found.images}

    def embeddings(
        self,
        *,
        texts: Sequence[str] = (),
        images: Sequence[ImageSource] = (),
        timeout_s: float | None = None,
    ) -> Embeddings:
        """The same, with the model that made them and the generation that it is of."""
        words = [Text(text).text for text in _several(texts, "texts")]
        pictures = [Image(source).source for source in _several(images, "images")]
        return self._answering.embed(words, pictures, timeout_s=self._seconds(timeout_s))

    def products(self, where: Where | None = None) -> Generator[Product]:
        """Every product, or every one that fulfils a filter, by ascending id."""
        yield from self._answering.iterate(where, timeout_s=self._timeout_s)

    def page(
        self, where: Where | None = None, *, after: str = "", limit: int = 100, timeout_s: float | None = None
    ) -> ProductPage:
        """The first products after an id, by ascending id, for those who read all of them in pieces of their own.

        Args:
            where: a filter.
            after: the last product of the page before; empty for the first page.
            limit: how many at most, up to 1000.
            timeout_s: of this call.
        """
        if after:
            ProductPart(after)  # refuses what is no id
        if type(limit) is not int or not 1 <= limit <= MAX_PRODUCTS:
            raise InvalidQuery(f"The limit of a page of products is {limit!r:.40}; 1 to {MAX_PRODUCTS} are possible.")
        return self._answering.page(where, after=after, limit=limit, timeout_s=self._seconds(timeout_s))

    def facts(self, *, timeout_s: float | None = None) -> IndexFacts:
        """What is known of the index: the declared catalog, the model, the engine."""
        return self._answering.facts(timeout_s=self._seconds(timeout_s))

    def cache_stats(self) -> CacheStats | None:
        """How the memory of recent queries' embeddings has done; None of a service, which has a memory of its own."""
        return self._answering.cache_stats()

    @property
    def generation(self) -> str:
        """The collection that answers now."""
        return self._answering.generation

    def refresh(self) -> None:
        """Look now whether another generation became current, and switch to it."""
        self._answering.refresh()

    def close(self) -> None:
        """Let go of connections and the model; calls that still run finish."""
        self._answering.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _seconds(self, timeout_s: float | None) -> float:
        return self._timeout_s if timeout_s is None else _checked_seconds(timeout_s)


def connect(index: str | Path = "products.db", **settings: Any) -> SearchClient:
    """Open an index; see `SearchClient`."""
    return SearchClient(index, **settings)


def _embedded(index: str | Path | ProductIndex, settings: Mapping[str, Any], *, refresh_s: float) -> Answering:
    from fourtower_search.embedded import Embedded
    from fourtower_search.opening import Opening

    return Embedded(Opening(index, **settings), refresh_s=refresh_s)


def _remote(address: str, **settings: Any) -> Answering:
    from fourtower_search.remote.remote import Remote

    return Remote(address, **settings)


def _check_settings_of_service(given: Mapping[str, Any]) -> None:
    usual = {"alias": "products", "cache_bytes": CACHE_BYTES, "refresh_s": REFRESH_S}
    usual |= {"rerankers": {}, "reranker_options": {}}
    for name, value in given.items():
        if value != usual.get(name):
            remedy = "pass the service's key as api_key" if name == "token" else "leave it out"
            raise InvalidQuery(f"{name} is decided where the service runs, not by those who call it; {remedy}.")


def _request(query: Query | Mapping[str, Any], options: Mapping[str, Any]) -> SearchRequest:
    if not isinstance(query, Mapping):
        return request_of(query, options=options)
    own = dict(query)
    asked = {name: own.pop(name, None) for name in ("query", "text", "image")}
    return request_of(asked["query"], text=asked["text"], image=asked["image"], options={**options, **own})


def _as_json(where: Where) -> Any:
    from fourtower_search.filters import to_json
    from fourtower_search.query.filtering import as_where

    return to_json(as_where(where))


def _several(values: Any, name: str) -> list[Any]:
    """A list of what a caller gave; a lone text would be taken apart into its letters."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise InvalidQuery(f"The {name} are a list, not {type(values).__name__}; put a single one into brackets.")
    return list(values)


def _checked_ids(product_ids: Any) -> list[str]:
    return [ProductPart(product_id).product_id for product_id in _several(product_ids, "product ids")]


def _checked_seconds(timeout_s: Any) -> float:
    number = isinstance(timeout_s, int | float) and not isinstance(timeout_s, bool)
    if not number or not 0 < timeout_s <= LONGEST_S:
        raise InvalidQuery(f"timeout_s is {timeout_s!r:.40}; it must be a number of seconds, {LONGEST_S:g} at most.")
    return float(timeout_s)


def _checked_key(key: Any) -> bytes:
    if not isinstance(key, bytes) or len(key) < SHORTEST_KEY:
        raise InvalidQuery(
            f"cursor_key must be at least {SHORTEST_KEY} bytes that nobody can guess, such as those of "
            "secrets.token_bytes(32)."
        )
    return key
