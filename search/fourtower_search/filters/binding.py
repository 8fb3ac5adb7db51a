"""Binds a filter to a catalog: checks names and types, and says the same of stored columns.

A missing attribute matches no comparison, not even `!=`. Columns hold the lowest value of their type where an
attribute is missing (see `index.columns`), so only comparisons from above must leave it out.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, NamedTuple

from fourtower_search.errors import InvalidCatalog, InvalidFilter
from fourtower_search.filters.constants import Constant, text
from fourtower_search.filters.rounding import Neighbours, neighbours
from fourtower_search.filters.tree import (
    AllOf,
    AnyOf,
    Between,
    Comparison,
    Contains,
    Exists,
    Filter,
    IsIn,
    Matches,
    Not,
    check_size,
)
from fourtower_search.index.columns import (
    MISSING,
    OTHER_COLUMNS,
    STATE_COLUMNS,
    attribute_column,
    words_column,
    words_of,
)
from fourtower_search.index.conditions import (
    Compare,
    Condition,
    Every,
    HasItems,
    Holds,
    Negated,
    OneOf,
    Operator,
    Some,
)
from fourtower_search.schema import Attribute, CatalogSchema, as_milliseconds

BUILT_IN = {
    "product_id": Attribute(type="string", required=True, max_length=STATE_COLUMNS["product_id"].size),
    "group_id": Attribute(type="string", max_length=OTHER_COLUMNS["group_id"].size),
}
"""Fields that every catalog has and that compare like attributes; `title` only matches words."""
NEVER = Some(())


class Operand(NamedTuple):
    """An attribute and where it is stored."""

    name: str
    column: str
    attribute: Attribute

    @property
    def present(self) -> Condition:
        """The attribute is not missing."""
        if self.attribute.type == "strings":
            return HasItems(self.column)
        return Compare(self.column, ">", MISSING[self.attribute.type])


def bind(where: Filter, schema: CatalogSchema) -> Condition:
    """What a filter says of stored columns.

    Raises:
        InvalidFilter: an unknown attribute, a value of another type, or a filter that is too big.
    """
    if not isinstance(where, Filter):
        raise InvalidFilter(f"{where!r:.60} is no filter; write one like (F.price < 50) & F.brand.exists().")
    check_size(where)
    return _bound(where, schema)


def _bound(where: Filter, schema: CatalogSchema) -> Condition:
    match where:
        case AllOf(filters):
            return Every(tuple(_bound(each, schema) for each in filters))
        case AnyOf(filters):
            return Some(tuple(_bound(each, schema) for each in filters))
        case Not(inner):
            return Negated(_bound(inner, schema))
        case Matches(field, sought):
            return _matches(field, sought, schema)
        case Contains(field):
            return _contains(where, _operand(field, schema))
        case Exists(field):
            return _operand(field, schema).present
        case Comparison(field, sign, value):
            return _compare(_operand(field, schema), sign, value)
        case Between(field, low, high):
            operand = _operand(field, schema)
            return Every((_compare(operand, ">=", low), _compare(operand, "<=", high)))
        case IsIn(field, values):
            return _one_of(_operand(field, schema), values)
    raise TypeError(f"{type(where).__name__} is no node of a filter")


def _operand(name: str, schema: CatalogSchema) -> Operand:
    if name in BUILT_IN:
        return Operand(name, name, BUILT_IN[name])
    if name == "title":
        raise InvalidFilter('A title is matched by its words only: F.title.matches("red leather").')
    attribute = _attribute(name, schema)
    if not attribute.filterable:
        raise InvalidFilter(f"{name} is declared with filterable = false in catalog.toml; no filter can use it.")
    return Operand(name, attribute_column(name), attribute)


def _attribute(name: str, schema: CatalogSchema) -> Attribute:
    if found := schema.attributes.get(name):
        return found
    known = [*BUILT_IN, "title", *schema.attributes]
    closest = get_close_matches(name.lower(), known, n=3, cutoff=0.6)
    ordered = [*closest, *sorted(set(known) - set(closest))]
    raise InvalidFilter(f"The catalog has no attribute {name!r:.70}; it has {', '.join(ordered)}.")


def _compare(operand: Operand, sign: Operator, value: Constant) -> Condition:
    match operand.attribute.type:
        case "strings":
            raise InvalidFilter(
                f'{operand.name} holds several strings; use F.{operand.name}.contains("..."), '
                f"contains_all or contains_any."
            )
        case "bool":
            return _compare_truth(operand, sign, value)
        case "int" | "float":
            return _compare_number(operand, sign, _near(operand, value))
        case _:
            return _against(operand, sign, _stored(operand, value))


def _against(operand: Operand, sign: Operator, value: Any) -> Condition:
    """A stored value on the right; the lowest one means missing."""
    condition = Compare(operand.column, sign, value)
    return Every((condition, operand.present)) if sign in ("!=", "<", "<=") else condition


def _compare_truth(operand: Operand, sign: Operator, value: Constant) -> Condition:
    if sign not in ("==", "!="):
        raise InvalidFilter(f"{operand.name} is true or false; it compares with == and != only, not with {sign}.")
    wanted = _stored(operand, value) == (sign == "==")
    return Compare(operand.column, "==", int(wanted))


def _compare_number(operand: Operand, sign: Operator, value: Neighbours) -> Condition:
    """As Python compares numbers, whatever the column's type: `stock < 10.5` is `stock < 11`."""
    if value.below != value.above and sign in ("==", "!="):
        return NEVER if sign == "==" else operand.present
    return _against(operand, sign, value.above if sign in ("<", ">=") else value.below)


