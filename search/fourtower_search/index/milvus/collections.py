"""Creates the collection of an index, and verifies one that is there; what exists is never altered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fourtower_search.errors import IndexMismatch, InvalidQuery, SearchError, Unsupported
from fourtower_search.index.deadline import Deadline
from fourtower_search.index.milvus.connection import Connection, Field
from fourtower_search.index.milvus.layout import (
    LEXICAL,
    VECTOR,
    Shape,
    check_possible,
    fields_of,
    first_difference,
    found_fields,
    indexes_of,
)
from fourtower_search.index.settings import Metric


def create_collection(connection: Connection, name: str, shape: Shape, deadline: Deadline) -> None:
    """Create a collection with its indexes; where it is there already, add the indexes that it lacks.

    Raises:
        IndexMismatch: there is one of this name with other columns.
        InvalidQuery: a parameter of the vector index is missing, or can't be used.
        Unsupported: the server can't do what the settings ask for.
    """
    check_possible(shape, connection.features)
    fields = fields_of(shape, lexical=connection.features.lexical)
    made = ensure_collection(connection, name, fields, deadline, shards=shape.settings.shards)
    lexical = _check_columns(connection, name, shape, deadline)
    try:
        ensure_indexes(connection, name, indexes_of(shape, connection.features, lexical=lexical), deadline)
    except (InvalidQuery, Unsupported):
        if made:  # only now did the server look at its settings
            connection.call("drop_collection", f"drop {name} again", deadline, collection_name=name)
        raise


def ensure_collection(
    connection: Connection, name: str, fields: Mapping[str, Field], deadline: Deadline, *, shards: int = 1
) -> bool:
    """Create a collection, without indexes, unless there is one; its columns are not looked at.

    Returns:
        Whether it was created.
    """
    if exists(connection, name, deadline):
        return False
    try:
        connection.create_collection(name, fields, deadline, shards=shards)
    except SearchError:
        if not exists(connection, name, deadline):  # else somebody was faster
            raise
        return False
    return True


def ensure_indexes(
    connection: Connection, name: str, wanted: Mapping[str, Mapping[str, Any]], deadline: Deadline
) -> None:
    """Index those columns of a collection that have no index yet."""
    present = _indexed(connection, name, deadline)
    for column, params in wanted.items():
        if column in present:
            continue
        try:
            connection.create_index(name, column, params, deadline)
        except SearchError:
            if column not in _indexed(connection, name, deadline):  # else somebody was faster
                raise


def check_collection(connection: Connection, name: str, shape: Shape, deadline: Deadline) -> bool:
    """Verify a collection; return whether it has full-text search.

    Raises:
        IndexMismatch: it does not exist, or differs in a column or the metric; the message says in what.
    """
    lexical = _check_columns(connection, name, shape, deadline)
    _check_metric(connection, name, shape.settings.metric, deadline)
    return lexical


def exists(connection: Connection, name: str, deadline: Deadline) -> bool:
    """Whether there is a collection, or an alias, of this name."""
    return bool(connection.call("has_collection", f"look for the collection {name}", deadline, collection_name=name))


def _check_columns(connection: Connection, name: str, shape: Shape, deadline: Deadline) -> bool:
    doing = f"describe the collection {name}"
    found = found_fields(connection.call("describe_collection", doing, deadline, collection_name=name))
    # A collection from before its server learned full-text search goes on without.
    lexical = LEXICAL in found
    if difference := first_difference(fields_of(shape, lexical=lexical), found):
        raise IndexMismatch(
            f"The collection {name} at {connection.address.shown} does not fit this catalog and model: {difference}; "
            f"build a new generation of the index instead."
        )
    return lexical


def _check_metric(connection: Connection, name: str, metric: Metric, deadline: Deadline) -> None:
    found = "no index"
    if VECTOR in _indexed(connection, name, deadline):
        doing = f"describe the index of {name}"
        index = connection.call("describe_index", doing, deadline, collection_name=name, index_name=VECTOR)
        if index.get("metric_type") == metric:
            return
        found = f"the metric {index.get('metric_type')}"
    raise IndexMismatch(
        f"The vectors of {name} at {connection.address.shown} have {found}, not the metric {metric}; create the index "
        f"again, which finishes a creation that was interrupted, or build a new generation."
    )


def _indexed(connection: Connection, name: str, deadline: Deadline) -> set[str]:
    return set(connection.call("list_indexes", f"list the indexes of {name}", deadline, collection_name=name))
