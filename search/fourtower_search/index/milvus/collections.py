"""Creates the collection of an index, and verifies one that is there; what exists is never altered."""

from __future__ import annotations

from fourtower_search.errors import IndexMismatch, SearchError
from fourtower_search.index.deadline import Deadline
from fourtower_search.index.milvus.connection import Connection
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
        Unsupported: the server can't do what the settings ask for.
    """
    check_possible(shape.settings, connection.features)
    if not exists(connection, name, deadline):
        fields = fields_of(shape, lexical=connection.features.lexical)
        try:
            connection.create_collection(name, fields, deadline, shards=shape.settings.shards)
        except SearchError:
            if not exists(connection, name, deadline):  # else somebody was faster
                raise
    lexical = _check_columns(connection, name, shape, deadline)
    present = _indexed(connection, name, deadline)
    for column, params in indexes_of(shape, connection.features, lexical=lexical).items():
        if column not in present:
            connection.create_index(name, column, params, deadline)


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
