"""How our columns lie in a Milvus collection, which are indexed, and whether a collection found is laid out so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fourtower_search.errors import InvalidQuery, Unsupported
from fourtower_search.index.capabilities import Features
from fourtower_search.index.columns import Column, columns_of
from fourtower_search.index.milvus.connection import Field, FieldType
from fourtower_search.index.settings import IndexSettings, Metric, VectorType
from fourtower_search.index.vector_indexes import KNOWN, LITE, VectorIndex
from fourtower_search.schema import CatalogSchema

VECTOR, WORDS, LEXICAL = "vector", "words", "lexical"
ROW_LENGTH = 2**0.5
"""Of a row's vector, whose two halves have length 1 unless one is imputed."""
MAX_TEXT = 65_535
"""Bytes of the longest string that Milvus stores."""

_TYPES: dict[str, FieldType] = {
    "string": "VARCHAR",
    "int": "INT64",
    "small": "INT8",
    "float": "DOUBLE",
    "bool": "BOOL",
    "strings": "ARRAY",
}
_VECTORS: dict[VectorType, FieldType] = {
    "float32": "FLOAT_VECTOR",
    "float16": "FLOAT16_VECTOR",
    "bfloat16": "BFLOAT16_VECTOR",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides the columns of a collection of rows."""

    schema: CatalogSchema
    dim: int
    """Length of a row's vector."""
    settings: IndexSettings


def fields_of(shape: Shape, *, lexical: bool) -> dict[str, Field]:
    """The columns of a collection of rows, by name."""
    fields = {name: _field(name, column) for name, column in columns_of(shape.schema).items()}
    fields[VECTOR] = Field(_VECTORS[shape.settings.vectors], dim=shape.dim)
    if lexical:
        fields[WORDS] = Field("VARCHAR", length=MAX_TEXT, analysed=True)
        fields[LEXICAL] = Field("SPARSE_FLOAT_VECTOR")
    return fields


def indexes_of(shape: Shape, features: Features, *, lexical: bool) -> dict[str, dict[str, Any]]:
    """What to index, and how, by column."""
    settings = shape.settings
    indexes: dict[str, dict[str, Any]] = {
        VECTOR: {"index_type": settings.type, "metric_type": settings.metric, "params": settings.params}
    }
    if lexical:
        indexes[LEXICAL] = {"index_type": "SPARSE_INVERTED_INDEX", "metric_type": "BM25", "params": {}}
    if settings.scalar_indexes:
        for name, column in columns_of(shape.schema).items():
            if column.indexed:
                indexes[name] = {"index_type": _scalar_index(column, features)}
    return indexes


def inner_product(metric: Metric, found: float, query_length: float) -> float:
    """The inner product that a hit has by what the engine found; but for `IP`, as if no half were imputed."""
    if metric == "COSINE":
        return found * query_length * ROW_LENGTH
    if metric == "L2":  # Milvus leaves the root out
        return (query_length**2 + ROW_LENGTH**2 - found) / 2
    return found


def check_possible(shape: Shape, features: Features) -> None:
    """Refuse what an engine lacks, and parameters of an index that would fail only when its collection is made.

    Raises:
        Unsupported: it can't store such vectors, or has no such index.
        InvalidQuery: a parameter is missing, or can't be used.
    """
    settings = shape.settings
    if settings.vectors != "float32" and not features.half_vectors:
        raise Unsupported(
            f"{features.engine} stores no {settings.vectors} vectors; use float32, or a Milvus server from 2.4 on."
        )
    if features.one_writer and settings.type not in LITE:
        raise Unsupported(
            f"{features.engine} has no index type {settings.type}; use {', '.join(LITE)}, or a Milvus server."
        )
    index = KNOWN.get(settings.type, VectorIndex())
    if problems := list(index.problems(settings.params, settings.search, shape.dim)):
        raise InvalidQuery(f"The index type {settings.type} {' and '.join(problems)}; change the index settings.")


def found_fields(description: Mapping[str, Any]) -> dict[str, Field]:
    """The columns of a collection as pymilvus describes it."""
    return {field["name"]: _found(field) for field in description["fields"]}


def first_difference(wanted: Mapping[str, Field], found: Mapping[str, Field]) -> str:
    """What a collection has otherwise than wanted, in words; empty if nothing."""
    for name, field in wanted.items():
        if name not in found:
            return f"it has no column {name}"
        if difference := _difference(field, found[name]):
            return f"its column {name} {difference}"
    if extra := sorted(set(found) - set(wanted)):
        return f"it has a column {extra[0]} that is not ours"
    return ""


def search_columns(schema: CatalogSchema, *, vectors: bool) -> list[str]:
    """What to read of a row: all but its key, which follows from the rest, and words, which only filters look at."""
    unread = {"key", "title_words"}
    names = [name for name in columns_of(schema) if name not in unread and not name.startswith("w_")]
    return [*names, VECTOR] if vectors else names


def _field(name: str, column: Column) -> Field:
    return Field(_TYPES[column.type], length=column.size, items=column.items, primary=name == "key")


def _found(field: Mapping[str, Any]) -> Field:
    params = field.get("params", {})
    return Field(
        field["type"].name,
        length=int(params.get("max_length", 0)),
        items=int(params.get("max_capacity", 0)),
        dim=int(params.get("dim", 0)),
        primary=bool(field.get("is_primary")),
        analysed=str(params.get("enable_analyzer", "")).lower() == "true",
    )


def _difference(wanted: Field, found: Field) -> str:
    pairs: Iterable[tuple[str, Any, Any]] = (
        ("type", wanted.type, found.type),
        ("dimension", wanted.dim, found.dim),
        # Milvus Lite forgets how long the strings of an array may be.
        ("length", wanted.length, found.length or wanted.length),
        ("capacity", wanted.items, found.items),
        ("being the key", wanted.primary, found.primary),
    )
    return next((f"has {what} {has}, not {should}" for what, should, has in pairs if should != has), "")


def _scalar_index(column: Column, features: Features) -> str:
    if features.inverted:
        return "INVERTED"
    return "Trie" if column.type == "string" else "STL_SORT"
