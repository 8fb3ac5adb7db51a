"""Answers from a service: what a client asks of an index in its own process, asked over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fourtower_search.answering import Count, Embeddings, IndexFacts, ProductPage
from fourtower_search.errors import InvalidQuery
from fourtower_search.filters import to_json
from fourtower_search.index.deadline import Deadline
from fourtower_search.query.filtering import as_where
from fourtower_search.query.request import SearchRequest
from fourtower_search.remote.address import Address
from fourtower_search.remote.embedding import Making
from fourtower_search.remote.exchange import Exchange
from fourtower_search.remote.multipart import content_of
from fourtower_search.remote.pictures import ready, ready_sources
from fourtower_search.remote.portions import picture_portions, portions, slices
from fourtower_search.results import Product, SearchResult
from fourtower_search.schema import CatalogSchema
from fourtower_search.wire.facts import read_facts
from fourtower_search.wire.reading import as_integer, as_list, as_object, as_text, unfit
from fourtower_search.wire.requests import batch_form, read_limits, request_form
from fourtower_search.wire.results import read_page, read_result

if TYPE_CHECKING:
    from fourtower_encoders.fetching import ImageFetcher
    from fourtower_encoders.images import ImageSource

SCAN = 500
"""Products of one page, where all are asked for."""
MOST_GENERATIONS = 8
"""Whose catalogs are remembered."""


class Remote:
    """A service, asked as if it were an index in this process."""

    def __init__(
        self,
        address: str,
        *,
        api_key: str | None = None,
        ca_file: Path | None = None,
        image_root: Path | None = None,
        fetcher: ImageFetcher | None = None,
        timeout_s: float,
    ) -> None:
        """Ask the service what it holds, so that a wrong address or key is told at once.

        Raises:
            InvalidQuery: the address, key or certificates can't be used.
            IndexUnavailable: nothing answers there.
            IndexMismatch: what answers is no such service.
            AccessDenied: it wants a key, or another one.
        """
        self._image_root, self._fetcher, self._timeout_s = image_root, fetcher, timeout_s
        self._exchange = Exchange(Address.parse(address), api_key=api_key, ca_file=ca_file)
        self._lock = threading.Lock()
        self._schemas: dict[str, CatalogSchema] = {}
        try:
            self.facts(timeout_s=timeout_s)
        except BaseException:
            self._exchange.close()
            raise

    @property
    def generation(self) -> str:
        """The collection that answers now."""
        return self.facts(timeout_s=self._timeout_s).generation

    def answer(self, requests: Sequence[SearchRequest], *, timeout_s: float) -> list[SearchResult]:
        """One result per request; many more than the service takes at once are sent one group after the other."""
        deadline = Deadline(timeout_s)
        groups = portions(ready(requests, self._fetcher), self._limits)
        return [result for group in groups for result in self._answered(group, deadline)]

    def lookup(self, product_ids: Sequence[str], *, timeout_s: float) -> ProductPage:
        """Those of some products that exist; of many, the last are of the generation that is named."""
        deadline, found, ids = Deadline(timeout_s), dict[str, Product](), list(dict.fromkeys(product_ids))
        for some in slices(ids, self._limits) if ids else [()]:
            form = self._ask("/products/lookup", {"ids": list(some)}, deadline)
            page = read_page(form, self._schema_of(form, deadline))
            found |= {product.product_id: product for product in page.products}
        return ProductPage(tuple(found[each] for each in ids if each in found), page.generation, more=False)

    def iterate(self, where: Any, *, timeout_s: float) -> Generator[Product]:
        """Every product that fulfils a filter, by ascending id, page by page.

        If another generation becomes current meanwhile, what follows comes from it.
        """
        after, more = "", True
        while more:
            page = self.page(where, after=after, limit=SCAN, timeout_s=timeout_s)
            yield from page.products
            more, after = page.more, page.products[-1].product_id if page.products else after

    def page(self, where: Any, *, after: str, limit: int, timeout_s: float) -> ProductPage:
        """The first products after an id that fulfil a filter."""
        deadline = Deadline(timeout_s)
        form = self._ask("/products/scan", {"where": _where(where), "after": after, "limit": limit}, deadline)
        page = read_page(form, self._schema_of(form, deadline))
        ids = [after, *(product.product_id for product in page.products)]
        if page.more > bool(page.products) or len(ids) > limit + 1 or any(low >= high for low, high in pairwise(ids)):
            raise unfit("products", "the next ones by their ids")  # who follows such pages might never come to an end
        return page

    def count(self, where: Any, *, timeout_s: float) -> Count:
        """How many products fulfil a filter."""
        form = as_object(self._ask("/products/count", {"where": _where(where)}, Deadline(timeout_s)), "the answer")
        return Count(as_integer(form.get("count"), "count"), as_text(form.get("generation"), "generation"))

    def embed(self, texts: Sequence[str], pictures: Sequence[ImageSource], *, timeout_s: float) -> Embeddings:
        """Embeddings, as the service's model makes them.

        Raises:
            IndexUnavailable: another model became current between one group of pictures and the next.
        """
        deadline, making = Deadline(timeout_s), Making()
        for some in slices(texts, self._limits):
            form = self._ask("/embed", {"texts": list(some)}, deadline)
            making.add("texts", form, len(some))
        for group in picture_portions(ready_sources(pictures, self._fetcher), self._limits):
            uploads = [each for each in group if isinstance(each, bytes)]
            urls = [each for each in group if isinstance(each, str)]
            making.add("images", self._ask("/embed", {"images": urls}, deadline, uploads), len(group))
        if not making.begun:
            making.add("texts", self._ask("/embed", {}, deadline), 0)
        return making.made()

    def facts(self, *, timeout_s: float) -> IndexFacts:
        """What the service says of its index."""
        form = self._exchange.ask("GET", "/schema", timeout_s=timeout_s)
        facts = read_facts(form)
        with self._lock:
            self._limits = read_limits(form.get("limits"))
            self._schemas.pop(facts.generation, None)
            self._schemas[facts.generation] = facts.schema
            for oldest in list(self._schemas)[:-MOST_GENERATIONS]:
                del self._schemas[oldest]
        return facts

    def cache_stats(self) -> None:
        """Nothing is remembered here; the service has a memory of its own."""

    def refresh(self) -> None:
        """Ask anew what the service holds; it follows its index by itself."""
        self.facts(timeout_s=self._timeout_s)

    def close(self) -> None:
        """Let go of connections; calls that still run finish."""
        self._exchange.close()

    def _answered(self, group: Sequence[SearchRequest], deadline: Deadline) -> Iterator[SearchResult]:
        if len(group) == 1:
            fields, uploads = request_form(group[0])
            forms = [self._ask("/search", fields, deadline, uploads)]
        else:
            fields, uploads = batch_form(group)
            answer = as_object(self._ask("/search/batch", fields, deadline, uploads), "the answer")
            forms = as_list(answer.get("results"), "results")
        if len(forms) != len(group):
            raise unfit("results", "as long as the queries")
        return (read_result(each, self._schema_of(each, deadline), image_root=self._image_root) for each in forms)

    def _ask(self, path: str, fields: Mapping[str, Any], deadline: Deadline, uploads: Sequence[bytes] = ()) -> Any:
        try:
            request = json.dumps(fields, allow_nan=False).encode()
        except (ValueError, RecursionError) as error:  # a number of thousands of digits, a filter in a filter in a ...
            raise InvalidQuery(f"The request can't be written as JSON: {error}.") from error
        return self._exchange.ask("POST", path, content_of(request, uploads), timeout_s=deadline.left())

    def _schema_of(self, form: Any, deadline: Deadline) -> CatalogSchema:
        """The catalog of the generation that an answer comes from; what is not known yet is asked."""
        generation = as_text(as_object(form, "the answer").get("generation"), "generation")
        known = self._schemas.get(generation)
        # Where replicas switch one after the other, the one that is asked may hold another generation: then its
        # catalog has to do, in which at most the type of an attribute differs.
        return known or self.facts(timeout_s=deadline.left()).schema


def _where(where: Any) -> dict[str, Any] | None:
    return None if where is None else to_json(as_where(where))
