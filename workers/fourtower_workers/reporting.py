"""Tells the ingester what became of its attempts, through Redis, without ever holding up the work.

A report that can't be delivered in time is dropped: the ingester's deadlines find what it would have said.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from fourtower_ingest.logs import fields
from fourtower_ingest.redis_client import STREAM_TTL_S
from fourtower_ingest.wire import Done, Lost, Started, Written, stream_name

if TYPE_CHECKING:
    from redis import Redis

log = logging.getLogger("fourtower.worker.reporting")

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0


class _Report(NamedTuple):
    stream: str
    message: Started | Written | Done | Lost
    deadline: float


class Reporter:
    """Delivers reports in their order, from one thread of its own.

    Args:
        connect: gives a client of Redis; called in that thread.
        prefix: what our keys begin with; a task may name no other stream than an ingester's.
        timeout_s: how long one report is tried.
    """

    def __init__(self, connect: Callable[[], Redis], *, prefix: str, timeout_s: float) -> None:
        self._connect = connect
        self._allowed = stream_name(prefix, "")
        self._timeout_s = timeout_s
        self._waiting: deque[_Report] = deque()
        self._changed = threading.Condition()
        self._delivering = False
        self._closing_at: float | None = None
        self._thread: threading.Thread | None = None

    def allows(self, stream: str) -> bool:
        """Whether this is a stream to report on: a task is read from outside, and could name any key."""
        return stream.startswith(self._allowed) and len(stream) > len(self._allowed)

    def send(self, stream: str, message: Started | Written | Done | Lost) -> None:
        """Report as soon as possible; returns at once."""
        if not self.allows(stream):
            log.error("A report was not sent: the task names a stream that is no ingester's.", extra=fields())
            return
        with self._changed:
            self._waiting.append(_Report(stream, message, time.monotonic() + self._timeout_s))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="fourtower-reporter", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, *, timeout_s: float) -> bool:
        """Wait until everything that was sent so far is delivered or dropped; whether it was, in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._delivering, timeout_s)

    def close(self, *, timeout_s: float) -> None:
        """Deliver what waits, if that is possible in time."""
        with self._changed:
            self._closing_at = time.monotonic() + timeout_s
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s + 1)

    def _run(self) -> None:
        client = self._connect()
        while (report := self._next()) is not None:
            self._deliver(client, report)
        client.close()

    def _next(self) -> _Report | None:
        with self._changed:
            self._delivering = False
            self._changed.notify_all()
            while not self._waiting:
                if self._closing_at is not None:
                    return None
                self._changed.wait()
            self._delivering = True
            return self._waiting.popleft()

    def _deliver(self, client: Redis, report: _Report) -> None:
        from redis.exceptions import RedisError

        pause = FIRST_PAUSE_S
        while True:
            try:
                with client.pipeline(transaction=True) as both:
                    both.xadd(report.stream, {"m": report.message.model_dump_json()})
                    both.expire(report.stream, STREAM_TTL_S)
                    both.execute()
            except (RedisError, OSError) as error:
                if not self._wait(pause, report):
                    attempt, kind = report.message.attempt, report.message.kind
                    said = fields(attempt=attempt, kind=kind, reason=type(error).__name__)
                    log.warning("A report was dropped because Redis did not take it.", extra=said)
                    return
                pause = min(2 * pause, LONGEST_PAUSE_S)
            else:
                return

    def _wait(self, pause: float, report: _Report) -> bool:
        """Sleep before the next try; False if there is no time for one."""
        with self._changed:
            end = report.deadline if self._closing_at is None else min(report.deadline, self._closing_at)
            if time.monotonic() + pause > end:
                return False
        time.sleep(pause)
        return True
