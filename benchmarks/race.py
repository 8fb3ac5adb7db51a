"""Times two ways of doing the same work in turns, so that a noisy machine disturbs both alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any

Work = Callable[[], object]
Turn = Callable[[], float]
"""Does one round's work and returns its seconds."""


@dataclass(frozen=True)
class Race:
    """Seconds that each side took for the same number of things, round by round."""

    items: int
    ours_s: list[float] = field(default_factory=list)
    bare_s: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """Our speed as a share of the bare one, by round: each compares neighbours in time."""
        return [bare / ours for ours, bare in zip(self.ours_s, self.bare_s, strict=True)]

    @property
    def ratio(self) -> float:
        """The median round."""
        return median(self.ratios)

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest ratio of a round."""
        return min(self.ratios), max(self.ratios)

    @property
    def ours_per_s(self) -> float:
        """Ours in the median round."""
        return self.items / median(self.ours_s)

    @property
    def bare_per_s(self) -> float:
        """The bare side's in the median round."""
        return self.items / median(self.bare_s)

    def details(self) -> dict[str, Any]:
        """For the result file."""
        return {
            "items": self.items,
            "ours_per_s": self.ours_per_s,
            "bare_per_s": self.bare_per_s,
            "ratio": self.ratio,
            "ratios": self.ratios,
        }

    def run(self, ours: Turn, bare: Turn) -> None:
        """One more round; who goes first alternates."""
        turns = [(ours, self.ours_s), (bare, self.bare_s)]
        for work, seconds in turns if len(self.ours_s) % 2 == 0 else turns[::-1]:
            seconds.append(work())


def race(ours: Work, bare: Work, *, items: int, rounds: int) -> Race:
    """Run both once untimed, then `rounds` times each."""
    return in_turns(items, partial(_timed, ours), partial(_timed, bare), rounds)


def in_turns(items: int, ours: Turn, bare: Turn, rounds: int) -> Race:
    """The same for work that says itself how long it took."""
    ours(), bare()
    result = Race(items)
    for _ in range(rounds):
        result.run(ours, bare)
    return result


def _timed(work: Work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
