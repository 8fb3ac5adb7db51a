"""Sends errands to the workers of a generation and hears what became of them, until all are finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty
from typing import Protocol

from fourtower_ingest.dispatching import Dispatcher
from fourtower_ingest.hearing import Hearing
from fourtower_ingest.news import Died, Forgotten, Heard, Inbox, News, PublishFailed
from fourtower_ingest.running import process_name
from fourtower_ingest.settings import IngestSettings, RedisSettings
from fourtower_ingest.wire import IndexBatch, Topology, stream_name
from fourtower_workers.reconciling.errands import UNANSWERED, UNSENT, Errand, ErrandRules, Errands, Result

FAREWELL_S = 3.0
TURN_S = 0.2
Admits = Callable[[int], bool]
"""Whether so many more products may be taken up now."""


class Workers(Protocol):
    """The way to the workers and back."""

    def send(self, batch: IndexBatch) -> None:
        """Have a batch published."""

    def hear(self, timeout_s: float) -> News | None:
        """The next thing that happened, or None."""


class QueuedWorkers:
    """Workers behind Celery's queue in Redis, heard on a stream of this process's own.

    Args:
        redis: where queue and stream lie.
        topology: whose queue it is.
        process: a name that no process ever had.
        visibility_timeout_s: the workers' one.
    """

    def __init__(self, redis: RedisSettings, topology: Topology, *, process: str, visibility_timeout_s: float) -> None:
        self.stream = stream_name(redis.prefix, process)
        self._inbox: Inbox = Inbox()
        self._dispatcher = Dispatcher(redis, topology, self._inbox, visibility_timeout_s=visibility_timeout_s)
        self._hearing = Hearing(redis, process, topology, self._inbox)

    @contextmanager
    def at_work(self) -> Iterator[QueuedWorkers]:
        """Talk to them until the end of the block."""
        self._dispatcher.start()
        self._hearing.start()
        try:
            yield self
        finally:
            self._dispatcher.close(FAREWELL_S)
            self._hearing.close(FAREWELL_S)

    def send(self, batch: IndexBatch) -> None:
        """Have a batch published."""
        self._dispatcher.send(batch)

    def hear(self, timeout_s: float) -> News | None:
        """The next thing that happened, or None."""
        try:
            return self._inbox.get(timeout=timeout_s)
        except Empty:
            return None


@contextmanager
def sending_to(
    topology: Topology, stream: IngestSettings, rules: ErrandRules, *, name: str, admits: Admits = lambda count: True
) -> Iterator[Sending]:
    """What has errands done by the workers of a generation, until the end of the block.

    Args:
        topology: whose queue they take from.
        stream: where the queue lies, and what its tasks say.
        rules: how much is on its way at once.
        name: what the name of this process begins with.
        admits: slows it down where it would be too fast.
    """
    visibility_s = stream.flow.visibility_timeout_s
    workers = QueuedWorkers(stream.redis, topology, process=process_name(name), visibility_timeout_s=visibility_s)
    errands = Errands(topology, workers.stream, stream.topics.updates, stream.flow.image_policy, rules)
    with workers.at_work():
        yield Sending(workers, errands, admits=admits)


class Sending:
    """Has errands done by workers.

    Args:
        workers: the way to them.
        errands: empty, made for these workers.
        admits: slows it down where it would be too fast.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        workers: Workers,
        errands: Errands,
        *,
        admits: Admits = lambda count: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workers, self._errands, self._admits, self._clock = workers, errands, admits, clock
        self.stopped = ""
        """Why it makes no sense to send more; empty as long as it does."""

    def run(self, errands: Iterator[Errand]) -> Iterator[Result]:
        """Send errands as there is room, until all of them are finished, or it turns out that nobody is there."""
        following: Errand | None = next(errands, None)
        while following is not None or not self._errands.idle:
            while following is not None and self._errands.has_room and self._admits(1):
                self._errands.add(following, self._clock())
                following = next(errands, None)
            while batch := self._errands.take(self._clock()):
                self._workers.send(batch)
            results = [*self._take(self._workers.hear(TURN_S)), *self._errands.overdue(self._clock())]
            yield from results
            if self._nobody_there(results):
                following = None
                self._errands.withdraw()

    def _nobody_there(self, results: Sequence[Result]) -> bool:
        """Whether it makes no sense to send more: each would only wait as long as these did."""
        told = (each.report for each in results if each.report.code in (UNSENT, UNANSWERED))
        self.stopped = self.stopped or next((report.message for report in told), "")
        return bool(self.stopped)

    def _take(self, news: News | None) -> list[Result]:
        now = self._clock()
        match news:
            case Heard(message):
                return self._errands.heard(message, now)
            case PublishFailed(attempt, reason):
                return self._errands.not_published(attempt, reason, now)
            case Forgotten():
                self._errands.forgotten(now)
            case Died(error):
                raise error
        return []
