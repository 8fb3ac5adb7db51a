"""What a client asks: an index in this process, or a service elsewhere; both answer alike."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fourtower_encoders.images import ImageSource
    from fourtower_search.encoding.cache import CacheStats
    from fourtower_search.query.request import SearchRequest
    from fourtower_search.results import Product, SearchResult
    from fourtower_search.schema import CatalogSchema

MAX_PRODUCTS = 1000
"""Products of one page of a scan."""
_SERVICE = re.compile(r"https?://", re.IGNORECASE)


def is_service(index: object) -> bool:
    """Whether this is the address of a service; anything else is opened here."""
    return isinstance(index, str) and _SERVICE.match(index) is not None


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """What is known of an index without asking it anything."""

    generation: str
    """The collection that answers now."""
    schema: CatalogSchema
    model_id: str
    """Short hash of all that determines the embeddings."""
    model: str
    """What the index records as its model; empty where it records none."""
    demo: bool
    """Its model is the small one that ships with Fourtower, which was trained on drawings."""
    dim: int
    """Length of an embedding."""
    engine: str
    """Name and version."""
    lexical: bool
    """The engine can look words up."""
    rerankers: tuple[str, ...] = ()
    image_root: bool = False
    """The folder of the catalog's picture files is known to whoever answers."""


@dataclass(frozen=True, slots=True)
class ProductPage:
    """Some products, by ascending id."""

    products: tuple[Product, ...]
    generation: str
    more: bool
    """There are products after the last of these."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many products, and in which generation."""

    count: int
    generation: str


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Embeddings as those of queries, and whose they are."""

    texts: NDArray[np.float32]
    """`[N, D]`"""
    images: NDArray[np.float32]
    """`[M, D]`"""
    model_id: str
    """Short hash of all that determines them."""
    generation: str


class Answering(Protocol):
    """Whatever answers a client. Every call ends within about its `timeout_s`; threads may share it."""

    @property
    def generation(self) -> str:
        """The collection that answers now."""
        ...

    def answer(self, requests: Sequence[SearchRequest], *, timeout_s: float) -> list[SearchResult]:
        """One result per request."""
        ...

    def lookup(self, product_ids: Sequence[str], *, timeout_s: float) -> ProductPage:
        """Those of some products that exist, each once, in the order in which they were asked for."""
        ...

    def iterate(self, where: Any, *, timeout_s: float) -> Generator[Product]:
        """Every product that fulfils a filter, by ascending id; `timeout_s` applies to each request."""
        ...

    def page(self, where: Any, *, after: str, limit: int, timeout_s: float) -> ProductPage:
        """The first products after an id that fulfil a filter; an empty id comes before all."""
        ...

    def count(self, where: Any, *, timeout_s: float) -> Count:
        """How many products fulfil a filter."""
        ...

    def embed(self, texts: Sequence[str], pictures: Sequence[ImageSource], *, timeout_s: float) -> Embeddings:
        """Embeddings of texts and pictures, as those of queries."""
        ...

    def facts(self, *, timeout_s: float) -> IndexFacts:
        """What is known of the index."""
        ...

    def cache_stats(self) -> CacheStats | None:
        """How the memory of recent queries' embeddings has done; None where it is another process's."""
        ...

    def refresh(self) -> None:
        """Look now whether another generation became current."""
        ...

    def close(self) -> None:
        """Let go of connections and memory; calls that still run finish."""
        ...
