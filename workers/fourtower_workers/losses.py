"""Reports batches whose child died or was killed: the parent sees that, and nobody else is left to say so."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from celery.signals import task_failure
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fourtower_ingest.logs import fields, plain
from fourtower_ingest.wire import Lost
from fourtower_workers.reporting import Reporter

log = logging.getLogger("fourtower.worker.losses")


MOST_REMEMBERED = 1000
"""Attempts whose loss was reported: Celery tells of a child that it killed twice, of the kill and of the death."""


class _Address(BaseModel):
    """What is needed of a task to report its loss."""

    model_config = ConfigDict(extra="ignore")

    attempt: str = Field(min_length=1, max_length=64)
    stream: str = Field(min_length=1, max_length=200)


class Losses:
    """Listens to Celery in the parent process."""

    def __init__(self, reporter: Reporter, on_lost: Callable[[str], None]) -> None:
        self._reporter = reporter
        self._on_lost = on_lost
        self._reported: deque[str] = deque(maxlen=MOST_REMEMBERED)

    def watch(self) -> None:
        """Begin to listen."""
        task_failure.connect(self._failed, weak=False)

    def _failed(
        self, *, exception: BaseException, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **_: Any
    ) -> None:
        """Celery calls this in the parent when a child is gone, and when it was killed for taking too long."""
        reason = plain(str(exception)).rstrip(".")
        try:
            (raw,) = (*args, *(kwargs or {}).values())
            address = _Address.model_validate(raw)
        except (ValidationError, ValueError):
            log.error("A task that is no batch cost a child: %s", reason)
            return
        if address.attempt in self._reported:
            return
        self._reported.append(address.attempt)
        self._on_lost(type(exception).__name__)
        log.error("A batch was lost: %s", reason, extra=fields(attempt=address.attempt))
        self._reporter.send(address.stream, Lost(attempt=address.attempt, reason=reason[:500]))
