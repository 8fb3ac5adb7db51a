"""Renders conditions as Milvus expressions: the one place where a value becomes part of an expression.

What both engines, the server (checked on 2.3.5) and Milvus Lite (3.2.2), were found to read alike decides the form:
neither takes values apart from the expression, Lite knows only the escapes for quotes, backslash, newline,
carriage return and tab, and the server knows neither `true` alone, nor the lowest 64-bit integer, nor `>` of a length.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from fourtower_search.errors import InvalidFilter
from fourtower_search.index.conditions import (
    Compare,
    Condition,
    Every,
    HasItems,
    Holds,
    Negated,
    OneOf,
    Scalar,
    Some,
)
from fourtower_search.schema import LOWEST_INT

ALWAYS, NEVER = 'key != ""', 'key == ""'
"""Every row has a key."""
_COLUMN = re.compile(r"[a-z][a-z0-9_]*")
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"})
_NOT_ASCII = re.compile(r"[^\x20-\x7e]")


def expression(condition: Condition, *, ascii_only: bool = False) -> str:
    r"""A condition as Milvus reads it.

    Args:
        condition: over stored columns.
        ascii_only: write `\u65e5` for 日. Right for servers: newer ones garble a rare Chinese character (beyond U+FFFF)
            that is written as itself. Wrong for Milvus Lite, which doesn't know such escapes and says so.

    Raises:
        InvalidFilter: a value that no expression can hold.
    """
    return _Renderer(ascii_only).render(condition)


class _Renderer:
    def __init__(self, ascii_only: bool) -> None:
        self._ascii_only = ascii_only

    def render(self, condition: Condition) -> str:
        match condition:
            case Compare():
                return self._compare(condition)
            case OneOf():
                return self._one_of(condition)
            case Holds():
                return self._holds(condition)
            case HasItems(column):
                return f"array_length({_name(column)}) != 0"
            case Every(conditions):
                return self._joined(" and ", conditions, if_none=ALWAYS)
            case Some(conditions):
                return self._joined(" or ", conditions, if_none=NEVER)
            case Negated(negated):
                return f"not ({self.render(negated)})"

    def _compare(self, condition: Compare) -> str:
        column = _name(condition.column)
        if condition.value == LOWEST_INT and isinstance(condition.value, int):
            return _against_lowest(column)[condition.operator]
        return f"{column} {condition.operator} {self._value(condition.value)}"

    def _one_of(self, condition: OneOf) -> str:
        column = _name(condition.column)
        usual = [value for value in condition.values if value != LOWEST_INT or not isinstance(value, int)]
        if len(usual) < len(condition.values):
            return f"({_against_lowest(column)['==']} or {self._one_of(OneOf(column, tuple(usual)))})"
        return f"{column} in {self._list(usual)}" if usual else NEVER

    def _holds(self, condition: Holds) -> str:
        if not condition.items:
            return ALWAYS if condition.need == "all" else NEVER
        return f"array_contains_{condition.need}({_name(condition.column)}, {self._list(condition.items)})"

    def _joined(self, word: str, conditions: Iterable[Condition], *, if_none: str) -> str:
        return word.join(f"({self.render(each)})" for each in conditions) or if_none

    def _list(self, values: Iterable[Scalar]) -> str:
        return f"[{', '.join(map(self._value, values))}]"

    def _value(self, value: Scalar) -> str:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidFilter(f"{value} is no number that a filter can compare with.")
        if isinstance(value, int) and not LOWEST_INT < value < -LOWEST_INT:
            raise InvalidFilter(f"{value} does not fit 64 bits.")
        return repr(value)

    def _text(self, value: str) -> str:
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise InvalidFilter(f"{value!r:.60} holds NUL or half a character, which no index stores.")
        escaped = value.translate(_ESCAPES)
        return f'"{_NOT_ASCII.sub(_code, escaped) if self._ascii_only else escaped}"'


def _code(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _against_lowest(column: str) -> dict[str, str]:
    """Comparisons with the lowest integer, which a server can't read, said with the next one."""
    above, lowest = f"{column} >= {LOWEST_INT + 1}", f"{column} < {LOWEST_INT + 1}"
    return {"==": lowest, "<=": lowest, "!=": above, ">": above, "<": NEVER, ">=": ALWAYS}


def _name(column: str) -> str:
    if not _COLUMN.fullmatch(column):
        raise InvalidFilter(f"{column!r:.60} is no column.")
    return column
