"""Publishes tasks for the workers: the only module of ingestion that knows Celery.

A publish that failed may have happened all the same, so tasks are idempotent and the caller sends them again. Results
are never asked for: with them, a hanging Redis would hold a publish for longer than a minute.
"""

from __future__ import annotations

import logging
from queue import Empty, SimpleQueue

from celery import Celery
from celery.exceptions import OperationalError

from fourtower_ingest.logs import plain
from fourtower_ingest.news import Companion, Inbox, Published, PublishFailed
from fourtower_ingest.redis_client import address, broker_settings
from fourtower_ingest.settings import RedisSettings
from fourtower_ingest.wire import TASK, IndexBatch, Topology, queue_name

log = logging.getLogger("fourtower.dispatching")


class Dispatcher:
    """Takes batches without waiting, and publishes them in a thread of its own.

    Args:
        redis: where Celery's queues lie.
        topology: whose queue the batches go to.
        inbox: hears of each batch whether it was published.
        visibility_timeout_s: the workers' one.
    """

    def __init__(self, redis: RedisSettings, topology: Topology, inbox: Inbox, *, visibility_timeout_s: float) -> None:
        self._app = Celery("fourtower-ingest", set_as_current=False)
        self._app.conf.update(broker_settings(redis, visibility_timeout_s=visibility_timeout_s))
        self._queue = queue_name(topology)
        self._where = address(redis)
        self._inbox = inbox
        self._waiting: SimpleQueue[IndexBatch | None] = SimpleQueue()
        self._failing = False
        self._thread = Companion("dispatching", self._run, inbox)

    def start(self) -> None:
        """Begin to publish."""
        self._thread.start()

    def send(self, batch: IndexBatch) -> None:
        """Have a batch published; returns at once."""
        self._waiting.put(batch)

    def close(self, timeout_s: float) -> None:
        """Publish what was given so far, and end."""
        self._waiting.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (batch := self._waiting.get()) is not None:
            try:
                self._publish(batch)
            except (OperationalError, OSError) as error:
                self._failed(batch, plain(str(error)))
            else:
                self._recovered()
                self._inbox.put(Published(batch.attempt))

    def _publish(self, batch: IndexBatch) -> None:
        # The queue's name alone means the anonymous direct exchange: any other loses its bindings when Redis is
        # wiped, and then swallows what is published. An argsrepr keeps the events out of the message's headers.
        self._app.send_task(
            TASK,
            args=(batch.model_dump(mode="json"),),
            queue=self._queue,
            task_id=batch.attempt,
            retry=False,
            ignore_result=True,
            argsrepr="",
        )

    def _failed(self, batch: IndexBatch, reason: str) -> None:
        """Report a failure of this batch and of all that wait: each would run into its own timeout."""
        if not self._failing:
            log.warning("Tasks can't be published to %s: %s. They wait until it is back.", self._where, reason)
        self._failing = True
        self._inbox.put(PublishFailed(batch.attempt, reason))
        for other in self._drained():
            self._inbox.put(PublishFailed(other.attempt, reason))

    def _drained(self) -> list[IndexBatch]:
        found: list[IndexBatch] = []
        try:
            while (batch := self._waiting.get_nowait()) is not None:
                found.append(batch)
            self._waiting.put(None)  # it was the end
        except Empty:
            pass
        return found

    def _recovered(self) -> None:
        if self._failing:
            log.info("Tasks are published again.")
        self._failing = False
