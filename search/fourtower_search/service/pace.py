"""How long searches and other calls take lately, alone and under load, and so how much may wait."""

from __future__ import annotations

import math
from collections import deque
from statistics import median

SEARCH = "search"
"""The kind of what is answered in batches."""
REMEMBERED = 65
NEWEST = 0.2
"""The share that the latest run has in what a run is expected to take."""
PATIENCE = 4.0
"""While more comes than can be answered: in how many times the unloaded time a search is answered, or refused."""
BATCH_PATIENCE = 2.0
"""How much of that the batch itself may take."""
LEAST_WAIT_S = 0.01
"""Shorter waits are noise."""


class Pace:
    """Estimates from recent runs. Who uses it sees to it that one thread does at a time."""

    def __init__(self) -> None:
        self._item_s: dict[str, float] = {}
        self._lone: deque[float] = deque(maxlen=REMEMBERED)
        self._any: deque[float] = deque(maxlen=REMEMBERED)

    def saw(self, kind: str, items: int, seconds: float, *, lone: bool) -> None:
        """Note a run of so many items; `lone` says that it was a single search and nothing else ran or waited."""
        before = self._item_s.get(kind, seconds / items)
        self._item_s[kind] = before + NEWEST * (seconds / items - before)
        if kind == SEARCH:
            self._any.append(seconds)
            if lone:
                self._lone.append(seconds)

    def item_s(self, kind: str) -> float:
        """Seconds that a thread needs for an item of this kind now, in a batch as large as they are now; 0: unknown."""
        return self._item_s.get(kind, 0.0)

    @property
    def unloaded_s(self) -> float | None:
        """What a search takes that is alone; None before there was one."""
        return min(median(self._lone), median(self._any)) if self._lone else None

    def largest(self, batch: int) -> int:
        """How many searches to answer together while each second counts, `batch` at most."""
        unloaded_s, item_s = self.unloaded_s, self.item_s(SEARCH)
        return (
            batch
            if unloaded_s is None or item_s <= 0
            else max(1, min(batch, int(BATCH_PATIENCE * unloaded_s / item_s)))
        )

    def bearable_s(self, batch: int) -> float:
        """How long a search may wait while each second counts; for ever where nothing is known yet."""
        if (unloaded_s := self.unloaded_s) is None:
            return math.inf
        own_s = self.item_s(SEARCH) * self.largest(batch)
        return max(PATIENCE * unloaded_s - own_s, unloaded_s, LEAST_WAIT_S)


class Pressure:
    """Whether more comes than can be answered.

    As long as nobody has to be turned away, a queue only works off a burst and may be long. Once the queue is
    full, waiting helps nobody: however long it is, it stays full, and everybody waits. From then on until less
    comes than could be answered, only as many are let in as are answered quickly.
    """

    WINDOW_S = 1.0
    CALM = 0.9
    """The share of what can be done, below which a second counts as calm."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._costs: dict[str, float] = {}
        self._since, self._came_s = 0.0, 0.0
        self.high = False

    def arrived(self, kind: str, items: int, pace: Pace, now: float) -> None:
        """Note what came, whether or not it is let in."""
        if not self.high:
            return
        if now - self._since >= self.WINDOW_S:
            self.high = self._came_s >= self.CALM * self._threads * (now - self._since)
            self._since, self._came_s = now, 0.0
        self._came_s += items * self._costs.setdefault(kind, pace.item_s(kind))

    def overflowed(self, pace: Pace, now: float) -> None:
        """Note that the queue could not take somebody; what runs took then, in full batches, is what can be done."""
        if not self.high:
            self.high, self._since, self._came_s = True, now, 0.0
            self._costs = {SEARCH: pace.item_s(SEARCH)}
