"""How a row lies in a collection's columns, the same in every engine, missing values included."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from fourtower_search.errors import InvalidCatalog
from fourtower_search.index.rows import Order, Row, RowState
from fourtower_search.schema import LOWEST_FLOAT, LOWEST_INT, Attribute, AttributeType, CatalogSchema, Value

MISSING: dict[AttributeType, Any] = {
    "string": "",
    "int": LOWEST_INT,
    "float": LOWEST_FLOAT,
    "bool": -1,
    "time": LOWEST_INT,
    "strings": [],
}
"""What a column holds where a product has no such attribute; bool columns are small integers for this reason."""
MAX_WORDS, MAX_WORD = 512, 64
"""How many words of a text can be matched, and their longest length in bytes."""
MAX_PAYLOAD = 60_000
"""Bytes of JSON; Milvus stores at most 65,535 in one string."""
_WORD = re.compile(r"\w+")


class Column(NamedTuple):
    """A column of a collection."""

    type: Literal["string", "int", "small", "float", "bool", "strings"]
    size: int = 0
    """Longest string in bytes."""
    items: int = 0
    """Most strings."""
    indexed: bool = False
    """Filters look here often."""


STATE_COLUMNS: dict[str, Column] = {
    "key": Column("string", 512),
    "product_id": Column("string", 256, indexed=True),
    "version": Column("int"),
    "digest": Column("string", 64),
    "deleted": Column("bool"),
    "view": Column("int"),
    "row_count": Column("int"),
    "image_hash": Column("string", 64),
    "text_hash": Column("string", 64),
    "imputed": Column("string", 8),
    "image_missing": Column("bool"),
}
OTHER_COLUMNS: dict[str, Column] = {
    "group_id": Column("string", 256, indexed=True),
    "source": Column("string", 256),
    "title": Column("string", 4096),
    "title_words": Column("strings", MAX_WORD, MAX_WORDS),
    "payload": Column("string", 65_535),
}


def columns_of(schema: CatalogSchema) -> dict[str, Column]:
    """Every column but the vectors."""
    return {**STATE_COLUMNS, **OTHER_COLUMNS, **dict(_attribute_columns(schema))}


def attribute_column(name: str) -> str:
    """The column of a declared attribute."""
    return f"a_{name}"


def words_column(name: str) -> str:
    """The column of the words of the title or of a searchable attribute."""
    return "title_words" if name == "title" else f"w_{name}"


def words_of(*texts: str) -> tuple[str, ...]:
    """The distinct words by which texts are matched, sorted; cut to what a column can hold."""
    found = (word for text in texts for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()))
    short = {word.encode()[:MAX_WORD].decode(errors="ignore") for word in found}
    return tuple(sorted(short)[:MAX_WORDS])


def to_columns(row: Row, schema: CatalogSchema) -> dict[str, Any]:
    """A row's columns, without vectors.

    Raises:
        InvalidCatalog: what is only displayed is too big.
    """
    payload = json.dumps(dict(row.payload), ensure_ascii=False, separators=(",", ":"))
    if len(payload.encode()) > MAX_PAYLOAD:
        raise InvalidCatalog(
            f"Product {row.product_id}: description, images and undeclared attributes take "
            f"{len(payload.encode()):,} bytes; {MAX_PAYLOAD:,} are allowed."
        )
    columns = {
        **state_columns(row),
        "group_id": row.group_id,
        "source": row.source,
        "title": row.title,
        "title_words": list(words_of(row.title)),
        "payload": payload,
    }
    for name, attribute in schema.attributes.items():
        value = row.attributes.get(name)
        columns[attribute_column(name)] = MISSING[attribute.type] if value is None else _to_column(value)
        if attribute.searchable:
            columns[words_column(name)] = list(words_of(*_texts(value)))
    return columns


def state_columns(row: RowState) -> dict[str, Any]:
    """The columns of a row's state."""
    return {
        "key": row.key,
        "product_id": row.product_id,
        "version": row.order.version,
        "digest": row.order.digest,
        "deleted": row.order.deleted,
        "view": row.view,
        "row_count": row.row_count,
        "image_hash": row.image_hash,
        "text_hash": row.text_hash,
        "imputed": row.imputed,
        "image_missing": row.image_missing,
    }


def state_from(columns: Mapping[str, Any]) -> RowState:
    """The state of a row, from its columns."""
    return RowState(**_state_fields(columns))


def row_from(columns: Mapping[str, Any], schema: CatalogSchema) -> Row:
    """A whole row, from its columns; `vector` may be among them."""
    attributes = {
        name: _from_column(attribute, columns[attribute_column(name)])
        for name, attribute in schema.attributes.items()
        if not _is_missing(attribute, columns[attribute_column(name)])
    }
    return Row(
        **_state_fields(columns),
        vector=columns.get("vector"),
        attributes=attributes,
        group_id=columns["group_id"],
        source=columns["source"],
        title=columns["title"],
        payload=json.loads(columns["payload"]),
    )


def lexical_text(row: Row, schema: CatalogSchema) -> str:
    """What full-text search reads of a row."""
    searchable = (name for name, attribute in schema.attributes.items() if attribute.searchable)
    return " ".join([row.title, *(text for name in searchable for text in _texts(row.attributes.get(name)))])


def _attribute_columns(schema: CatalogSchema) -> Iterator[tuple[str, Column]]:
    for name, attribute in schema.attributes.items():
        yield attribute_column(name), _column(attribute)
        if attribute.searchable:
            yield words_column(name), Column("strings", MAX_WORD, MAX_WORDS)


def _column(attribute: Attribute) -> Column:
    match attribute.type:
        case "string":
            return Column("string", attribute.max_length, indexed=attribute.filterable)
        case "strings":
            return Column("strings", attribute.max_length, attribute.max_items)
        case "float":
            return Column("float", indexed=attribute.filterable)
        case "bool":
            return Column("small")
        case "int" | "time":
            return Column("int", indexed=attribute.filterable)


def _state_fields(columns: Mapping[str, Any]) -> dict[str, Any]:
    names = ("product_id", "view", "row_count", "image_hash", "text_hash", "imputed", "image_missing")
    order = Order(columns["version"], columns["deleted"], columns["digest"])
    return {"order": order, **{name: columns[name] for name in names}}


def _to_column(value: Value) -> Any:
    if isinstance(value, bool):
        return int(value)
    return list(value) if isinstance(value, tuple) else value


def _from_column(attribute: Attribute, value: Any) -> Value:
    if attribute.type == "bool":
        return bool(value)
    if attribute.type == "strings":
        return tuple(value)
    stored: Value = value
    return stored


def _is_missing(attribute: Attribute, value: Any) -> bool:
    return not value if attribute.type == "strings" else bool(value == MISSING[attribute.type])


def _texts(value: Value | None) -> Iterable[str]:
    if isinstance(value, str):
        return (value,)
    return value if isinstance(value, tuple) else ()
