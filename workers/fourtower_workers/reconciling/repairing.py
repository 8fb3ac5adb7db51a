"""Has workers index again what differs, as if the events had come from the log just now, and looks at the result."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty
from typing import Protocol

from fourtower_ingest.dispatching import Dispatcher
from fourtower_ingest.events import Delete
from fourtower_ingest.hearing import Hearing
from fourtower_ingest.news import Died, Forgotten, Heard, Inbox, News, PublishFailed
from fourtower_ingest.running import process_name
from fourtower_ingest.settings import IngestSettings, RedisSettings
from fourtower_ingest.wire import MOST_EVENTS, EventReport, IndexBatch, Topology, stream_name
from fourtower_search.index.convergence import Stored
from fourtower_workers.reconciling.cases import Case
from fourtower_workers.reconciling.comparing import AT_ONCE, Comparison
from fourtower_workers.reconciling.errands import UNANSWERED, UNSENT, Errand, Errands, Result
from fourtower_workers.reconciling.findings import MENDING, Folded, Kind
from fourtower_workers.settings import WorkerSettings

FAREWELL_S = 3.0
TURN_S = 0.2
Advance = Callable[[int], None]


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


class Repair:
    """Mends findings through workers.

    Args:
        comparison: what was compared, and looks again afterwards.
        workers: the way to them.
        errands: empty, made for these workers.
        clock: seconds that only go forward.
    """

    def __init__(
        self, comparison: Comparison, workers: Workers, errands: Errands, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._comparison, self._workers, self._errands, self._clock = comparison, workers, errands, clock
        self._stopped = ""

    def run(self, kinds: Collection[Kind], advance: Advance) -> str:
        """Mend open findings of these kinds; each ends as repaired or as left, with the reason.

        Returns:
            Why it stopped early; the other findings stay open then. Empty if it did not.
        """
        last, cases = "", self._comparison.cases
        while some := cases.open(kinds, AT_ONCE, after=last):
            reports = {each.errand.product_id: each.report for each in self._sent(self._errands_of(some), advance)}
            stopped, last = self._stopped, some[-1].product_id
            self._judge([case for case in some if not stopped or case.product_id in reports], reports)
            if stopped:
                break
        return self._stopped

    def _errands_of(self, cases: Sequence[Case]) -> Iterator[Errand]:
        extra = [each.product_id for each in cases if each.kind == "extra"]
        stored = self._comparison.index.read(extra, consistency="strong") if extra else {}
        folded = self._comparison.log.get(each.product_id for each in cases)
        for case in cases:
            name = case.product_id
            events = _delete(name, stored[name]) if case.kind == "extra" else folded.get(name, Folded()).events
            if events:
                texts = tuple(event.to_json().decode() for event in events[:MOST_EVENTS])
                yield Errand(name, texts, repair=case.kind in MENDING)

    def _sent(self, errands: Iterator[Errand], advance: Advance) -> Iterator[Result]:
        """Send errands as there is room, until all of them are finished."""
        following: Errand | None = next(errands, None)
        while following is not None or not self._errands.idle:
            while following is not None and self._errands.has_room and self._comparison.pace.admits(1):
                self._errands.add(following, self._clock())
                following = next(errands, None)
            while batch := self._errands.take(self._clock()):
                self._workers.send(batch)
            results = [*self._take(self._workers.hear(TURN_S)), *self._errands.overdue(self._clock())]
            advance(len(results))
            yield from results
            if self._nobody_there(results):
                following = None
                self._errands.withdraw()

    def _nobody_there(self, results: Sequence[Result]) -> bool:
        """Whether it makes no sense to send more: each would only wait as long as these did."""
        told = (each.report for each in results if each.report.code in (UNSENT, UNANSWERED))
        self._stopped = self._stopped or next((report.message for report in told), "")
        return bool(self._stopped)

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

    def _judge(self, cases: list[Case], reports: dict[str, EventReport]) -> None:
        """Look again, whatever was reported."""
        wrong = {each.product_id: each for each in self._comparison.look_twice([case.product_id for case in cases])}
        settled = []
        for case in cases:
            finding = wrong.get(case.product_id)
            if finding is None:
                settled.append(case._replace(state="repaired"))
            else:
                remark = _remark(reports.get(case.product_id))
                settled.append(case._replace(kind=finding.kind, message=finding.message, state="left", remark=remark))
        self._comparison.cases.settle(settled)


def _delete(product_id: str, stored: Stored) -> tuple[Delete, ...]:
    """What ends a product in the version that is stored; any newer event of it still wins."""
    highest = stored.highest
    return () if highest is None else (Delete(product_id=product_id, version=highest.version),)


def _remark(report: EventReport | None) -> str:
    """Why a product is still not right, as far as a report tells."""
    if report is None:
        return "The log holds nothing that could be sent."
    if report.status == "failed":
        return f"{report.code}: {report.message}"
    if report.images_missing:
        return f"{report.images_missing} of its pictures can't be had; the workers' log says why."
    return f"The worker reported: {report.status}."


def mend_by_workers(
    comparison: Comparison,
    kinds: frozenset[Kind],
    advance: Advance,
    *,
    worker: WorkerSettings,
    stream: IngestSettings,
) -> str:
    """Have the workers of a generation mend all open findings of these kinds; why it stopped early, if it did."""
    topology = Topology(alias=worker.alias, generation=worker.generation)
    workers = QueuedWorkers(
        stream.redis,
        topology,
        process=process_name("reconcile"),
        visibility_timeout_s=stream.flow.visibility_timeout_s,
    )
    errands = Errands(topology, workers.stream, stream.topics.updates, stream.flow.image_policy)
    with workers.at_work():
        return Repair(comparison, workers, errands).run(kinds, advance)
