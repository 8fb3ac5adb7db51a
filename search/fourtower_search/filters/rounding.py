"""Between which stored numbers a number lies, so that comparisons are exact whatever the two types are."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from fourtower_search.schema import LOWEST_FLOAT, LOWEST_INT

HIGHEST_INT, HIGHEST_FLOAT = -LOWEST_INT - 1, -LOWEST_FLOAT


class Neighbours(NamedTuple):
    """The closest numbers of a column's type; equal where the type has the number itself."""

    below: int | float
    above: int | float


def neighbours(value: int | float, kind: Literal["int", "float"]) -> Neighbours | None:
    """The neighbours of a finite number; None: it lies outside of what a column can hold."""
    return _whole(value) if kind == "int" else _real(value)


def _whole(value: int | float) -> Neighbours | None:
    # Python compares whole numbers with fractions exactly, beyond 2**53 too.
    if not LOWEST_INT < value <= HIGHEST_INT:
        return None
    return Neighbours(math.floor(value), math.ceil(value))


def _real(value: int | float) -> Neighbours | None:
    if not LOWEST_FLOAT < value <= HIGHEST_FLOAT:
        return None
    nearest = float(value)
    if nearest == value:
        return Neighbours(nearest + 0.0, nearest + 0.0)
    if nearest < value:
        return Neighbours(nearest, math.nextafter(nearest, math.inf))
    return Neighbours(math.nextafter(nearest, -math.inf), nearest)
