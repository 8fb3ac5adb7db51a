"""The poll loop: reads records, hands them to the flow, carries out what it decides, and commits what is done.

It waits for nobody but Kafka. Redis, the workers and the dead-letter topic are other threads' business: batches and
letters are given to them, and what became of these comes back through the inbox.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from queue import Empty
from typing import TYPE_CHECKING

from fourtower_ingest.condition import Condition
from fourtower_ingest.dead_letters import Letter
from fourtower_ingest.errors import BrokerUnavailable, PartitionUnreadable, TopicInvalid
from fourtower_ingest.flow.flow import Flow
from fourtower_ingest.flow.stats import Finished, FlowStats
from fourtower_ingest.log import Partition, Record
from fourtower_ingest.logs import fields
from fourtower_ingest.news import (
    Buried,
    Died,
    Forgotten,
    Heard,
    Inbox,
    News,
    Published,
    PublishFailed,
    QueueSeen,
)
from fourtower_ingest.wire import IndexBatch

if TYPE_CHECKING:
    from fourtower_ingest.broker.consumer import LogConsumer

log = logging.getLogger("fourtower.ingest")

POLL_S = 0.05
COMMIT_EVERY_S = 1.0
OBSERVE_EVERY_S = 0.5


class Ingester:
    """One process's poll loop; `assigned`, `revoked` and `lost` are called by the consumer, on a thread of its own.

    Args:
        flow: decides everything.
        inbox: what the other threads have to say.
        dispatch: has a batch published; returns at once.
        bury: has a dead letter sent; returns at once.
        drain_s: how long the end waits for what is in flight.
        on_turn: called once in every turn of the loop, with the time.
        on_finished: called with records that are done.
    """

    def __init__(
        self,
        flow: Flow,
        *,
        inbox: Inbox,
        dispatch: Callable[[IndexBatch], None],
        bury: Callable[[Letter], None],
        drain_s: float = 30.0,
        on_turn: Callable[[float], None] = lambda now: None,
        on_finished: Callable[[list[Finished]], None] = lambda finished: None,
    ) -> None:
        self._flow = flow
        self._lock = threading.RLock()
        self._inbox = inbox
        self._dispatch, self._bury = dispatch, bury
        self._drain_s = drain_s
        self._on_turn, self._on_finished = on_turn, on_finished
        self._ours: set[Partition] = set()
        self._paused: set[Partition] = set()
        self._unreadable: dict[Partition, str] = {}
        self._letters: Counter[str] = Counter()
        self._records = self._commits = 0
        self._next_commit = self._next_look = float("-inf")
        self._unavailable = self._draining = self._broken = False
        self.condition: Condition | None = None
        """The latest one; any thread may look."""

    # Partitions come and go

    def assigned(self, partitions: Collection[Partition]) -> None:
        """These are ours from now on; they come unpaused."""
        with self._lock:
            self._ours |= set(partitions)
            self._paused -= set(partitions)
            self._flow.assigned(partitions, time.monotonic())
        if partitions:
            log.info("Reading %s", ", ".join(map(str, sorted(partitions))))

    def revoked(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """These go to somebody else, who goes on from the offsets that are returned."""
        with self._lock:
            self._gone(partitions)
            return self._flow.revoked(partitions)

    def lost(self, partitions: Collection[Partition]) -> None:
        """These are somebody else's already."""
        with self._lock:
            self._gone(partitions)
            self._flow.lost(partitions)

    def _gone(self, partitions: Collection[Partition]) -> None:
        self._ours -= set(partitions)
        self._paused -= set(partitions)
        for partition in partitions:
            self._unreadable.pop(partition, None)
        if partitions:
            log.info("No longer reading %s", ", ".join(map(str, sorted(partitions))))

    # The loop

    def run(self, consumer: LogConsumer, ending: threading.Event) -> None:
        """Read until told to end; then wait for what is in flight. The caller closes the consumer.

        Raises:
            TopicInvalid: a topic turned wholly invalid.
            IngestError: Kafka refuses us, or a dead letter; nothing is lost by it.
        """
        while not ending.is_set() and not self._flow.stop_reason:
            self._turn(consumer)
        if self._flow.stop_reason:
            log.error("Stopping: %s", self._flow.stop_reason)
        self._drain(consumer)
        if self._flow.stop_reason:
            raise TopicInvalid(self._flow.stop_reason)

    def _turn(self, consumer: LogConsumer) -> None:
        records = self._poll(consumer)
        with self._lock:
            now = time.monotonic()
            self._deliver(records, now)
            self._open_inbox(now)
            self._flow.tick(now)
            self._hand_out(now)
            self._pause_or_resume(consumer)
            self._commit(consumer, now)
            self._look(consumer, now)
            finished = self._flow.take_finished()
        self._on_finished(finished)
        self._on_turn(now)

    def _poll(self, consumer: LogConsumer) -> Sequence[Record]:
        try:
            records = consumer.poll(POLL_S)
        except PartitionUnreadable as error:
            self._unreadable[error.partition] = error.reason
            log.error("%s", error, extra=fields(partition=str(error.partition), offset=error.offset))
            return ()
        except BrokerUnavailable as error:
            if not self._unavailable:
                log.warning("%s It is tried again and again.", error)
            self._unavailable = True
            time.sleep(POLL_S)
            return ()
        if records and self._unavailable:
            log.info("Records arrive again.")
            self._unavailable = False
        return records

    def _deliver(self, records: Sequence[Record], now: float) -> None:
        """Deliver what was polled, except from partitions that went away in the meantime."""
        held = [record for record in records if record.place.partition in self._ours]
        self._records += len(held)
        if held:
            self._flow.deliver(held, now)

    def _open_inbox(self, now: float) -> None:
        try:
            while True:
                self._note(self._inbox.get_nowait(), now)
        except Empty:
            return

    def _note(self, news: News, now: float) -> None:
        match news:
            case Heard(message):
                self._flow.heard(message, now)
            case Published(attempt):
                self._flow.published(attempt, now)
            case PublishFailed(attempt, reason):
                self._flow.publish_failed(attempt, reason, now)
            case Buried(place, code):
                self._letters[code] += 1
                self._flow.buried(place, now)
            case QueueSeen(queued, unacked, at):
                self._flow.queue_seen(queued=queued, unacked=unacked, now=at)
            case Forgotten():
                self._flow.forgotten(now)
            case Died(error):
                raise error

    def _hand_out(self, now: float) -> None:
        while (batch := self._flow.take_batch(now)) is not None:
            self._dispatch(batch)
        for letter in self._flow.take_letters():
            self._bury(letter)

    def _pause_or_resume(self, consumer: LogConsumer) -> None:
        """Keep all our partitions paused, or none; those that were assigned meanwhile are not paused yet."""
        if self._draining or self._flow.pausing():
            consumer.pause(self._ours - self._paused)
            self._paused = set(self._ours)
        elif self._paused:
            consumer.resume(self._paused - self._unreadable.keys())
            self._paused = set()

    def _commit(self, consumer: LogConsumer, now: float) -> None:
        if now < self._next_commit:
            return
        self._next_commit = now + COMMIT_EVERY_S
        self._flow.committed(consumer.acknowledged())
        # Positions are looked up only now, after all that was polled has been delivered: otherwise what lies between
        # would be taken for done.
        positions = {part: offset for part, offset in consumer.positions().items() if part in self._ours}
        offsets = self._flow.committable(positions)
        if offsets:
            self._commits += 1
            consumer.commit_later(offsets)

    def _look(self, consumer: LogConsumer, now: float) -> None:
        if now < self._next_look:
            return
        self._next_look = now + OBSERVE_EVERY_S
        stats = self._flow.stats(now)
        self._tell_breaker(stats)
        self.condition = Condition(
            at=now,
            flow=stats,
            lag=consumer.lag(),
            assigned=len(self._ours),
            unreadable=dict(self._unreadable),
            records=self._records,
            commits=self._commits,
            failed_commits=consumer.failed_commits,
            letters=dict(self._letters),
            stable=consumer.stable(),
            draining=self._draining,
        )

    def _tell_breaker(self, stats: FlowStats) -> None:
        broken = stats.breaker != "closed"
        if broken and not self._broken:
            log.warning(
                "Nothing more is sent for the moment, only now and then one batch to try: %s", stats.breaker_reason
            )
        elif self._broken and not broken:
            log.info("Batches are sent again.")
        self._broken = broken

    # The end

    def _drain(self, consumer: LogConsumer) -> None:
        """Read nothing more, and wait for what is in flight as long as there is time.

        What is done is committed when the consumer is closed, for then our partitions are revoked.
        """
        with self._lock:
            self._draining = True
            self._flow.drain()
            self._pause_or_resume(consumer)
        log.info("Ending: waiting up to %g s for what is in flight.", self._drain_s)
        deadline = time.monotonic() + self._drain_s
        while not self._is_idle() and time.monotonic() < deadline:
            self._turn(consumer)
        with self._lock:
            held = self._flow.stats(time.monotonic()).records_held
        if held:
            log.warning("Ended with %d records not done; they are read again by whoever comes next.", held)

    def _is_idle(self) -> bool:
        with self._lock:
            return self._flow.idle()
