"""The time that one call may take, shared by all that it asks of the engine."""

from __future__ import annotations

import time

from fourtower_search.errors import IndexUnavailable


class Deadline:
    """Runs from its creation."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._end = time.monotonic() + timeout_s

    def left(self) -> float:
        """Seconds that are left, more than none.

        Raises:
            IndexUnavailable: the time is over.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise IndexUnavailable(f"The index did not get to this within {self._timeout_s:g} s; try again later.")
        return left
