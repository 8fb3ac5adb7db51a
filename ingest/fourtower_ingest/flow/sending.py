"""Sends items as tasks, hears what becomes of them, and decides when to send them again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from fourtower_ingest.flow.attempts import Attempt, Attempts, Parcel
from fourtower_ingest.flow.breaker import Breaker
from fourtower_ingest.flow.items import State
from fourtower_ingest.flow.settlement import Settlement
from fourtower_ingest.flow.verdicts import GARBLED, INDEX_CODES, Fate, verdict
from fourtower_ingest.flow.waiting import Waiting
from fourtower_ingest.settings import FlowSettings
from fourtower_ingest.wire import Done, EventReport, IndexBatch, Lost, Started, Topology, Written


class Sending:
    """Every attempt from the moment its batch is taken until it is answered or given up."""

    def __init__(
        self,
        settings: FlowSettings,
        *,
        attempts: Attempts,
        breaker: Breaker,
        waiting: Waiting,
        settlement: Settlement,
        topology: Topology,
        stream: str,
        source: str,
        new_id: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._attempts, self._breaker, self._waiting, self._settlement = attempts, breaker, waiting, settlement
        self._topology, self._stream, self._source, self._new_id = topology, stream, source, new_id
        self._listened = float("-inf")
        self.failures: Counter[tuple[str, str]] = Counter()
        self.images_missing = 0
        self.losses = 0
        self.resubmissions = 0

    def take(self, now: float) -> IndexBatch | None:
        """The next task, if one may be sent and is worth it."""
        if len(self._attempts) >= self._settings.batches_in_flight or not self._breaker.allows(now):
            return None
        taken = self._waiting.take(now)
        if not taken:
            return None
        attempt = self._attempts.begin(self._new_id(), [item for item, _ in taken])
        for item, _ in taken:
            item.state, item.attempt = State.IN_FLIGHT, attempt
            item.attempts += 1
        self._breaker.sent(attempt.id)
        return IndexBatch(
            attempt=attempt.id,
            stream=self._stream,
            topology=self._topology,
            source=self._source,
            events=tuple(document for _, documents in taken for document in documents),
            image_policy=self._settings.image_policy,
        )

    def published(self, attempt: str, now: float) -> None:
        """The task is in the queue."""
        known = self._attempts.under_way(attempt)
        if known is not None:
            known.published_at = now

    def publish_failed(self, attempt: str, reason: str, now: float) -> None:
        """The task may be in the queue, or not."""
        known = self._attempts.under_way(attempt)
        if known is not None and known.started_at is None and known.written_at is None:
            self._breaker.failed(attempt, f"a task could not be published: {reason}", now)
            self._resend(known, now)

    def heard(self, message: Started | Written | Done | Lost, now: float) -> None:
        """A worker reports."""
        attempt = self._attempts.under_way(message.attempt)
        if attempt is None:
            if isinstance(message, Done):
                self._done_late(message, now)
        elif isinstance(message, Started):
            self._attempts.started(attempt, now)
        elif isinstance(message, Written):
            attempt.written_at = now if attempt.written_at is None else attempt.written_at
        elif isinstance(message, Done):
            self._done(attempt, message.reports, now)
        else:
            self._lost(attempt, message.reason, now)

    def listened(self, now: float) -> None:
        """Everything that was reported until `now` was heard."""
        self._listened = max(self._listened, now)

    def forgotten(self, now: float) -> None:
        """Redis lost everything."""
        for attempt in self._attempts:
            self._resend(attempt, now)

    def queue_seen(self, *, empty: bool, now: float) -> None:
        """Whether anything was in the queue or with a worker."""
        for attempt in self._attempts.vanished(empty=empty, now=now):
            self._resend(attempt, now)

    def overdue(self, now: float) -> None:
        """Give up what was silent for too long."""
        for attempt in self._attempts.silent(self._listened):
            self._lost(attempt, "it started and was not heard of again", now)
        for attempt in self._attempts.unverified(self._listened):
            self._breaker.unanswered(attempt.id, now)
            self._resend(attempt, now)

    def _done(self, attempt: Attempt, reports: Sequence[EventReport], now: float) -> None:
        self._attempts.end(attempt)
        self._count(reports)
        ill = next((report for report in reports if report.status == "failed" and report.code in INDEX_CODES), None)
        if ill is None:
            self._breaker.answered(attempt.id)
        else:
            self._breaker.failed(attempt.id, f"{ill.code}: {ill.message}", now)
        for parcel, own in _parts(attempt, reports):
            if parcel.item.attempt is attempt:
                parcel.item.attempt = None
                self._settlement.reported(parcel.item, own, now)

    def _done_late(self, message: Done, now: float) -> None:
        """An effect is a fact, whichever attempt had it; what else was said is known better by now, or will be."""
        attempt = self._attempts.given_up(message.attempt)
        if attempt is None:
            return
        for (item, series), own in _parts(attempt, message.reports):
            same = item in attempt.owed and item.series is series and not item.effective
            if same and verdict(own).fate is Fate.SETTLED:
                self._settlement.settled_late(item, own, now)

    def _lost(self, attempt: Attempt, reason: str, now: float) -> None:
        """What was written is safe, and is only sent again; over everything else its worker may have died."""
        self.losses += 1
        singly = len(attempt.parcels) == 1
        self._breaker.lost(attempt.id, reason, now, again=singly and attempt.parcels[0][0].losses > 0)
        if attempt.written_at is not None:
            self._resend(attempt, now)
            return
        limit = self._settings.poison_losses + self._breaker.workers_ill * self._settings.breaker_losses
        self._attempts.give_up(attempt)
        for item, _ in attempt.parcels:
            if item.attempt is attempt:
                item.attempt = None
                self._settlement.lost(item, reason, singly=singly, limit=limit, now=now)

    def _resend(self, attempt: Attempt, now: float) -> None:
        self.resubmissions += 1
        self._breaker.gave_up(attempt.id)
        self._attempts.give_up(attempt)
        for item, _ in attempt.parcels:
            if item.attempt is attempt:
                item.attempt = None
                self._settlement.again(item, now)

    def _count(self, reports: Sequence[EventReport]) -> None:
        for report in reports:
            self.images_missing += report.images_missing
            if report.status == "failed":
                self.failures[report.stage, report.code] += 1


def _parts(attempt: Attempt, reports: Sequence[EventReport]) -> Iterator[tuple[Parcel, Sequence[EventReport]]]:
    """Each item with the reports of its events."""
    total = sum(len(parcel.series) for parcel in attempt.parcels)
    reports = reports if len(reports) == total else (GARBLED,) * total
    start = 0
    for parcel in attempt.parcels:
        end = start + len(parcel.series)
        yield parcel, reports[start:end]
        start = end
