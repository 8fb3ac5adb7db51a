"""The index of products: versioned writes that converge in any order, and reads of what is live."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from fourtower_encoders.joint import QueryParams
from fourtower_search.errors import IndexUnavailable, InvalidQuery, SearchError
from fourtower_search.index.columns import to_columns
from fourtower_search.index.conditions import Compare, Condition, Every, holds
from fourtower_search.index.convergence import Stored, stored_by_product
from fourtower_search.index.deadline import Deadline
from fourtower_search.index.freshness import Freshness, verified
from fourtower_search.index.outcomes import Outcome, failure
from fourtower_search.index.products import IndexedProduct, live_products
from fourtower_search.index.rows import Order, ProductWrite, Vector
from fourtower_search.index.scanning import SLICE, rows_of, scan, slices, vectors_of
from fourtower_search.index.second_look import joined
from fourtower_search.index.store import PAGE, Capabilities, Consistency, Hit, RowStore
from fourtower_search.index.writer import Submission, Writer
from fourtower_search.schema import CatalogSchema

if TYPE_CHECKING:
    from fourtower_search.index.generations import GenerationRecord

LIVE = Compare("deleted", "==", False)
DELETED = Compare("deleted", "==", True)
ANY = Compare("view", ">=", 0)
FIRST_VIEW = Compare("view", "==", 0)
TIMEOUT_S = 10.0
KEYS_PER_PRODUCT = 8
"""Pictures that most products have at most, with room: a page of products is looked for with that many keys of each."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts of a collection."""

    engine: str
    rows: int
    products: int
    tombstones: int


