"""Filters as JSON: `{"must": [...], "should": [...], "must_not": [...]}` around `{"field": "price", "lt": 50}`.

Everything in `must` holds, and of `should` at least one, and nothing in `must_not`; a list that is not
given, or is empty, asks for nothing. Several comparisons in one leaf all hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, PlainValidator, Tag, ValidationError, model_validator

from fourtower_search.errors import InvalidFilter
from fourtower_search.filters.constants import Constant, constant
from fourtower_search.filters.fields import F
from fourtower_search.filters.tree import (
    AllOf,
    AnyOf,
    Between,
    Comparison,
    Contains,
    Exists,
    Filter,
    IsIn,
    Leaf,
    Matches,
    Not,
    all_of,
    any_of,
    check_size,
)
from fourtower_search.index.conditions import Operator

SIGNS: dict[str, Operator] = {"eq": "==", "ne": "!=", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_KEYS = {sign: key for key, sign in SIGNS.items()}
_NOT_GIVEN: Any = None


def _value(value: object) -> Constant:
    if isinstance(value, str | bool | int | float):
        return constant(value)
    raise ValueError(f"text, a number, true or false is expected, not {value!r:.60}")


Value = Annotated[Constant, PlainValidator(_value, json_schema_input_type=bool | int | float | str)]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class LeafForm(_Form):
    """Comparisons of one attribute."""

    field: str
    eq: Value = _NOT_GIVEN
    ne: Value = _NOT_GIVEN
    gt: Value = _NOT_GIVEN
    ge: Value = _NOT_GIVEN
    lt: Value = _NOT_GIVEN
    le: Value = _NOT_GIVEN
    is_in: list[Value] = Field(default=_NOT_GIVEN, alias="in")
    exists: bool = _NOT_GIVEN
    matches: str = _NOT_GIVEN
    contains: str = _NOT_GIVEN
    contains_all: list[str] = _NOT_GIVEN
    contains_any: list[str] = _NOT_GIVEN

    @model_validator(mode="after")
    def _compares(self) -> LeafForm:
        if self.model_fields_set == {"field"}:
            raise ValueError(f'say what to compare {self.field!r:.60} with, for example "lt": 50')
        return self

    def tree(self) -> Filter:
        """All comparisons of this leaf."""
        return all_of(*self._comparisons())

    def _comparisons(self) -> Iterator[Filter]:
        field, given = F[self.field], self.model_fields_set
        ranged = {"ge", "le"} <= given
        if ranged:
            yield field.between(self.ge, self.le)
        for key, sign in SIGNS.items():
            if key in given and not (ranged and key in ("ge", "le")):
                yield Comparison(self.field, sign, getattr(self, key))
        if "is_in" in given:
            yield field.isin(self.is_in)
        if "exists" in given:
            yield field.exists() if self.exists else ~field.exists()
        for key in ("matches", "contains", "contains_all", "contains_any"):
            if key in given:
                yield getattr(field, key)(getattr(self, key))


class GroupForm(_Form):
    """A combination of filters."""

    must: list[AnyForm] = []
    should: list[AnyForm] = []
    must_not: list[AnyForm] = []

    def tree(self) -> Filter:
        """All three lists as one filter."""
        needed = [form.tree() for form in self.must]
        needed += [any_of(*(form.tree() for form in self.should))] if self.should else []
        return all_of(*needed, *(~form.tree() for form in self.must_not))


def _shape(data: object) -> str | None:
    if isinstance(data, dict):
        return "leaf" if "field" in data else "group"
    return "leaf" if isinstance(data, LeafForm) else "group" if isinstance(data, GroupForm) else None


AnyForm = Annotated[
    Annotated[LeafForm, Tag("leaf")] | Annotated[GroupForm, Tag("group")],
    Discriminator(
        _shape,
        custom_error_type="no_filter",
        custom_error_message='an object like {"field": "price", "lt": 50} or {"must": [...]} is expected',
    ),
]


class _Whole(_Form):
    filter: AnyForm


def as_filter(value: object) -> Filter:
    """A filter as it is, or from its JSON form.

    Raises:
        InvalidFilter: it is neither, or is too big.
    """
    return value if isinstance(value, Filter) else from_json(value)


def from_json(data: object) -> Filter:
    """Read the JSON form, already parsed.

    Raises:
        InvalidFilter: it has another shape, or is too big.
    """
    try:
        where = _Whole.model_validate({"filter": data}).filter.tree()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"] if step not in ("leaf", "group"))
        raise InvalidFilter(f"{place:.80}: {first['msg'].removeprefix('Value error, ')}.") from error
    check_size(where)
    return where


def to_json(where: Filter) -> dict[str, Any]:
    """The JSON form, which reads back as an equal filter."""
    match where:
        case AllOf(filters):
            return {"must": [to_json(each) for each in filters]}
        case AnyOf(filters):
            return {"should": [to_json(each) for each in filters]}
        case Not(inner):
            return {"must_not": [to_json(inner)]}
        case Comparison() | Between() | IsIn() | Exists() | Matches() | Contains():
            return {"field": where.field, **_said(where)}
    raise TypeError(f"{type(where).__name__} is no node of a filter")


def _said(leaf: Leaf) -> dict[str, Any]:
    match leaf:
        case Comparison(_, sign, value):
            return {_KEYS[sign]: value}
        case Between(_, low, high):
            return {"ge": low, "le": high}
        case IsIn(_, values):
            return {"in": list(values)}
        case Exists():
            return {"exists": True}
        case Matches(_, text):
            return {"matches": text}
        case Contains(_, (item,), "all"):
            return {"contains": item}
        case Contains(_, items, need):
            return {f"contains_{need}": list(items)}
