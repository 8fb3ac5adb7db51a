"""Times several ways of doing the same thing in turns, call by call, so that a noisy machine disturbs all alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import TypeVar

import numpy as np

T = TypeVar("T")
Sides = Mapping[str, Callable[[T], object]]
Times = dict[str, list[float]]
"""Milliseconds of each side's calls; the n-th calls of all sides were neighbours in time."""


def in_turns(sides: Sides[T], items: Sequence[T], *, calls: int, warm_up: int) -> Times:
    """Call every side with the same items, one after the other; who goes first rotates."""
    names = list(sides)
    times: Times = {name: [] for name in names}
    for number in range(-warm_up, calls):
        item = items[number % len(items)]
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            spent = _timed(sides[name], item)
            if number >= 0:
                times[name].append(spent)
    return times


def p50(milliseconds: Sequence[float]) -> float:
    """The median."""
    return float(np.percentile(milliseconds, 50))


def p95(milliseconds: Sequence[float]) -> float:
    """What 95 of 100 calls stay below."""
    return float(np.percentile(milliseconds, 95))


def _timed(call: Callable[[T], object], item: T) -> float:
    start = perf_counter()
    call(item)
    return (perf_counter() - start) * 1000