def _one_of(operand: Operand, values: tuple[Constant, ...]) -> Condition:
    match operand.attribute.type:
        case "strings":
            return _compare(operand, "==", "")  # raises
        case "int" | "float":
            near = [_near(operand, value) for value in values]
            return OneOf(operand.column, tuple(each.below for each in near if each.below == each.above))
        case _:
            return OneOf(operand.column, tuple(_stored(operand, value) for value in values))


def _contains(where: Contains, operand: Operand) -> Condition:
    if operand.attribute.type != "strings":
        raise InvalidFilter(f"{operand.name} is {operand.attribute.type}; only attributes of several strings contain.")
    for item in where.items:
        _check_length(operand, item)
    if not where.items:
        return operand.present if where.need == "all" else NEVER
    return Holds(operand.column, where.items, where.need)


def _matches(name: str, sought: str, schema: CatalogSchema) -> Condition:
    if name != "title" and not (BUILT_IN.get(name) or _attribute(name, schema)).searchable:
        raise InvalidFilter(f"The words of {name} can't be matched; declare it with searchable = true in catalog.toml.")
    words = words_of(text(sought))
    if not words:
        raise InvalidFilter(f"{sought!r:.60} has no word that {name} could match.")
    return Holds(words_column(name), words, "all")


def _near(operand: Operand, value: Constant) -> Neighbours:
    if isinstance(value, str | bool):
        raise _wrong_type(operand, value)
    found = neighbours(value, "int" if operand.attribute.type == "int" else "float")
    if found is None:
        raise InvalidFilter(f"{operand.name} is compared with {value!r:.60}, which does not fit 64 bits.")
    return found


def _stored(operand: Operand, value: Constant) -> Any:
    """A string, truth value or time in stored form."""
    match operand.attribute.type, value:
        case "bool", bool():
            return int(value)
        case "string", str():
            return _text(operand, value)
        case "time", str():
            return _milliseconds(operand, value)
    raise _wrong_type(operand, value)


def _text(operand: Operand, value: str) -> str:
    if not value:
        raise InvalidFilter(
            f"{operand.name} is never an empty string; ask for products without it with ~F.{operand.name}.exists()."
        )
    _check_length(operand, value)
    return value


def _check_length(operand: Operand, value: str) -> None:
    size, longest = len(text(value).encode()), operand.attribute.max_length
    if size > longest:
        raise InvalidFilter(f"{operand.name} is compared with {size:,} bytes of text; it has at most {longest:,}.")


def _milliseconds(operand: Operand, value: str) -> int:
    try:
        return as_milliseconds(operand.name, value)
    except InvalidCatalog as error:
        raise InvalidFilter(str(error)) from error


def _wrong_type(operand: Operand, value: Constant) -> InvalidFilter:
    return InvalidFilter(f"{operand.name} is {operand.attribute.type} and can't be compared with {value!r:.60}.")
