"""Keeps to a number of products per second."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """Holds back so that a rate is kept on average, without bursts after a pause.

    Args:
        rate: per second; 0 holds nothing back.
        clock: seconds that only go forward.
        sleep: waits so many of them.
    """

    def __init__(
        self,
        rate: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._step = 1 / rate if rate > 0 else 0.0
        self._clock, self._sleep = clock, sleep
        self._free_at = clock()

    def wait(self, count: int) -> None:
        """Wait until the earlier ones have had their time; these have theirs afterwards."""
        left = self._free_at - self._clock()
        if self._step and left > 0:
            self._sleep(left)
        self._book(count)

    def admits(self, count: int) -> bool:
        """Whether so many may go now, without waiting; if so, they count."""
        if self._step and self._free_at > self._clock():
            return False
        self._book(count)
        return True

    def _book(self, count: int) -> None:
        self._free_at = max(self._free_at, self._clock()) + count * self._step
