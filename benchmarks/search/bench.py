"""What every measurement on a server is given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.search.catalog import Catalog
from benchmarks.search.filling import collection_of, fill, fresh_index
from benchmarks.search.server import Server
from benchmarks.search.settings import Settings
from fourtower_encoders.embedder import Embedder
from fourtower_search.client import SearchClient
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.index.rows import ProductWrite


@dataclass(frozen=True)
class Filled:
    """An index with products in it, sealed and indexed, and a client that searches it."""

    index: ProductIndex
    client: SearchClient
    write_s: float
    index_s: float


@dataclass(frozen=True)
class Bench:
    """A server with a catalog to fill it with."""

    server: Server
    catalog: Catalog
    embedder: Embedder
    settings: Settings

    def fresh(self, alias: str) -> ProductIndex:
        """An empty index."""
        return fresh_index(self.server.address, self.catalog, alias)

    @contextmanager
    def filled(self, alias: str, writes: Iterable[ProductWrite]) -> Iterator[Filled]:
        """An index of these products."""
        with self.fresh(alias) as index:
            write_s = fill(index, writes, self.settings)
            index_s = self.server.settle(collection_of(index))
            with SearchClient(index, model=self.embedder) as client:
                yield Filled(index, client, write_s, index_s)
