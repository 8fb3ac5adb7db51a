"""Keeps HTTP connections open to be used again, each by one request at a time.

httpcore's own pool can close an idle connection in the moment in which another thread takes it: with more
threads than connections, requests then fail with "bad file descriptor". Here a connection is either idle
and in the list, or belongs to one thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpcore

Opener = Callable[[httpcore.Origin], httpcore.HTTPConnection]


class Connections:
    """At most `most` connections, busy and idle together; safe to use from many threads.

    Args:
        opener: makes a connection to an origin, which connects when it is first used.
        most: how many there may be.
    """

    def __init__(self, opener: Opener, *, most: int) -> None:
        self._opener = opener
        self._most = most
        self._slots = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._idle: list[httpcore.HTTPConnection] = []  # the one used longest ago first
        self._busy = 0
        self._closed = False

    @contextmanager
    def to(self, origin: httpcore.Origin, *, timeout_s: float) -> Iterator[httpcore.HTTPConnection]:
        """A connection for the caller alone; waits for a free place if all are busy.

        Raises:
            httpcore.PoolTimeout: none came free in time.
        """
        if not self._slots.acquire(timeout=max(timeout_s, 0.0)):
            raise httpcore.PoolTimeout(f"all {self._most} connections are busy")
        try:
            connection = self._take(origin)
            try:
                yield connection
            finally:
                self._put_back(connection)
        finally:
            self._slots.release()

    def close(self) -> None:
        """Close the idle connections now and the busy ones as they come back."""
        with self._lock:
            idle, self._idle, self._closed = self._idle, [], True
        for connection in idle:
            connection.close()

    def _take(self, origin: httpcore.Origin) -> httpcore.HTTPConnection:
        with self._lock:
            self._busy += 1
            usable = [connection for connection in self._idle if not connection.has_expired()]
            leaving = [connection for connection in self._idle if connection not in usable]
            found = next((one for one in reversed(usable) if one.can_handle_request(origin)), None)
            if found is not None:
                usable.remove(found)
            surplus = max(len(usable) + self._busy - self._most, 0)
            leaving += usable[:surplus]
            self._idle = usable[surplus:]
        for connection in leaving:
            connection.close()
        return self._opener(origin) if found is None else found

    def _put_back(self, connection: httpcore.HTTPConnection) -> None:
        with self._lock:
            self._busy -= 1
            keep = connection.is_available() and not self._closed
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()
