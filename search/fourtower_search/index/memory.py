"""A store of rows in this process's memory: exact, applied at once, gone at the end; for tests and notebooks."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fourtower_search.index.bm25 import Bm25
from fourtower_search.index.columns import lexical_text, row_from, state_from, to_columns
from fourtower_search.index.conditions import Condition, Every, OneOf, holds
from fourtower_search.index.rows import Row, RowState, Vector, checked_vector
from fourtower_search.index.store import PAGE, Capabilities, Consistency, Hit
from fourtower_search.schema import CatalogSchema


class _Entry(NamedTuple):
    """A row as it lies here."""

    columns: Mapping[str, Any]
    row: Row
    """Without its vector."""


class MemoryRows:
    """A `RowStore` without an engine; threads may share it, and bounded reads are as fresh as strong ones."""

    def __init__(self, schema: CatalogSchema, dim: int) -> None:
        self.schema = schema
        self.dim = dim
        self.capabilities = Capabilities("memory", lexical=True, concurrent_writers=True, exact_scores=True)
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._of_product: dict[str, set[str]] = defaultdict(set)
        self._texts = Bm25()
        self._vectors = _Vectors(dim)

    def upsert(self, rows: Sequence[Row], *, timeout_s: float) -> None:
        """Write rows, all of them or, where one can't be stored, none."""
        prepared = [(row, to_columns(row, self.schema)) for row in rows]
        for row in rows:
            checked_vector(row, self.dim)
        with self._lock:
            for row, columns in prepared:
                self._put(row, columns)

    def delete(self, keys: Collection[str], *, timeout_s: float) -> None:
        """Remove rows by key; unknown keys are no error."""
        with self._lock:
            for key in keys:
                self._remove(key)

    def states(self, product_ids: Collection[str], *, consistency: Consistency, timeout_s: float) -> list[RowState]:
        """All rows of these products."""
        with self._lock:
            keys = [key for product_id in set(product_ids) for key in self._of_product.get(product_id, ())]
            return [state_from(self._entries[key].columns) for key in keys]

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
        with self._lock:
            return [self._row(entry, vectors) for entry in islice(self._matching(where), limit)]

    def vectors(self, keys: Sequence[str], *, timeout_s: float) -> dict[str, Vector]:
        """The vectors of rows by key."""
        with self._lock:
            rows = [self._row(self._entries[key], True) for key in keys if key in self._entries]
        return {row.key: row.vector for row in rows if row.vector is not None}

    def keys(self, where: Condition, *, limit: int = PAGE, consistency: Consistency, timeout_s: float) -> list[str]:
        """The keys of up to `limit` such rows."""
        with self._lock:
            return [entry.row.key for entry in islice(self._matching(where), limit)]

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
        """The rows with the highest inner product for each query vector [Q, 2 D]; equal scores by key."""
        with self._lock:
            hits = (self._nearest(query, where) for query in vectors)
            return [[self._hit(entry, score, with_vectors) for entry, score in islice(of, limit)] for of in hits]

    def lexical(
        self, words: str, where: Condition, *, limit: int, with_vectors: bool = False, timeout_s: float
    ) -> list[Hit]:
        """The rows that match words best by BM25."""
        with self._lock:
            ranked = ((self._entries[key], score) for key, score in self._texts.ranked(words))
            found = ((entry, score) for entry, score in ranked if holds(where, entry.columns))
            return [self._hit(entry, score, with_vectors) for entry, score in islice(found, limit)]

    def count(self, where: Condition, *, consistency: Consistency = "bounded", timeout_s: float) -> int:
        """How many rows fulfil a condition."""
        with self._lock:
            return sum(1 for _ in self._matching(where))

    def flush(self, *, timeout_s: float) -> None:
        """Do nothing: rows are found as soon as they are written."""

    def close(self) -> None:
        """Do nothing: the rows live as long as this object."""

    def _put(self, row: Row, columns: dict[str, Any]) -> None:
        self._remove(row.key)
        if row.vector is not None:
            self._vectors.put(row.key, row.vector)
        # Read back from its columns, a row is what an engine would return: payload through JSON, for instance.
        self._entries[row.key] = _Entry(columns, row_from(columns, self.schema))
        self._of_product[row.product_id].add(row.key)
        self._texts.put(row.key, lexical_text(row, self.schema))

    def _remove(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self._vectors.remove(key)
        self._texts.remove(key)
        keys = self._of_product[entry.row.product_id]
        keys.discard(key)
        if not keys:
            del self._of_product[entry.row.product_id]

    def _matching(self, where: Condition) -> Iterator[_Entry]:
        keys = self._narrowed(where)
        entries = self._entries.values() if keys is None else (self._entries[key] for key in keys)
        return (entry for entry in entries if holds(where, entry.columns))

    def _narrowed(self, where: Condition) -> list[str] | None:
        """The keys that a condition leaves possible, where it names keys or products; else None, for all."""
        match where:
            case OneOf("key", values):
                return [key for key in dict.fromkeys(map(str, values)) if key in self._entries]
            case OneOf("product_id", values):
                return [key for product_id in dict.fromkeys(map(str, values)) for key in self._keys_of(product_id)]
            case Every(conditions):
                narrowed = (self._narrowed(condition) for condition in conditions)
                return next((keys for keys in narrowed if keys is not None), None)
        return None

    def _keys_of(self, product_id: str) -> Iterable[str]:
        return self._of_product.get(product_id, ())

    def _nearest(self, query: Vector, where: Condition) -> Iterator[tuple[_Entry, float]]:
        for keys, score in self._vectors.ranked(query):
            for key in sorted(keys):
                if holds(where, self._entries[key].columns):
                    yield self._entries[key], score

    def _hit(self, entry: _Entry, score: float, with_vector: bool) -> Hit:
        return Hit.of(self._row(entry, with_vector), score)

    def _row(self, entry: _Entry, with_vector: bool) -> Row:
        return replace(entry.row, vector=self._vectors.get(entry.row.key)) if with_vector else entry.row


class _Vectors:
    """Vectors in one matrix that grows, its freed slots used again."""

    def __init__(self, dim: int) -> None:
        self._matrix: NDArray[np.float32] = np.zeros((0, dim), dtype=np.float32)
        self._slots: dict[str, int] = {}
        self._keys: list[str | None] = []
        """Whose vector is in each slot."""
        self._free: list[int] = []

    def put(self, key: str, vector: Vector) -> None:
        if not self._free:
            self._grow()
        slot = self._free.pop()
        self._matrix[slot] = vector
        self._slots[key], self._keys[slot] = slot, key

    def get(self, key: str) -> Vector | None:
        slot = self._slots.get(key)
        return None if slot is None else self._matrix[slot].copy()

    def remove(self, key: str) -> None:
        slot = self._slots.pop(key, None)
        if slot is not None:
            self._keys[slot] = None
            self._free.append(slot)

    def ranked(self, query: Vector) -> Iterator[tuple[list[str], float]]:
        """Scores from the highest down, each with the keys that have it."""
        scores = self._matrix @ query
        for score, slots in groupby(np.argsort(-scores), key=scores.__getitem__):
            yield [key for slot in slots if (key := self._keys[slot]) is not None], float(score)

    def _grow(self) -> None:
        size = len(self._keys)
        more = max(size, 16)
        self._matrix = np.concatenate([self._matrix, np.zeros((more, self._matrix.shape[1]), dtype=np.float32)])
        self._keys.extend([None] * more)
        self._free.extend(range(size, size + more))
