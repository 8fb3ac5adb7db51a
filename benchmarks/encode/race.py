"""Times two ways of doing the same work in turns, so that a noisy machine disturbs both alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

Work = Callable[[], object]


@dataclass(frozen=True)
class Race:
    """Seconds that each side took for the same number of pictures, round by round."""

    items: int
    ours_s: list[float]
    bare_s: list[float]

    @property
    def ratio(self) -> float:
        """Our speed as a share of the bare one: the median over rounds, each of which compares neighbours in time."""
        return median(self._ratios)

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest ratio of a round."""
        return min(self._ratios), max(self._ratios)

    @property
    def ours_per_s(self) -> float:
        """Our pictures per second, median round."""
        return self.items / median(self.ours_s)

    @property
    def bare_per_s(self) -> float:
        """The bare side's pictures per second, median round."""
        return self.items / median(self.bare_s)

    @property
    def _ratios(self) -> list[float]:
        return [bare / ours for ours, bare in zip(self.ours_s, self.bare_s, strict=True)]


def race(ours: Work, bare: Work, *, items: int, rounds: int) -> Race:
    """Run both once untimed, then `rounds` times each; who goes first alternates."""
    ours(), bare()
    result = Race(items, [], [])
    for number in range(rounds):
        turns = [(ours, result.ours_s), (bare, result.bare_s)]
        for work, seconds in turns if number % 2 == 0 else reversed(turns):
            seconds.append(_timed(work))
    return result


def _timed(work: Work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
