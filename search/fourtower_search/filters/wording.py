"""Says filters as the text that `where` reads."""

from __future__ import annotations

import json

from fourtower_search.filters.constants import Constant
from fourtower_search.filters.tokens import KEYWORDS
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
)


def to_text(where: Filter) -> str:
    """The text form, which reads back as an equal filter."""
    match where:
        case AllOf(filters):
            return " and ".join(map(_operand, filters))
        case AnyOf(filters):
            return " or ".join(map(_operand, filters))
        case Not(inner):
            return f"not {_operand(inner)}"
        case Comparison() | Between() | IsIn() | Exists() | Matches() | Contains():
            return f"{_name(where.field)} {_said(where)}"
    raise TypeError(f"{type(where).__name__} is no node of a filter")


def _said(leaf: Leaf) -> str:
    match leaf:
        case Comparison(_, sign, value):
            return f"{sign} {_value(value)}"
        case Between(_, low, high):
            return f"between {_value(low)} and {_value(high)}"
        case IsIn(_, values):
            return f"in {_list(values)}"
        case Exists():
            return "exists"
        case Matches(_, words):
            return f"matches {_value(words)}"
        case Contains(_, (item,), "all"):
            return f"contains {_value(item)}"
        case Contains(_, items, need):
            return f"contains {need} {_list(items)}"


def _operand(part: Filter) -> str:
    return f"({to_text(part)})" if isinstance(part, AllOf | AnyOf) else to_text(part)


def _name(field: str) -> str:
    return f"`{field}`" if field.lower() in KEYWORDS or not field.isidentifier() else field


def _value(value: Constant) -> str:
    return json.dumps(value, ensure_ascii=False)


def _list(values: tuple[Constant, ...]) -> str:
    return f"({', '.join(map(_value, values))})"
