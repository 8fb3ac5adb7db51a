"""How a request holds a filter: as a tree, in whatever form it came."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator

from fourtower_search.filters import Filter, as_filter, from_text, to_json
from fourtower_search.filters.json_form import GroupForm, LeafForm

WhereForm = GroupForm | LeafForm | str | None


def as_where(value: Any) -> Filter:
    """A filter as it is, or from its JSON form or its text.

    Raises:
        InvalidFilter: it is none of these.
    """
    return from_text(value) if isinstance(value, str) else as_filter(value)


def _optional(value: Any) -> Filter | None:
    return None if value is None else as_where(value)


def _json(value: Filter | None) -> dict[str, Any] | None:
    return None if value is None else to_json(value)


Where = Annotated[Filter, PlainValidator(as_where, json_schema_input_type=WhereForm), PlainSerializer(_json)]
OptionalWhere = Annotated[
    Filter | None, PlainValidator(_optional, json_schema_input_type=WhereForm), PlainSerializer(_json)
]
