"""The store of rows in a Milvus collection."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourtower_search.errors import IndexMismatch, IndexUnavailable, InvalidQuery, Unsupported
from fourtower_search.index.columns import STATE_COLUMNS, state_from
from fourtower_search.index.conditions import Condition, OneOf
from fourtower_search.index.deadline import Deadline
from fourtower_search.index.expression import expression
from fourtower_search.index.milvus.collections import check_collection, create_collection
from fourtower_search.index.milvus.connection import Connection
from fourtower_search.index.milvus.entities import RowReader, entity_of, from_engine, messages, to_engine
from fourtower_search.index.milvus.layout import LEXICAL, VECTOR, Shape, inner_product, search_columns
from fourtower_search.index.rows import Row, RowState, Vector
from fourtower_search.index.store import PAGE, Capabilities, Consistency, Hit

IDS = 4096
"""Ids of one question: with a few rows each, their answer fits a page."""
_LEVELS: dict[Consistency, str] = {"bounded": "Bounded", "strong": "Strong"}
_STATE = [name for name in STATE_COLUMNS if name != "key"]


class MilvusRows:
    """A `RowStore` in one collection; `create` or `open` makes one. Threads may share it, forked processes may not."""

    def __init__(
        self, connection: Connection, collection: str, shape: Shape, *, lexical: bool, page: int = PAGE
    ) -> None:
        self.schema = shape.schema
        self.dim = shape.dim
        self.collection = collection
        features = connection.features
        self.capabilities = Capabilities(
            features.engine,
            lexical=lexical,
            concurrent_writers=not features.one_writer,
            exact_scores=shape.settings.exact_scores,
            filters_lose_hits=shape.settings.is_graph and not features.one_writer,
        )
        self._connection, self._settings, self._page = connection, shape.settings, page
        self._columns = {vectors: search_columns(shape.schema, vectors=vectors) for vectors in (False, True)}
        self._reader = RowReader(shape.schema, shape.settings.vectors)
        # Newer servers garble some Chinese characters unless they are escaped; Lite knows no such escapes.
        self._filter = partial(expression, ascii_only=not features.one_writer)
        self._writing = _TURNS[connection.address.uri, collection] if features.one_writer else None

    @classmethod
    def create(
        cls, connection: Connection, collection: str, shape: Shape, *, timeout_s: float, page: int = PAGE
    ) -> MilvusRows:
        """Create a collection, or finish a creation that was interrupted, and open it.

        Raises:
            IndexMismatch: there is one of this name with other columns.
            Unsupported: the server can't do what the settings ask for.
        """
        deadline = Deadline(timeout_s)
        create_collection(connection, collection, shape, deadline)
        return cls.open(connection, collection, shape, timeout_s=deadline.left(), page=page)

    @classmethod
    def open(
        cls, connection: Connection, collection: str, shape: Shape, *, timeout_s: float, page: int = PAGE
    ) -> MilvusRows:
        """Open a collection that exists, which never changes it; the store closes the connection when it is closed.

        Raises:
            IndexMismatch: it does not exist, or has other columns or another metric.
        """
        deadline = Deadline(timeout_s)
        lexical = check_collection(connection, collection, shape, deadline)
        connection.load(collection, deadline)
        return cls(connection, collection, shape, lexical=lexical, page=page)

    def upsert(self, rows: Sequence[Row], *, timeout_s: float) -> None:
        """Write rows; where one can't be stored, none is written."""
        deadline = Deadline(timeout_s)
        # Newer servers refuse two rows of one key in one message: the last one counts.
        entities = {row.key: self._entity(row) for row in rows}
        with self._turn(deadline):
            for message in messages(list(entities.values())):
                self._call("upsert", "write rows", deadline, data=message)

    def delete(self, keys: Collection[str], *, timeout_s: float) -> None:
        """Remove rows by key; unknown keys are no error."""
        deadline = Deadline(timeout_s)
        with self._turn(deadline):
            for some in _chunks(keys, IDS):
                self._call("delete", "delete rows", deadline, filter=self._filter(OneOf("key", some)))

    def states(self, product_ids: Collection[str], *, consistency: Consistency, timeout_s: float) -> list[RowState]:
        """All rows of these products."""
        deadline = Deadline(timeout_s)
        chunks = _chunks(set(product_ids), min(IDS, self._page))
        return [state_from(found) for ids in chunks for found in self._all_of(ids, consistency, deadline)]

    def rows(
        self,
        where: Condition,
        *,
        limit: int = PAGE,
        vectors: bool,
        consistency: Consistency = "bounded",
        timeout_s: float,
    ) -> list[Row]:
        """Up to `limit` rows for which a condition holds."""
        found = self._query(where, self._columns[vectors], limit, consistency, Deadline(timeout_s))
        return [self._reader.row(entity) for entity in found]

    def vectors(self, keys: Sequence[str], *, timeout_s: float) -> dict[str, Vector]:
        """The vectors of rows by key; nothing else of them is read."""
        where = OneOf("key", tuple(keys))
        found = self._query(where, ["key", "deleted", VECTOR], len(keys), "bounded", Deadline(timeout_s))
        kind = self._settings.vectors
        return {entity["key"]: from_engine(entity[VECTOR], kind) for entity in found if not entity["deleted"]}

    def keys(self, where: Condition, *, limit: int = PAGE, consistency: Consistency, timeout_s: float) -> list[str]:
        """The keys of up to `limit` such rows."""
        found = self._query(where, ["key"], limit, consistency, Deadline(timeout_s))
        return [entity["key"] for entity in found]

    def search(
        self,
        vectors: NDArray[np.float32],
        where: Condition,
        *,
        limit: int,
        with_vectors: bool = False,
        consistency: Consistency = "bounded",
        timeout_s: float,
    ) -> list[list[Hit]]:
        """The rows with the highest inner product for each query vector [Q, 2 D]."""
        if vectors.ndim != 2 or vectors.shape[1] != self.dim:
            raise InvalidQuery(f"Query vectors must have {self.dim} numbers each, not the shape {vectors.shape}.")
        if not len(vectors):
            return []
        metric = self._settings.metric
        found = self._search(
            [to_engine(vector, self._settings.vectors) for vector in vectors],
            where,
            Deadline(timeout_s),
            anns_field=VECTOR,
            search_params={"metric_type": metric, "params": self._settings.search_params(limit)},
            limit=limit,
            with_vectors=with_vectors,
            consistency=consistency,
        )
        answers = [self._reader.hits(hits) for hits in found]
        if metric != "IP":
            for hits, length in zip(answers, np.linalg.norm(vectors, axis=1), strict=True):
                for hit in hits:
                    hit.score = inner_product(metric, hit.score, float(length))
        return answers

    def lexical(
        self, words: str, where: Condition, *, limit: int, with_vectors: bool = False, timeout_s: float
    ) -> list[Hit]:
        """The rows that match words best by BM25."""
        if not self.capabilities.lexical:
            raise Unsupported(
                f"{self._connection.address.shown} ({self.capabilities.engine}) has no full-text search in the "
                f"collection {self.collection}; use a Milvus server from 2.5 on and build the index anew there."
            )
        if not words.strip():
            return []
        found = self._search(
            [words],
            where,
            Deadline(timeout_s),
            anns_field=LEXICAL,
            search_params={"metric_type": "BM25"},
            limit=limit,
            with_vectors=with_vectors,
        )
        # Milvus Lite negates its scores, so that the best one is the lowest; BM25 itself is never negative.
        return [replace(hit, score=abs(hit.score)) for hit in self._reader.hits(found[0]) if hit.score]

    def count(self, where: Condition, *, consistency: Consistency = "bounded", timeout_s: float) -> int:
        """How many rows fulfil a condition."""
        counted = self._call(
            "query",
            "count rows",
            Deadline(timeout_s),
            filter=self._filter(where),
            output_fields=["count(*)"],
            consistency_level=_LEVELS[consistency],
        )
        return int(counted[0]["count(*)"])

    def flush(self, *, timeout_s: float) -> None:
        """Let Milvus Lite move rows from its log into indexed files; a server does so by itself.

        A server is not told to: it costs seconds, and on Milvus 2.3 deletes came back for a while afterwards.
        """
        if self._connection.features.one_writer:
            deadline = Deadline(timeout_s)
            with self._turn(deadline):
                self._call("flush", "flush", deadline)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _entity(self, row: Row) -> dict[str, Any]:
        return entity_of(row, self.schema, self.dim, self._settings.vectors, lexical=self.capabilities.lexical)

    def _all_of(self, ids: Sequence[str], consistency: Consistency, deadline: Deadline) -> list[dict[str, Any]]:
        """Every row of these products: a full page may be a part, so that the question is split."""
        found = self._query(OneOf("product_id", tuple(ids)), _STATE, self._page, consistency, deadline)
        if len(found) < self._page:
            return found
        if len(ids) == 1:
            raise IndexMismatch(
                f"Product {ids[0]!r:.80} has {self._page:,} rows or more in {self.collection}, which can't be read at "
                f"once; delete its outdated rows."
            )
        middle = len(ids) // 2
        halves = (ids[:middle], ids[middle:])
        return [entity for half in halves for entity in self._all_of(half, consistency, deadline)]

    def _query(
        self, where: Condition, columns: list[str], limit: int, consistency: Consistency, deadline: Deadline
    ) -> list[dict[str, Any]]:
        _check_limit(limit)
        found = self._call(
            "query",
            "read rows",
            deadline,
            filter=self._filter(where),
            output_fields=columns,
            limit=limit,
            consistency_level=_LEVELS[consistency],
        )
        return list(found)

    def _search(
        self,
        queries: list[Any],
        where: Condition,
        deadline: Deadline,
        *,
        limit: int,
        with_vectors: bool,
        consistency: Consistency = "bounded",
        **arguments: Any,
    ) -> Any:
        _check_limit(limit)
        return self._call(
            "search",
            "search",
            deadline,
            data=queries,
            filter=self._filter(where),
            limit=limit,
            output_fields=self._columns[with_vectors],
            consistency_level=_LEVELS[consistency],
            **arguments,
        )

    def _call(self, method: str, doing: str, deadline: Deadline, **arguments: Any) -> Any:
        return self._connection.call(method, doing, deadline, collection_name=self.collection, **arguments)

    @contextmanager
    def _turn(self, deadline: Deadline) -> Iterator[None]:
        """Wait for this thread's turn to write, where the engine has one writer."""
        if self._writing is None:
            yield
            return
        if not self._writing.acquire(timeout=deadline.left()):
            raise IndexUnavailable(f"Other writes to {self.collection} took all the time; try again later.")
        try:
            yield
        finally:
            self._writing.release()


_TURNS: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
"""Who may write to a collection of Milvus Lite, across all stores of this process."""


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= PAGE:
        raise InvalidQuery(f"At most {PAGE:,} rows, and at least one, can be asked for at once, not {limit:,}.")


def _chunks(items: Collection[str], size: int) -> Iterator[tuple[str, ...]]:
    iterator = iter(items)
    while chunk := tuple(islice(iterator, size)):
        yield chunk
