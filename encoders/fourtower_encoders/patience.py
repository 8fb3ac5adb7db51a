"""Remembers which hosts keep us waiting in vain, so that one sick host does not hold up everybody else's pictures.

A host that has wasted too much time is left alone, for some times as long as it last kept us waiting; then one request
finds out whether it is well again. So it costs at most a fixed share of one thread's time, however long it is sick.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

REST = 4
"""How many times as long a host is left alone as it last kept us waiting."""
LEAST_REST_S = 1.0
MOST_HOSTS = 10_000
"""That are remembered; beyond it, those longest not asked are forgotten."""
Host = tuple[str, int]
"""Name and port."""


@dataclass
class _Memory:
    wasted_s: float = 0.0
    again_at: float | None = None
    """When it may be asked again; None: it is trusted."""
    asking: bool = False
    """One request is finding out."""


class Patience:
    """How long we waited in vain for each host; safe to use from many threads.

    Args:
        seconds: that a host may waste before it is left alone.
        clock: what time it is.
    """

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._hosts: OrderedDict[Host, _Memory] = OrderedDict()
        self._lock = threading.Lock()

    def ask(self, host: Host) -> float:
        """Whether to ask a host now: 0.0, or else the seconds after which it is worth trying again.

        Each request that was let through ends in `answered` or `failed`.
        """
        with self._lock:
            memory = self._hosts.get(host)
            if memory is None or memory.again_at is None:
                return 0.0
            left = memory.again_at - self._clock()
            if left <= 0 and not memory.asking:
                memory.asking = True
                return 0.0
            return max(left, LEAST_REST_S)

    def answered(self, host: Host) -> None:
        """It gave what was asked for; what it wasted before counts half."""
        with self._lock:
            memory = self._hosts.get(host)
            if memory is None:
                return
            memory.again_at, memory.asking = None, False
            memory.wasted_s /= 2
            if memory.wasted_s < self._seconds / 100:
                del self._hosts[host]

    def failed(self, host: Host, seconds: float) -> None:
        """It did not, and it took so long to find out."""
        with self._lock:
            memory = self._hosts.setdefault(host, _Memory())
            self._hosts.move_to_end(host)
            memory.asking = False
            memory.wasted_s = min(memory.wasted_s + seconds, self._seconds)
            if memory.wasted_s >= self._seconds:
                memory.again_at = self._clock() + max(REST * seconds, LEAST_REST_S)
            while len(self._hosts) > MOST_HOSTS:
                self._hosts.popitem(last=False)
