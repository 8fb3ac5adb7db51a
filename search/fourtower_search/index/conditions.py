"""Conditions over stored columns: what a filter becomes, and what they say of a row held in memory.

Missing values were given the lowest value of their type (see `columns`); whoever builds a condition says so,
nothing here knows about it. `expression` renders conditions for Milvus.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Scalar = str | int | float | bool
Operator = Literal["==", "!=", "<", "<=", ">", ">="]

COMPARISONS: dict[Operator, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
"""Strings compare by code point; every engine does so too."""


@dataclass(frozen=True, slots=True)
class Compare:
    """A column against one value."""

    column: str
    operator: Operator
    value: Scalar


@dataclass(frozen=True, slots=True)
class OneOf:
    """A column equals one of these values; nothing equals one of none."""

    column: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Holds:
    """An array column has all, or any, of these items; every array has all of none."""

    column: str
    items: tuple[str, ...]
    need: Literal["all", "any"]


@dataclass(frozen=True, slots=True)
class HasItems:
    """An array column is not empty."""

    column: str


@dataclass(frozen=True, slots=True)
class Every:
    """All of these; true of none."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of these; false of none."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Negated:
    """The Boolean complement."""

    condition: Condition


Condition = Compare | OneOf | Holds | HasItems | Every | Some | Negated


def holds(condition: Condition, columns: Mapping[str, Any]) -> bool:
    """Whether a condition is true of a row, given as `columns.to_columns` has it."""
    match condition:
        case Compare(column, sign, value):
            return COMPARISONS[sign](columns[column], value)
        case OneOf(column, values):
            return columns[column] in values
        case Holds(column, items, need):
            present = (item in columns[column] for item in items)
            return all(present) if need == "all" else any(present)
        case HasItems(column):
            return len(columns[column]) > 0
        case Every(conditions):
            return all(holds(one, columns) for one in conditions)
        case Some(conditions):
            return any(holds(one, columns) for one in conditions)
        case Negated(negated):
            return not holds(negated, columns)
