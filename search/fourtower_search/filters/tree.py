"""The tree that every form of a filter becomes; it knows names and values, but no catalog.

Nodes are immutable, and a node's representation is the Python that builds it.
"""

from __future__ import annotations

import keyword
from dataclasses import dataclass
from typing import Literal, NoReturn

from fourtower_search.errors import InvalidFilter
from fourtower_search.filters.constants import Constant
from fourtower_search.index.conditions import Operator

Need = Literal["all", "any"]

MAX_DEPTH = 10
"""Levels of and, or and not inside each other."""
MAX_LEAVES = 200
"""Engines take time that grows with the square of a long `or`."""
MAX_VALUES, MAX_IDS = 1_000, 10_000
"""Values of one list; of product ids, and of all lists together."""


class Filter:
    """What is true or false of a product. Combine filters with `&`, `|` and `~`."""

    __slots__ = ()

    def __and__(self, other: Filter) -> Filter:
        return all_of(self, other) if isinstance(other, Filter) else NotImplemented

    def __or__(self, other: Filter) -> Filter:
        return any_of(self, other) if isinstance(other, Filter) else NotImplemented

    def __invert__(self) -> Filter:
        return self.filter if isinstance(self, Not) else Not(self)

    def __bool__(self) -> NoReturn:
        raise InvalidFilter(
            "A filter is neither true nor false before it meets a product: combine filters with &, | and ~, each "
            "comparison in parentheses, instead of `and`, `or`, `not`; write F.price.between(10, 50), not "
            "10 < F.price < 50; and test for a missing filter with `is None`."
        )


@dataclass(frozen=True, slots=True, repr=False)
class Comparison(Filter):
    """An attribute against one value."""

    field: str
    operator: Operator
    value: Constant

    def __repr__(self) -> str:
        return f"{_name(self.field)} {self.operator} {self.value!r}"


@dataclass(frozen=True, slots=True, repr=False)
class Between(Filter):
    """An attribute lies in a range, its ends included."""

    field: str
    low: Constant
    high: Constant

    def __repr__(self) -> str:
        return f"{_name(self.field)}.between({self.low!r}, {self.high!r})"


@dataclass(frozen=True, slots=True, repr=False)
class IsIn(Filter):
    """An attribute equals one of these values."""

    field: str
    values: tuple[Constant, ...]

    def __repr__(self) -> str:
        return f"{_name(self.field)}.isin({list(self.values)!r})"


@dataclass(frozen=True, slots=True, repr=False)
class Exists(Filter):
    """A product has this attribute."""

    field: str

    def __repr__(self) -> str:
        return f"{_name(self.field)}.exists()"


@dataclass(frozen=True, slots=True, repr=False)
class Matches(Filter):
    """A text has all of these words."""

    field: str
    text: str

    def __repr__(self) -> str:
        return f"{_name(self.field)}.matches({self.text!r})"


@dataclass(frozen=True, slots=True, repr=False)
class Contains(Filter):
    """An attribute of several strings has all, or any, of these."""

    field: str
    items: tuple[str, ...]
    need: Need

    def __repr__(self) -> str:
        if len(self.items) == 1 and self.need == "all":
            return f"{_name(self.field)}.contains({self.items[0]!r})"
        return f"{_name(self.field)}.contains_{self.need}({list(self.items)!r})"


@dataclass(frozen=True, slots=True, repr=False)
class AllOf(Filter):
    """Every one of these, at least two; made by `all_of` or `&`."""

    filters: tuple[Filter, ...]

    def __repr__(self) -> str:
        return " & ".join(map(_operand, self.filters))


@dataclass(frozen=True, slots=True, repr=False)
class AnyOf(Filter):
    """At least one of these, which are at least two; made by `any_of` or `|`."""

    filters: tuple[Filter, ...]

    def __repr__(self) -> str:
        return " | ".join(map(_operand, self.filters))


@dataclass(frozen=True, slots=True, repr=False)
class Not(Filter):
    """The Boolean complement; made by `~`."""

    filter: Filter

    def __repr__(self) -> str:
        return f"~{_operand(self.filter)}"


Leaf = Comparison | Between | IsIn | Exists | Matches | Contains


def all_of(*filters: Filter) -> Filter:
    """All of these filters, without needless levels."""
    return _joined(AllOf, filters)


def any_of(*filters: Filter) -> Filter:
    """At least one of these filters, without needless levels."""
    return _joined(AnyOf, filters)


def check_size(where: Filter) -> None:
    """Refuse what would keep an engine busy for too long.

    Raises:
        InvalidFilter: too many levels, comparisons or values.
    """
    leaves = values = 0
    waiting = [(where, 0)]
    while waiting:
        node, depth = waiting.pop()
        inner = _inner(node)
        if depth + bool(inner) > MAX_DEPTH:
            raise InvalidFilter(f"The filter has more than {MAX_DEPTH} levels of and, or and not; write it flatter.")
        waiting += [(each, depth + 1) for each in inner]
        leaves += not inner
        values += _checked_length(node)
        if leaves > MAX_LEAVES:
            raise InvalidFilter(f"The filter makes more than {MAX_LEAVES} comparisons; use isin for many values.")
        if values > MAX_IDS:
            raise InvalidFilter(f"The lists of the filter hold more than {MAX_IDS:,} values.")


def _joined(kind: type[AllOf] | type[AnyOf], filters: tuple[Filter, ...]) -> Filter:
    flat = tuple(part for one in filters for part in (one.filters if isinstance(one, kind) else (one,)))
    if not flat:
        raise InvalidFilter("An empty filter says nothing; leave it out.")
    return flat[0] if len(flat) == 1 else kind(flat)


def _inner(node: Filter) -> tuple[Filter, ...]:
    if isinstance(node, AllOf | AnyOf):
        return node.filters
    return (node.filter,) if isinstance(node, Not) else ()


def _checked_length(node: Filter) -> int:
    """How many values a node lists."""
    if not isinstance(node, IsIn | Contains):
        return 0
    listed = len(node.values if isinstance(node, IsIn) else node.items)
    limit = MAX_IDS if node.field == "product_id" else MAX_VALUES
    if listed > limit:
        raise InvalidFilter(f"{node.field} is compared with {listed:,} values; {limit:,} are possible in one list.")
    return listed


def _name(field: str) -> str:
    simple = field.isascii() and field.isidentifier() and not field.startswith("_") and not keyword.iskeyword(field)
    return f"F.{field}" if simple else f"F[{field!r}]"


def _operand(part: Filter) -> str:
    """Comparisons and combinations bind less tightly than `&`, `|` and `~`."""
    return f"({part!r})" if isinstance(part, Comparison | AllOf | AnyOf) else repr(part)
