"""A file that a working process touches, so that a probe sees from outside whether it still works."""

from __future__ import annotations

import logging
import time
from pathlib import Path

log = logging.getLogger("fourtower.heartbeat")


class Heartbeat:
    """Touches a file at most once a second.

    Args:
        path: the file; None touches nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._last = float("-inf")
        self._complained = False

    def beat(self, now: float) -> None:
        """Say that the process works; a file that can't be written is no reason to stop working.

        Args:
            now: seconds of a clock that only goes forward.
        """
        if self._path is None or now - self._last < 1:
            return
        self._last = now
        try:
            self._path.touch()
        except OSError as error:
            if not self._complained:
                log.warning("The heartbeat file %s can't be touched: %s.", self._path, error.strerror)
            self._complained = True


def age_s(path: Path) -> float:
    """Seconds since the last beat; infinite if there never was one."""
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except OSError:
        return float("inf")
