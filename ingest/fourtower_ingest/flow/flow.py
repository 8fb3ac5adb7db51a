"""A record's whole way through the ingester, put together: delivered, folded, sent, answered, done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from uuid import uuid4

from fourtower_ingest.dead_letters import Letter
from fourtower_ingest.flow.attempts import Attempts
from fourtower_ingest.flow.breaker import Breaker
from fourtower_ingest.flow.intake import Intake
from fourtower_ingest.flow.invalidity import Invalidity
from fourtower_ingest.flow.items import State
from fourtower_ingest.flow.ledger import Ledger
from fourtower_ingest.flow.letters import Letters
from fourtower_ingest.flow.mailboxes import Mailboxes
from fourtower_ingest.flow.pressure import Pressure
from fourtower_ingest.flow.sending import Sending
from fourtower_ingest.flow.settled import Settled
from fourtower_ingest.flow.settlement import Settlement
from fourtower_ingest.flow.stats import Finished, FlowStats
from fourtower_ingest.flow.waiting import Waiting
from fourtower_ingest.log import Partition, Place, Record
from fourtower_ingest.records import TopicRules
from fourtower_ingest.settings import FlowSettings
from fourtower_ingest.wire import Done, IndexBatch, Lost, Started, Topology, Written

QUIET_S = 5.0
"""Without a new record for this long, dead letters of what may be a wholly invalid topic wait for nothing more."""


def _uuid() -> str:
    return uuid4().hex


class Flow:
    """Holds every record that was delivered until nothing is owed for it any more.

    It knows no clock: `now` is in seconds, from a clock that never goes back. Not thread-safe: whoever calls it from
    several threads holds a lock.

    Args:
        settings: limits, deadlines and pauses.
        rules: what records mean.
        topology: which index it works for; put into every task.
        stream: where workers report; put into every task.
        source: what rows are said to come from, such as the topic of updates; put into every task.
        dead_letters_on: False in a process that builds another generation: what fails is only counted.
        replay_topic: the topic of dead letters sent again, whose records say where they first lay.
        new_id: names attempts; never the same twice, in any process.
    """

    def __init__(
        self,
        settings: FlowSettings,
        rules: TopicRules,
        *,
        topology: Topology,
        stream: str,
        source: str = "",
        dead_letters_on: bool = True,
        replay_topic: str = "",
        new_id: Callable[[], str] = _uuid,
    ) -> None:
        self._ledger, self._letters = Ledger(), Letters()
        self._mailboxes, self._waiting = Mailboxes(), Waiting(settings)
        self._pressure = Pressure(settings)
        self._breaker = Breaker(settings.breaker_pause_s, settings.breaker_losses)
        self._invalidity = Invalidity(settings.invalid_window, settings.invalid_share)
        settled = Settled(settings.settled_products, versions_in_events=rules.version_source == "event")
        self._attempts = Attempts(
            start_deadline_s=settings.start_deadline_s,
            verify_deadline_s=settings.verify_deadline_s,
            visibility_timeout_s=settings.visibility_timeout_s,
        )
        self._settlement = Settlement(
            settings,
            ledger=self._ledger,
            mailboxes=self._mailboxes,
            waiting=self._waiting,
            attempts=self._attempts,
            letters=self._letters,
            settled=settled,
            dead_letters_on=dead_letters_on,
        )
        self._intake = Intake(
            rules,
            ledger=self._ledger,
            mailboxes=self._mailboxes,
            waiting=self._waiting,
            settlement=self._settlement,
            invalidity=self._invalidity,
            settled=settled,
            replay_topic=replay_topic,
        )
        self._sending = Sending(
            settings,
            attempts=self._attempts,
            breaker=self._breaker,
            waiting=self._waiting,
            settlement=self._settlement,
            topology=topology,
            stream=stream,
            source=source,
            new_id=new_id,
        )
        self._now = self._delivered_at = float("-inf")
        self._draining = False

    # Partitions

    def assigned(self, partitions: Collection[Partition], now: float) -> None:
        """These partitions are read from now on; those that are held already go on as they are."""
        self._now = now
        self._ledger.trackers.assign(partitions)

    def revoked(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """Forget these partitions; returns what may still be committed for them.

        Records that were polled before must not be delivered afterwards, unless the partition is delivered anew.
        """
        going = frozenset(partitions)
        held, emptied = self._mailboxes.drop(going)
        letters = self._letters.forget(going)
        for item in emptied:
            for attempt in self._attempts.forget(item):
                self._breaker.gave_up(attempt)
            item.attempt = None
            self._waiting.remove(item)
            self._settlement.advance(item, self._now)
        for letter in letters:
            self._settlement.buried(letter.record.place, self._now)
        records = [*(one.record for one in held), *(letter.record for letter in letters)]
        return self._ledger.forget(going, records)

    def lost(self, partitions: Collection[Partition]) -> None:
        """Forget these partitions; another process has them already."""
        self.revoked(partitions)

    def committable(self, positions: Mapping[Partition, int]) -> dict[Partition, int]:
        """Next offsets that may be committed: nothing below them owes an effect.

        Only partitions whose offset is above what `committed` was told of; all of them until it is told.

        Args:
            positions: the next offset to be read of each partition, looked up after the last `deliver`.
        """
        return self._ledger.trackers.committable(positions)

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """The broker has these offsets (or surely will): `committable` need not name them again."""
        self._ledger.trackers.committed(offsets)

    def pausing(self) -> bool:
        """Whether nothing more should be read now; goes on until there is room again, not just below the limit."""
        oldest = self._ledger.trackers.oldest
        high = self._pressure.update(
            records=self._ledger.records,
            size=self._ledger.size,
            span=self._ledger.trackers.span,
            age_s=0.0 if oldest is None else self._now - oldest,
        )
        # Without anything to probe with, an open breaker would never close.
        broken = not self._breaker.closed and len(self._mailboxes) > 0
        return high or broken or self._draining or bool(self.stop_reason)

    # Records and what becomes of them

    def deliver(self, records: Sequence[Record], now: float) -> None:
        """Take over records as they were polled."""
        self._now = now
        if records:
            self._delivered_at = now
        for record in records:
            self._intake.take(record, now)
        if self.stop_reason:
            self._letters.abandon()
        elif not self._invalidity.suspicious():
            self._letters.release()

    def take_batch(self, now: float) -> IndexBatch | None:
        """The next task to publish; None where there is nothing to send now. Call it until it says None.

        Each one must be answered with `published` or `publish_failed`.
        """
        self._now = now
        return None if self._draining or self.stop_reason else self._sending.take(now)

    def published(self, attempt: str, now: float) -> None:
        """The task is in the queue."""
        self._sending.published(attempt, now)

    def publish_failed(self, attempt: str, reason: str, now: float) -> None:
        """The task may or may not be in the queue; it is sent again in any case, which does no harm."""
        self._sending.publish_failed(attempt, reason, now)

    def heard(self, message: Started | Written | Done | Lost, now: float) -> None:
        """A worker reports; what is said of unknown attempts is ignored."""
        self._sending.heard(message, now)

    def listened(self, now: float) -> None:
        """The stream was read to its end at `now`. Silence counts up to here only, so call it after each such read."""
        self._sending.listened(now)

    def forgotten(self, now: float) -> None:
        """Redis was wiped or went back: everything unfinished is sent again, uncounted."""
        self._sending.forgotten(now)

    def queue_seen(self, *, queued: int, unacked: int, now: float) -> None:
        """How many tasks Celery's queue and its unacknowledged set held; shows which tasks vanished unstarted.

        Call it every few seconds, after the stream was read to its end: it counts as `listened`, too.
        """
        self._sending.listened(now)
        self._sending.queue_seen(empty=queued == 0 and unacked == 0, now=now)

    def take_letters(self) -> list[Letter]:
        """New dead letters to produce; each must be answered by `buried`, or produced until it can be."""
        return self._letters.take()

    def buried(self, place: Place, now: float) -> None:
        """The broker acknowledged this record's dead letter: now its offset is done."""
        letter = self._letters.buried(place)
        if letter is not None:
            product_id = self._settlement.buried(place, now)
            self._ledger.finish(letter.record, "dead_letter", letter.code, product_id=product_id)

    def take_finished(self) -> list[Finished]:
        """Records that were done since the last call, for metrics and logs; the latest 10,000."""
        return self._ledger.take_finished()

    # Time and the end

    def tick(self, now: float) -> None:
        """Time has passed: deadlines, retries. Call it several times a second."""
        self._now = now
        self._sending.overdue(now)
        self._waiting.wake(now)
        if now - self._delivered_at >= QUIET_S:
            self._letters.release()

    def drain(self) -> None:
        """Send nothing more; `idle` once everything in flight is answered and every letter buried."""
        self._draining = True

    def idle(self) -> bool:
        """Whether nothing is owed; while draining: whether nothing more is to be expected."""
        if self._draining:
            return not len(self._attempts) and not len(self._letters)
        return not self._ledger.records

    @property
    def stop_reason(self) -> str:
        """Not empty when the topic turned wholly invalid: end the process, for a person to look at it.

        Offsets that are done may still be committed; `committable` never passes the rest.
        """
        return self._invalidity.reason

    def stats(self, now: float) -> FlowStats:
        """Figures of this moment."""
        states = Counter(item.state for item in self._mailboxes.heads())
        oldest = self._ledger.trackers.oldest
        return FlowStats(
            items_waiting=states[State.READY],
            items_in_flight=states[State.IN_FLIGHT],
            items_parked=states[State.PARKED],
            items_retrying=states[State.RETRYING],
            batches_in_flight=len(self._attempts),
            records_held=self._ledger.records,
            bytes_held=self._ledger.size,
            oldest_age_s=0.0 if oldest is None else now - oldest,
            breaker=self._breaker.state(now),
            breaker_reason="" if self._breaker.closed else self._breaker.reason,
            pausing=self.pausing(),
            letters_pending=len(self._letters),
            finished=dict(self._ledger.outcomes),
            failures=dict(self._sending.failures),
            images_missing=self._sending.images_missing,
            losses=self._sending.losses,
            resubmissions=self._sending.resubmissions,
            stop_reason=self.stop_reason,
        )
