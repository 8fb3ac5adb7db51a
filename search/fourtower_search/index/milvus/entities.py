"""Turns rows into what Milvus stores, and what it returns into rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourtower_search.index.columns import MISSING, attribute_column, lexical_text, to_columns
from fourtower_search.index.milvus.layout import MAX_TEXT, VECTOR, WORDS
from fourtower_search.index.rows import Order, Row, Vector, checked_vector
from fourtower_search.index.settings import VectorType
from fourtower_search.index.store import Hit
from fourtower_search.schema import AttributeType, CatalogSchema, Value

_CONVERSIONS: dict[AttributeType, Callable[[Any], Value]] = {"bool": bool, "strings": tuple}
MAX_MESSAGE = 16_000_000
"""Bytes of one write; servers refuse messages above 64 MB."""


def entity_of(row: Row, schema: CatalogSchema, dim: int, vectors: VectorType, *, lexical: bool) -> dict[str, Any]:
    """A row as Milvus takes it.

    Raises:
        IndexMismatch: its vector is missing or of another length.
        InvalidCatalog: what is only displayed is too big.
    """
    entity = to_columns(row, schema)
    vector = checked_vector(row, dim)
    # A tombstone has zeros, which searches never see.
    entity[VECTOR] = to_engine(np.zeros(dim, dtype=np.float32) if vector is None else vector, vectors)
    if lexical:
        entity[WORDS] = (
            "" if row.order.deleted else lexical_text(row, schema).encode()[:MAX_TEXT].decode(errors="ignore")
        )
    return entity


class RowReader:
    """Makes rows of what Milvus returned: as `row_from` would, in a third of its time, which every hit pays."""

    def __init__(self, schema: CatalogSchema, vectors: VectorType) -> None:
        self._vectors = vectors
        self._attributes = [
            (name, attribute_column(name), MISSING[attribute.type], _CONVERSIONS.get(attribute.type))
            for name, attribute in schema.attributes.items()
        ]

    def row(self, entity: Mapping[str, Any]) -> Row:
        """A row, with its vector if that was asked for."""
        deleted = entity["deleted"]
        stored = entity.get(VECTOR)
        return Row(
            entity["product_id"],
            Order(entity["version"], deleted, entity["digest"]),
            entity["view"],
            entity["row_count"],
            entity["image_hash"],
            entity["text_hash"],
            entity["imputed"],
            entity["image_missing"],
            None if stored is None or deleted else from_engine(stored, self._vectors),
            self._present(entity),
            entity["group_id"],
            entity["source"],
            entity["title"],
            LazyPayload(entity["payload"]),
        )

    def hits(self, found: Iterable[dict[str, Any]]) -> list[Hit]:
        """The hits of one query; their rows are made when somebody looks."""
        # What pymilvus returns are dicts that first look things up in Python; the plain look-up takes a fifth of that.
        part, read = dict.__getitem__, self.row
        return [
            Hit(entity["product_id"], entity["view"], part(hit, "distance"), entity, read)
            for hit in found
            for entity in (part(hit, "entity"),)
        ]

    def _present(self, entity: Mapping[str, Any]) -> dict[str, Value]:
        present: dict[str, Value] = {}
        for name, column, missing, convert in self._attributes:
            value = entity[column]
            if value != missing:
                present[name] = convert(value) if convert else value
        return present


class LazyPayload(Mapping[str, Any]):
    """What a row shows besides its attributes; parsed when somebody looks."""

    __slots__ = ("_parsed", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._parsed: dict[str, Any] | None = None

    def __getitem__(self, name: str) -> Any:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return repr(self._all())

    def get(self, name: str, default: Any = None) -> Any:
        """The same as a dict's; the inherited one raises and catches an error where nothing is."""
        return self._all().get(name, default)

    def _all(self) -> dict[str, Any]:
        if self._parsed is None:
            self._parsed = json.loads(self._text)
        return self._parsed


def messages(entities: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Split a write so that each message stays small enough."""
    message: list[dict[str, Any]] = []
    size = 0
    for entity in entities:
        own = _size(entity)
        if message and size + own > MAX_MESSAGE:
            yield message
            message, size = [], 0
        message.append(entity)
        size += own
    if message:
        yield message


def to_engine(vector: NDArray[np.float32], vectors: VectorType) -> Any:
    """A vector as pymilvus takes it."""
    match vectors:
        case "float32":
            return np.ascontiguousarray(vector, dtype=np.float32)
        case "float16":
            return np.ascontiguousarray(vector, dtype=np.float16)
        case "bfloat16":
            # The upper half of a float32, rounded to nearest, ties to even.
            bits = np.ascontiguousarray(vector, dtype=np.float32).view(np.uint32)
            rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
            return rounded.astype("<u2").tobytes()


def from_engine(stored: Any, vectors: VectorType) -> Vector:
    """A vector from what pymilvus returned: floats, or bytes for half-size vectors."""
    if isinstance(stored, list) and len(stored) == 1 and isinstance(stored[0], bytes):
        stored = stored[0]
    match vectors:
        case "float32":
            return np.asarray(stored, dtype=np.float32)
        case "float16":
            return np.frombuffer(stored, dtype="<f2").astype(np.float32)
        case "bfloat16":
            return (np.frombuffer(stored, dtype="<u2").astype(np.uint32) << 16).view(np.float32)


def _size(entity: Mapping[str, Any]) -> int:
    """About how many bytes an entity takes; a character of text at most four."""
    texts = sum(4 * len(value) for value in entity.values() if isinstance(value, str))
    words = sum(4 * len(word) for value in entity.values() if isinstance(value, list) for word in value)
    vector = entity[VECTOR]
    return texts + words + (len(vector) if isinstance(vector, bytes) else int(vector.nbytes))
