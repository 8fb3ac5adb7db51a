"""A lock among the processes that share a device: one encodes while the others fetch and decode.

The kernel lets go of it when its holder dies, however that dies.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fourtower_encoders.errors import EncoderError

PAUSE_S = 0.0005
"""Between two looks at a lock that is taken: what the device may stand idle at each change of hands."""


class EncoderBusy(EncoderError):
    """Another process has held the device for too long: try again later."""


class EncodingLock:
    """One process's handle of the lock; threads may share it."""

    def __init__(self, path: Path, *, timeout_s: float) -> None:
        """Open the lock.

        Args:
            path: a file that all processes name; it is made where it is missing.
            timeout_s: how long to wait for a turn: less than the time that a batch may take, so that those who wait
                for a child that hangs are not taken for hanging themselves.
        """
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._threads = threading.Lock()
        self._timeout_s = timeout_s

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait for the turn, and have it.

        Raises:
            EncoderBusy: it did not come in time.
        """
        end = time.monotonic() + self._timeout_s
        if not self._threads.acquire(timeout=self._timeout_s):
            raise self._busy()
        try:
            self._lock(end)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
        finally:
            self._threads.release()

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def _lock(self, end: float) -> None:
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise self._busy() from None
                time.sleep(PAUSE_S)
            else:
                return

    def _busy(self) -> EncoderBusy:
        return EncoderBusy(
            f"Another child has encoded for more than {self._timeout_s:g} s without an end; "
            "if this goes on, restart the worker and look at its device."
        )
