"""One batch's way through a worker: check that it is for this index, read its events, index them, report.

Knows nothing of Celery. Whatever can be said about a batch is said in reports; what is raised is a bug, or the end.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass
from typing import Any

from fourtower_encoders.errors import EncoderError, OutOfMemory
from fourtower_ingest.errors import MalformedEvent
from fourtower_ingest.flow.verdicts import NO_BASE
from fourtower_ingest.logs import fields
from fourtower_ingest.parsing import EventRules, parse_event
from fourtower_ingest.wire import Done, EventReport, IndexBatch, Started, Topology, Written
from fourtower_search.errors import IndexUnavailable, SearchError
from fourtower_search.index.generations import GenerationRecord
from fourtower_search.index.outcomes import CODES
from fourtower_workers.decisions import Event
from fourtower_workers.encoding_lock import EncoderBusy
from fourtower_workers.indexing import Indexer, Prepared
from fourtower_workers.outcomes import EventOutcome, Indexing, Stage
from fourtower_workers.reporting import Reporter
from fourtower_workers.unfinished import Unfinished

log = logging.getLogger("fourtower.worker")

RULES = EventRules(max_bytes=64 * 2**20)
"""The ingester has applied the topic's limit; written again, an event may be longer than it was."""
STARTED_WITHIN_S = 2.0
"""Without Redis the work goes on: what it is about may well be back when the report is due."""
OnDone = Callable[[Sequence[EventReport], float], None]


@dataclass(frozen=True)
class Pipeline:
    """What takes batches.

    Args:
        indexer: puts events into the index.
        record: the generation that it fills.
        reporter: where to report.
        worker: the name under which to report.
        written_within_s: longest wait for rows to be written.
        seeding: whether the generation is still being filled from another one; asked where a patch found no product.
        unfinished: where products are noted while they are written; None notes nothing.
        on_done: called with what became of each batch's events, and in how many seconds.
    """

    indexer: Indexer
    record: GenerationRecord
    reporter: Reporter
    worker: str
    written_within_s: float = 60.0
    seeding: Callable[[], bool] = lambda: False
    unfinished: Unfinished | None = None
    on_done: OnDone = lambda *_: None

    def take(self, batch: IndexBatch) -> None:
        """Index a batch and report `started` and `written`; `done` follows when it is certain.

        Returns when the rows are written, so that the next batch can be prepared while these are checked.
        """
        began = time.monotonic()
        self.reporter.send(batch.stream, Started(attempt=batch.attempt, worker=self.worker))
        # If this process dies of the batch, it must be known that the batch had been taken up.
        self.reporter.flush(timeout_s=STARTED_WITHIN_S)
        problem = mismatch(batch.topology, self.record)
        if problem:
            self._done(batch, failed(batch, "mismatch", problem, stage="read"), began)
            return
        events, reports = read(batch.events)
        try:
            indexing = self._submitted(batch, list(events.values())) if events else None
        except _Failed as failure:
            for position in events:
                reports[position] = failure.report
            self._done(batch, in_order(reports), began)
            return
        if indexing is not None:
            _wait(indexing.written, self.written_within_s)
        self.reporter.send(batch.stream, Written(attempt=batch.attempt))
        if indexing is None:
            self._done(batch, in_order(reports), began)
            return

        def verified(outcomes: Future[list[EventOutcome]]) -> None:
            self._done(batch, _merged(outcomes, events, reports), began)

        indexing.verified.add_done_callback(verified)

    def _submitted(self, batch: IndexBatch, events: list[Event]) -> Indexing:
        stage: Stage = "read"
        try:
            prepared = self.indexer.prepare(
                events, source=batch.source, image_policy=batch.image_policy, repair=batch.repair
            )
            stage = "write"
            return self._noted(prepared)
        except EncoderError as error:
            raise _Failed(encoder_failure(error)) from error
        except SearchError as error:
            raise _Failed(index_failure(error, stage)) from error

    def _noted(self, prepared: Prepared) -> Indexing:
        """Submit, with a note for whoever comes after this process, should it die of it."""
        written = [write.product_id for write in prepared.writes if write.rows]
        if self.unfinished is None or not written:
            return self.indexer.submit(prepared)
        note, end = self.unfinished.begin(written), self.unfinished.end
        try:
            indexing = self.indexer.submit(prepared)
        except BaseException:
            end(note)
            raise
        indexing.verified.add_done_callback(lambda _: end(note))
        return indexing

    def _done(self, batch: IndexBatch, reports: tuple[EventReport, ...], began: float) -> None:
        if any(report.code == NO_BASE for report in reports) and self.seeding():
            reports = tuple(_not_yet(report) for report in reports)
        self.reporter.send(batch.stream, Done(attempt=batch.attempt, reports=reports))
        seconds = time.monotonic() - began
        self.on_done(reports, seconds)
        _log(batch, reports, seconds)


class _Failed(Exception):
    """Nothing became of a whole batch."""

    def __init__(self, report: EventReport) -> None:
        super().__init__(report.message)
        self.report = report