class ProductIndex:
    """Products in one collection, built by one model.

    Threads may share it, and a process forked from this one may go on using it if its store can. Every call ends
    within about `timeout_s`, with `IndexUnavailable` if the engine did not answer.
    """

    def __init__(
        self,
        store: RowStore,
        *,
        params: QueryParams,
        model_id: str,
        record: GenerationRecord | None = None,
        writers: int = 8,
        timeout_s: float = TIMEOUT_S,
        resweep_after_s: float = 30.0,
    ) -> None:
        self.store = store
        self.params = params
        self.model_id = model_id
        self.record = record
        self._timeout_s = timeout_s
        self._new_writer = partial(Writer, store, threads=writers, timeout_s=timeout_s, resweep_after_s=resweep_after_s)
        self._writers: dict[int, Writer] = {}

    @property
    def schema(self) -> CatalogSchema:
        """The declared catalog."""
        return self.store.schema

    @property
    def dim(self) -> int:
        """Length of a row's vector: twice that of an embedding."""
        return self.store.dim

    @property
    def capabilities(self) -> Capabilities:
        """What the engine can do."""
        return self.store.capabilities

    # Writing

    def read(
        self, product_ids: Collection[str], *, consistency: Consistency = "bounded", timeout_s: float | None = None
    ) -> dict[str, Stored]:
        """What is stored of each product, deleted and outdated versions included; an empty entry where nothing is."""
        rows = self.store.states(product_ids, consistency=consistency, timeout_s=self._seconds(timeout_s))
        return stored_by_product(product_ids, rows)

    def vectors(self, keys: Collection[str], *, timeout_s: float | None = None) -> dict[str, Vector]:
        """Stored vectors by row key; rows that are gone, and tombstones, are left out."""
        return vectors_of(self.store, keys, deadline=self._deadline(timeout_s))

    def submit(
        self, writes: Sequence[ProductWrite], stored: Mapping[str, Stored], *, timeout_s: float | None = None
    ) -> Submission:
        """Start writing a batch, given what `read` said of its products; outdated rows go in the background.

        Waits only where too many batches are under way already. An error of the engine is a failed outcome.

        Raises:
            IndexUnavailable: there was no room in time, or the index was closed.
        """
        return self._writer().submit(writes, stored, timeout_s=self._seconds(timeout_s))

    def apply(self, writes: Sequence[ProductWrite], *, timeout_s: float | None = None) -> list[Outcome]:
        """Write a batch and wait until it is certain what became of it: one outcome per write, in their order."""
        deadline = self._deadline(timeout_s)
        try:
            stored = self.read({write.product_id for write in writes}, timeout_s=deadline.left())
            return _wait(self.submit(writes, stored, timeout_s=deadline.left()).verified, deadline)
        except SearchError as error:
            return [failure(write, error) for write in writes]

    def expect_late(self, product_ids: Collection[str]) -> None:
        """Remove outdated rows of these products now, soon and once much later, in the background.

        For those that a process was writing which is no more: what it wrote last may be old, or still on its way.
        """
        self._writer().expect_late(product_ids, now=True)

    def purge_tombstones(self, orders: Mapping[str, Order], *, timeout_s: float | None = None) -> list[str]:
        """Forget deletes, where a strong read shows nothing of a product but a tombstone up to the given order.

        Only who knows the whole log may call this: an older event of a forgotten product would bring it back.

        Returns:
            The products that were forgotten.
        """
        deadline = self._deadline(timeout_s)
        gone: dict[str, list[str]] = {}
        for product_id, stored in self.read(orders, consistency="strong", timeout_s=deadline.left()).items():
            if stored.rows and all(row.order.deleted and row.order <= orders[product_id] for row in stored.rows):
                gone[product_id] = [row.key for row in stored.rows]
        if gone:
            self.store.delete([key for keys in gone.values() for key in keys], timeout_s=deadline.left())
        return list(gone)

    # Reading

    def get(
        self,
        product_ids: Collection[str],
        *,
        vectors: bool = False,
        consistency: Consistency = "bounded",
        timeout_s: float | None = None,
    ) -> dict[str, IndexedProduct]:
        """The live ones of some products, with all their views."""
        deadline = self._deadline(timeout_s)
        rows = rows_of(self.store, product_ids, vectors=vectors, consistency=consistency, deadline=deadline, page=PAGE)
        return {product.product_id: product for product in live_products(rows)}

    def count(self, where: Condition | None = None, *, timeout_s: float | None = None) -> int:
        """How many live products fulfil a condition.

        Counts the first view of every version, so a product counts twice (and one just deleted once) in the
        moment between a write and the removal of what it replaces.
        """
        return self.store.count(_all(LIVE, FIRST_VIEW, where), timeout_s=self._seconds(timeout_s))

    def iterate(
        self,
        where: Condition | None = None,
        *,
        vectors: bool = False,
        batch: int = 256,
        timeout_s: float | None = None,
    ) -> Iterator[IndexedProduct]:
        """Every live product that fulfils a condition: each once, by ascending id, however many there are.

        `timeout_s` applies to each request. Products written meanwhile may be missed, others never.
        """
        found = self._scan(_all(LIVE, where), "bounded", timeout_s)
        yield from self._live(found, where, vectors=vectors, batch=batch, timeout_s=timeout_s)

    def page(
        self, where: Condition | None = None, *, after: str = "", limit: int, timeout_s: float | None = None
    ) -> tuple[list[IndexedProduct], bool]:
        """The first `limit` products that `iterate` gives above an id, and whether there are more of them.

        Nothing is kept between pages: each looks anew for where it begins, which takes a few requests in a large
        index. To read everything in this process, `iterate` is cheaper.
        """
        deadline, enough = self._deadline(timeout_s), limit + 1
        found = scan(
            self.store,
            _all(LIVE, where),
            after=after or None,
            consistency="bounded",
            timeout_s=deadline.left(),
            deadline=deadline,
            page=min(PAGE, KEYS_PER_PRODUCT * enough),
            widest=PAGE,
        )
        live = self._live(found, where, vectors=False, batch=enough, timeout_s=timeout_s, deadline=deadline)
        products = list(islice(live, enough))
        return products[:limit], len(products) > limit

    def iterate_stored(
        self, *, after: str = "", consistency: Consistency = "bounded", timeout_s: float | None = None
    ) -> Iterator[tuple[str, Stored]]:
        """What is stored of every product above an id, deleted ones included, by ascending id (for `reconcile`)."""
        where = _all(ANY, Compare("product_id", ">", after)) if after else ANY
        for product_ids in self._scan(where, consistency, timeout_s):
            found = self.read(product_ids, consistency=consistency, timeout_s=timeout_s)
            yield from ((product_id, stored) for product_id, stored in found.items() if stored.rows)

    def stats(self, *, timeout_s: float | None = None) -> Statistics:
        """Counts of rows, live products and tombstones."""
        deadline = self._deadline(timeout_s)
        rows, products, tombstones = (
            self.store.count(where, timeout_s=deadline.left()) for where in (ANY, _all(LIVE, FIRST_VIEW), DELETED)
        )
        return Statistics(self.capabilities.engine, rows, products, tombstones)

    def search(
        self,
        vectors: NDArray[np.float32],
        where: Condition | None = None,
        *,
        limit: int,
        with_vectors: bool = False,
        freshness: Freshness = "fast",
        timeout_s: float | None = None,
    ) -> list[list[Hit]]:
        """For each query vector [Q, 2 D] the live rows with the highest inner product, best first.

        Views are rows of their own here, and right after a write two versions may be among the hits.
        """
        _check_queries(vectors, self.dim)
        deadline = self._deadline(timeout_s)

        def found(condition: Condition, rows: int) -> list[list[Hit]]:
            return self.store.search(
                vectors, condition, limit=rows, with_vectors=with_vectors, timeout_s=deadline.left()
            )

        def fetch(rows: int) -> list[list[Hit]]:
            if where is None or not self.capabilities.filters_lose_hits:
                return found(_all(LIVE, where), rows)
            looks = zip(found(LIVE, rows), found(_all(LIVE, where), rows), strict=True)
            return [joined(filtered, anywhere, where, self.schema, limit=rows) for anywhere, filtered in looks]

        return self._found(fetch, _checked(limit), freshness, deadline)

    def lexical(
        self,
        words: str,
        where: Condition | None = None,
        *,
        limit: int,
        with_vectors: bool = False,
        freshness: Freshness = "fast",
        timeout_s: float | None = None,
    ) -> list[Hit]:
        """The live rows whose title and searchable attributes match words best by BM25, best first.

        Raises:
            Unsupported: the engine has no full-text search.
        """
        deadline = self._deadline(timeout_s)

        def fetch(rows: int) -> list[list[Hit]]:
            hits = self.store.lexical(
                words, _all(LIVE, where), limit=rows, with_vectors=with_vectors, timeout_s=deadline.left()
            )
            return [hits]

        return self._found(fetch, _checked(limit), freshness, deadline)[0]

    # Closing

    def close(self) -> None:
        """Finish what was submitted, and let go of the engine; calling it twice is no error."""
        self._writer().close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _writer(self) -> Writer:
        """This process's writer: threads don't survive a fork, and a lock of the parent may be held for ever."""
        pid = os.getpid()
        return self._writers.get(pid) or self._writers.setdefault(pid, self._new_writer())

    def _seconds(self, timeout_s: float | None) -> float:
        return self._timeout_s if timeout_s is None else timeout_s

    def _deadline(self, timeout_s: float | None) -> Deadline:
        return Deadline(self._seconds(timeout_s))

    def _scan(self, where: Condition, consistency: Consistency, timeout_s: float | None) -> Iterator[list[str]]:
        return scan(self.store, where, consistency=consistency, timeout_s=self._seconds(timeout_s), page=PAGE)

    def _live(
        self,
        scanned: Iterator[list[str]],
        where: Condition | None,
        *,
        vectors: bool,
        batch: int,
        timeout_s: float | None,
        deadline: Deadline | None = None,
    ) -> Iterator[IndexedProduct]:
        for product_ids in scanned:
            for some in slices(product_ids, min(batch, SLICE)):
                left = deadline.left() if deadline else timeout_s
                found = self.get(some, vectors=vectors, timeout_s=left)
                yield from (found[key] for key in some if key in found and self._fulfils(found[key], where))

    def _fulfils(self, product: IndexedProduct, where: Condition | None) -> bool:
        # Asked of the version that is handed out: the engine may have found an older one.
        return where is None or any(holds(where, to_columns(row, self.schema)) for row in product.rows)

    def _found(
        self, fetch: Callable[[int], list[list[Hit]]], limit: int, freshness: Freshness, deadline: Deadline
    ) -> list[list[Hit]]:
        if freshness == "fast":
            return fetch(limit)

        def read(product_ids: Collection[str]) -> dict[str, Stored]:
            return self.read(product_ids, consistency="strong", timeout_s=deadline.left())

        return verified(fetch, read, limit=limit)


def _all(*conditions: Condition | None) -> Condition:
    return Every(tuple(condition for condition in conditions if condition is not None))


def _wait(outcomes: Future[list[Outcome]], deadline: Deadline) -> list[Outcome]:
    try:
        return outcomes.result(timeout=deadline.left())
    except TimeoutError as error:
        raise IndexUnavailable("The index did not confirm a write in time; it may still take effect.") from error


def _check_queries(vectors: NDArray[np.float32], dim: int) -> None:
    if vectors.ndim != 2 or vectors.shape[1] != dim or not np.isfinite(vectors).all():
        raise InvalidQuery(
            f"Query vectors must be finite and of shape [Q, {dim}], not {list(vectors.shape)}; "
            f"build them with the model of this index."
        )


def _checked(limit: int) -> int:
    if not 1 <= limit <= PAGE:
        raise InvalidQuery(f"The limit must be between 1 and {PAGE:,}, not {limit}.")
    return limit
