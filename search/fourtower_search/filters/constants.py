"""What a filter may compare with: strings, numbers, truth values, and points in time as RFC 3339 text."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from numbers import Integral, Real

from fourtower_search.errors import InvalidFilter

Constant = str | int | float | bool


def constant(value: object) -> Constant:
    """A value as filters keep it, of a plain type.

    Raises:
        InvalidFilter: it is of another type, not finite, or a time without its zone.
    """
    if isinstance(value, str):
        return text(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return _finite(value)
    if isinstance(value, datetime):
        return _moment(value)
    if value is None:
        raise InvalidFilter("Nothing compares with None; ask for a missing attribute with ~F.name.exists().")
    raise InvalidFilter(f"A filter compares with text, numbers, True, False and datetimes, not with {value!r:.60}.")


def constants(values: Iterable[object]) -> tuple[Constant, ...]:
    """Several values; a single string is none of its letters."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise InvalidFilter(f'A list of values is expected, like ["a", "b"], not {values!r:.60}.')
    return tuple(constant(value) for value in values)


def text(value: object) -> str:
    """A string that an index could hold."""
    if not isinstance(value, str):
        raise InvalidFilter(f"Text is expected, not {value!r:.60}.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidFilter(f"{value!r:.60} holds half a character (a lone surrogate), which is no text.") from None
    if "\x00" in value:
        raise InvalidFilter(f"{value!r:.60} holds a NUL character, which no index stores.")
    return str(value)


def texts(values: Iterable[object]) -> tuple[str, ...]:
    """Several strings."""
    return tuple(text(value) for value in constants(values))


def _finite(value: Real) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InvalidFilter(f"A filter compares with finite numbers, not with {value!r:.60}.")
    return number + 0.0  # -0.0 becomes 0.0


def _moment(value: datetime) -> str:
    if value.tzinfo is None:
        raise InvalidFilter(f"{value!r:.60} has no zone; write datetime(..., tzinfo=timezone.utc).")
    return value.isoformat()
