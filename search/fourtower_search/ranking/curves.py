"""The curves that scores and boosts are made of, each from numbers to a number, without overflow at any value."""

from __future__ import annotations

import math


def logistic(raw: float, slope: float, intercept: float) -> float:
    """The calibration's curve in double precision, so that near 1 no two scores become equal."""
    return 0.5 * (1 + math.tanh(0.5 * (slope * raw + intercept)))


def saturated(value: float, pivot: float) -> float:
    """`value / (value + pivot)`: 0 for nothing and below, one half at the pivot, towards 1 without end."""
    return 0.0 if value <= 0 else 1 / (1 + pivot / value)


def linear(value: float, lo: float, hi: float) -> float:
    """0 at `lo`, 1 at `hi`, a straight line between."""
    return min(1.0, max(0.0, (value - lo) / (hi - lo)))


def gauss(value: float, origin: float, scale: float, decay: float, offset: float) -> float:
    """1 within `offset` of the origin, `decay` at `scale` beyond that, falling as a bell does."""
    steps = _steps(value, origin, scale, offset)
    return float(decay ** (steps * steps))


def exponential(value: float, origin: float, scale: float, decay: float, offset: float) -> float:
    """The same points, falling steeply at first and with a long tail."""
    return float(decay ** _steps(value, origin, scale, offset))


def fade(value: float, origin: float, scale: float, decay: float, offset: float) -> float:
    """The same points, falling in a straight line to 0."""
    return max(0.0, 1 - (1 - decay) * _steps(value, origin, scale, offset))


def reciprocal_ranks(k: float, lists: float, *ranks: float) -> float:
    """Reciprocal rank fusion, scaled so that the first of all lists gets 1 whatever their number."""
    return (k + 1) / lists * math.fsum(1 / (k + rank) for rank in ranks)


def _steps(value: float, origin: float, scale: float, offset: float) -> float:
    """The distance from the origin, beyond the offset, in scales."""
    return max(0.0, abs(value - origin) - offset) / scale
