"""The Celery task, and the hooks of a child process: as thin as can be, the work is done in `pipeline`."""

from __future__ import annotations

import logging
from typing import Any

from celery import shared_task
from celery.signals import setup_logging, worker_process_init, worker_process_shutdown
from pydantic import ValidationError

from fourtower_encoders.errors import EncoderError
from fourtower_ingest.logs import fields, plain
from fourtower_ingest.wire import MOST_EVENTS, TASK, Done, EventReport, IndexBatch, Lost, Started
from fourtower_search.errors import SearchError
from fourtower_workers.child import Child, current, on_end, on_start
from fourtower_workers.pipeline import encoder_failure, index_failure

log = logging.getLogger("fourtower.worker")


def take(*arguments: Any, **named: Any) -> None:
    """Index one batch; nothing that can be said in a report is raised.

    Who can write to Redis can send anything: what is no batch is refused, with a report where one is possible.
    """
    child = current()
    try:
        (raw,) = (*arguments, *named.values())
        batch = IndexBatch.model_validate(raw)
    except (ValidationError, ValueError) as error:
        _refuse(child, arguments, error)
        return
    if not child.reporter.allows(batch.stream):
        log.error("A task was refused: it names a stream that is no ingester's.", extra=fields(attempt=batch.attempt))
        return
    try:
        _index(child, batch)
    except Exception as error:
        # As if the child had died of it: the ingester tries each event alone, and finds the one that does it.
        log.exception("A batch was lost to an error that nobody expected.", extra=fields(attempt=batch.attempt))
        child.metrics.lost(type(error).__name__)
        child.reporter.send(batch.stream, Lost(attempt=batch.attempt, reason=f"{type(error).__name__}: {error}"[:500]))


def _index(child: Child, batch: IndexBatch) -> None:
    try:
        pipeline = child.pipeline()
    except SearchError as error:
        _give_back(child, batch, index_failure(error, "read"))
    except (EncoderError, OSError) as error:
        _give_back(child, batch, encoder_failure(error))
    else:
        pipeline.take(batch)


def _give_back(child: Child, batch: IndexBatch, report: EventReport) -> None:
    """Report a batch that this child can't take, for others or for later."""
    log.error("A child can't work yet: %s", report.message)
    child.reporter.send(batch.stream, Started(attempt=batch.attempt, worker=child.assignment.name))
    child.reporter.send(batch.stream, Done(attempt=batch.attempt, reports=(report,) * len(batch.events)))


def _refuse(child: Child, arguments: tuple[Any, ...], error: Exception) -> None:
    """Say that a task is no batch; to its sender too, if that may be an ingester of another version."""
    reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "there must be one argument"
    log.error("A task was refused: it is no batch of this version (%s).", plain(str(reason)))
    raw = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], dict) else {}
    attempt, stream, events = raw.get("attempt"), raw.get("stream"), raw.get("events")
    named = isinstance(attempt, str) and 0 < len(attempt) <= 64 and isinstance(stream, str) and len(stream) <= 200
    if not named or not isinstance(events, list) or not 0 < len(events) <= MOST_EVENTS:
        return
    message = f"The worker can't read the batch ({plain(str(reason))}); run ingester and workers of one version."
    report = EventReport(status="failed", stage="read", code="mismatch", message=message, retryable=True)
    if child.reporter.allows(str(stream)):
        child.reporter.send(str(stream), Done(attempt=str(attempt), reports=(report,) * len(events)))


index_batch = shared_task(name=TASK, typing=False)(take)

# Handlers live in the module that a spawned child imports for its tasks; in another one they would never run there.
setup_logging.connect(lambda **_: None, weak=False)  # `on_start` sets logs up
worker_process_init.connect(on_start)
worker_process_shutdown.connect(on_end)
