"""The port that an engine implements: rows in, rows out. What the rows mean is decided above it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from fourtower_search.index.columns import state_columns
from fourtower_search.index.conditions import Condition
from fourtower_search.index.rows import Row, RowKey, RowState, Vector
from fourtower_search.schema import CatalogSchema

Consistency = Literal["bounded", "strong"]
PAGE = 16_384
"""Most rows of one answer. Milvus silently leaves out the rest, so a full page is never taken for the whole."""


# Not frozen: that takes three times as long to make, and a search makes hundreds of which it shows ten.
@dataclass(eq=False)
class Hit:
    """A row that a search found, as it lies in its columns; the row itself is made for those who ask for it."""

    product_id: str
    view: int
    score: float
    columns: Mapping[str, Any] = field(repr=False)
    """Those of a row's state at least; see `columns.STATE_COLUMNS`."""
    read: Callable[[Mapping[str, Any]], Row] = field(repr=False)
    """Makes a row of the columns."""

    @classmethod
    def of(cls, row: Row, score: float) -> Self:
        """A hit whose row is there already."""
        return cls(row.product_id, row.view, score, state_columns(row), lambda _: row)

    @property
    def order(self) -> tuple[int, bool, str]:
        """Where the row's event stands; a plain tuple, which compares as an `Order` and takes a quarter of its time."""
        columns = self.columns
        return columns["version"], columns["deleted"], columns["digest"]

    @property
    def key(self) -> str:
        """The row's primary key."""
        return str(RowKey(self.product_id, self.columns["version"], self.columns["digest"], self.view))

    @cached_property
    def row(self) -> Row:
        """The whole row."""
        return self.read(self.columns)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do; what it can't is done by the client or refused."""

    engine: str
    """Name and version, for messages."""
    lexical: bool
    """Full-text search (BM25) inside the engine."""
    concurrent_writers: bool
    """Several threads may write at once."""
    exact_scores: bool
    """Scores of a vector search are those of the stored vectors, not of compressed ones."""
    filters_lose_hits: bool = False
    """Under a filter that leaves many rows out, a vector search misses some that it finds without one."""


class RowStore(Protocol):
    """One collection of rows.

    Every call ends within its `timeout_s`. Errors: `IndexUnavailable` when the engine is away, slow or loading,
    `IndexMismatch` when the collection is not what it should be, `Unsupported` for what the engine lacks.
    """

    schema: CatalogSchema
    dim: int
    """Length of a row's vector: twice that of an embedding."""
    capabilities: Capabilities

    def upsert(self, rows: Sequence[Row], *, timeout_s: float) -> None:
        """Write rows; a row of the same key is replaced."""
        ...

    def delete(self, keys: Collection[str], *, timeout_s: float) -> None:
        """Remove rows by key; unknown keys are no error."""
        ...

    def states(self, product_ids: Collection[str], *, consistency: Consistency, timeout_s: float) -> list[RowState]:
        """All rows of these products, tombstones and outdated versions included; never a part of them."""
        ...

    def rows(
        self,
        where: Condition,
        *,
        limit: int = PAGE,
        vectors: bool,
        consistency: Consistency = "bounded",
        timeout_s: float,
    ) -> list[Row]:
        """Up to `limit` rows for which a condition holds, in no particular order."""
        ...

    def vectors(self, keys: Sequence[str], *, timeout_s: float) -> dict[str, Vector]:
        """The vectors of up to a page of rows by key; rows that are gone, and tombstones, are left out."""
        ...

    def keys(self, where: Condition, *, limit: int = PAGE, consistency: Consistency, timeout_s: float) -> list[str]:
        """The keys of up to `limit` such rows, in no particular order."""
        ...

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
        """For each query vector [Q, 2 D] the `limit` rows with the highest inner product, best first."""
        ...

    def lexical(
        self, words: str, where: Condition, *, limit: int, with_vectors: bool = False, timeout_s: float
    ) -> list[Hit]:
        """The rows whose title and searchable attributes match words best by BM25, best first."""
        ...

    def count(self, where: Condition, *, consistency: Consistency = "bounded", timeout_s: float) -> int:
        """How many rows fulfil a condition."""
        ...

    def flush(self, *, timeout_s: float) -> None:
        """Bring what was written into searchable, indexed form where the engine does so on demand."""
        ...

    def close(self) -> None:
        """Let go of connections; calling it twice is no error."""
        ...
