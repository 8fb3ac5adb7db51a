"""Conditions over stored columns: what a filter becomes, and the one place that renders a Milvus expression.

Missing values were given the lowest value of their type (see `columns`); whoever builds a condition says so,
nothing here knows about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scalar = str | int | float | bool
Operator = Literal["==", "!=", "<", "<=", ">", ">="]


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
    """An array column has all, or any, of these items."""

    column: str
    items: tuple[str, ...]
    need: Literal["all", "any"]


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


Condition = Compare | OneOf | Holds | Every | Some | Negated