def mismatch(wanted: Topology, record: GenerationRecord) -> str:
    """Why a batch is not for this generation; empty if it is. What one side does not know can't contradict."""
    if (wanted.alias, wanted.generation) != (record.alias, record.generation):
        return (
            f"The batch is for generation {wanted.generation} of {wanted.alias}, this worker fills generation "
            f"{record.generation} of {record.alias}; let ingester and worker name the same one."
        )
    if wanted.topic_id and record.topic_id and wanted.topic_id != record.topic_id:
        return (
            f"The batch comes from topic {wanted.topic_id}, the index was built from topic {record.topic_id} "
            f"of the same name; build the next generation from the new topic."
        )
    if wanted.partition_count and record.partition_count and wanted.partition_count != record.partition_count:
        return (
            f"The topic has {wanted.partition_count} partitions, and had {record.partition_count} when the index was "
            f"built, so products have moved between them; build the next generation from it."
        )
    return ""


def read(events: Sequence[str]) -> tuple[dict[int, Event], dict[int, EventReport]]:
    """The events of a batch by position, and reports of those that can't be read."""
    found: dict[int, Event] = {}
    refused: dict[int, EventReport] = {}
    for position, text in enumerate(events):
        try:
            found[position] = parse_event(text.encode("utf-8", "surrogatepass"), rules=RULES)
        except MalformedEvent as error:
            refused[position] = EventReport(status="failed", stage="read", code=error.code, message=str(error))
    return found, refused


def failed(batch: IndexBatch, code: str, message: str, *, stage: Stage) -> tuple[EventReport, ...]:
    """One report per event where the whole batch failed through no fault of theirs."""
    report = EventReport(status="failed", stage=stage, code=code, message=message, retryable=True)
    return (report,) * len(batch.events)


def encoder_failure(error: EncoderError | OSError) -> EventReport:
    """What is reported of each event of a batch that could not be encoded."""
    code = "out_of_memory" if isinstance(error, OutOfMemory) else "encoder_unavailable"
    code = "encoder_busy" if isinstance(error, EncoderBusy) else code
    return EventReport(status="failed", stage="encode", code=code, message=str(error), retryable=True)


def index_failure(error: SearchError, stage: Stage) -> EventReport:
    """What is reported of each event of a batch with which the index could do nothing."""
    code = next((code for kind, code in CODES.items() if isinstance(error, kind)), "failed")
    return EventReport(status="failed", stage=stage, code=code, message=str(error), retryable=True)


def in_order(reports: dict[int, EventReport]) -> tuple[EventReport, ...]:
    """Reports by position as the list that is sent."""
    return tuple(reports[position] for position in range(len(reports)))


def _merged(
    outcomes: Future[list[EventOutcome]], events: dict[int, Event], reports: dict[int, EventReport]
) -> tuple[EventReport, ...]:
    try:
        certain = outcomes.result()
    except Exception as error:
        log.exception("A batch could not be verified.")
        unknown = index_failure(IndexUnavailable(f"It is not known what became of it: {error}"), "verify")
        return in_order(reports | dict.fromkeys(events, unknown))
    return in_order(reports | {position: _report(one) for position, one in zip(events, certain, strict=True)})


def _report(outcome: EventOutcome) -> EventReport:
    return EventReport(
        status=outcome.status,
        stage=outcome.stage,
        code=outcome.code,
        message=outcome.message,
        retryable=outcome.retryable,
        images_missing=len(outcome.images),
    )


def _not_yet(report: EventReport) -> EventReport:
    """A patch whose product may still be copied: it is to be tried again, for however long that takes."""
    if report.code != NO_BASE:
        return report
    return report.model_copy(update={"code": "being_seeded", "message": f"The index is being filled. {report.message}"})


def _wait(written: Future[list[EventOutcome]], timeout_s: float) -> None:
    """Until the rows are written, or were refused; the outcome is part of what is verified."""
    try:
        written.exception(timeout=timeout_s)
    except NotInTime:
        log.warning("A batch is still not written; it goes on in the background.")


def _log(batch: IndexBatch, reports: Sequence[EventReport], seconds: float) -> None:
    counts = dict(Counter(report.code or report.status for report in reports))
    said: dict[str, Any] = {"attempt": batch.attempt, "events": len(reports), "seconds": round(seconds, 3), **counts}
    log.info("A batch is done", extra=fields(**said))
    for text, report in zip(batch.events, reports, strict=True):
        if report.status == "failed":
            said = {"stage": report.stage, "code": report.code, "retryable": report.retryable}
            log.warning("Not indexed: %s", report.message, extra=fields(product_id=_product_id(text), **said))
        elif report.images_missing:
            said = {"images_missing": report.images_missing}
            log.info("Indexed without all pictures", extra=fields(product_id=_product_id(text), **said))


def _product_id(text: str) -> str:
    try:
        return str(json.loads(text)["product_id"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
