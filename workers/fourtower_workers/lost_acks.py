"""Notices that an acknowledgement was lost, and has the worker connect anew.

When Redis goes away for a moment just when a task ends, kombu logs that it could not acknowledge it, and goes on
counting it as taken. The worker's room is full then, so it looks for no more tasks, and as it looks for none, it does
not notice that its connection is gone either: it would sit there for ever. Connecting anew puts the task back into the
queue, where it is done again at no great cost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

PATIENCE_S = 2.0
"""Between the end of a task and its acknowledgement lie milliseconds."""


class LostAcks:
    """Compares what the channel counts as taken with what the worker has."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: float | None = None

    def found(self, unacknowledged: int, reserved: int) -> bool:
        """Whether for some time more has been unacknowledged than there are tasks."""
        if unacknowledged <= reserved:
            self._since = None
            return False
        self._since = self._clock() if self._since is None else self._since
        return self._clock() - self._since > PATIENCE_S

    def check(self, consumer: Any, reserved: Collection[Any]) -> None:
        """Look at a consumer; call this from its own timer.

        Raises:
            ConnectionError: an acknowledgement was lost; Celery answers that by connecting anew.
        """
        qos = consumer.task_consumer.channel.qos
        if self.found(len(qos._delivered) - len(qos._dirty), len(reserved)):  # noqa: SLF001
            self._since = None
            raise consumer.connection_errors[0]("An acknowledgement was lost; connecting to Redis anew.")
