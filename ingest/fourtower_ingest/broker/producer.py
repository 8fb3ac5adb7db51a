"""Writes records, each once and acknowledged by all replicas, without ever holding its caller up for long."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import Future
from threading import Condition
from typing import Any, Self

from kafka import errors

from fourtower_ingest.broker.connection import connected, translation
from fourtower_ingest.broker.sending import CarefulProducer, Content
from fourtower_ingest.errors import BrokerUnavailable, IngestError, MessageTooLarge
from fourtower_ingest.log import Partition, Place
from fourtower_ingest.settings import KafkaSettings

MOST_REQUEST_BYTES = 64 * 2**20
"""Of one record; what a topic takes is for its broker to say. Below the 100 MB that brokers take by default."""
RECORD_OVERHEAD = 200
"""Bytes that a waiting record costs beside its content, about."""


class LogProducer:
    """An idempotent producer; its methods may be called from several threads."""

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        delivery_s: float = 30.0,
        block_s: float = 5.0,
        most_bytes: int = 32 * 2**20,
        linger_ms: int = 5,
    ) -> None:
        """Connect.

        Args:
            kafka: how to reach the brokers.
            delivery_s: after which a record that was not acknowledged has failed.
            block_s: how long `send` may wait for room, or for a topic that it does not know yet.
            most_bytes: records that wait for their acknowledgement.
            linger_ms: how long a record may wait for others of its partition.

        Raises:
            BrokerUnavailable: no broker answered in time.
            BrokerRefused: credentials, permissions or settings are wrong.
        """
        self._kafka, self._block_s, self._most_bytes = kafka, block_s, most_bytes
        self._room = Condition()
        self._waiting: dict[Future[Place], int] = {}
        self._bytes = 0
        self._closing = False
        self._client = connected(
            CarefulProducer,
            kafka,
            request_timeout_ms=round(min(kafka.request_timeout_s, delivery_s / 2) * 1000),
            delivery_timeout_ms=round(delivery_s * 1000),
            max_block_ms=round(block_s * 1000),
            acks="all",
            enable_idempotence=True,
            linger_ms=linger_ms,
            batch_size=64 * 1024,
            max_request_size=MOST_REQUEST_BYTES,
            allow_auto_create_topics=False,
            metrics_enabled=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Iterable[tuple[str, bytes | None]] = (),
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Future[Place]:
        """Write one record; where it lies, or why it could not be written, is known once the future is done.

        The future never raises anything but `BrokerUnavailable` (it may have been written), `BrokerRefused` and
        `MessageTooLarge`. Its callbacks run on the client's thread and must not block.
        """
        future: Future[Place] = Future()
        future.set_running_or_notify_cancel()  # what was sent can't be called back
        record = (key, value, [(name, content) for name, content in headers])
        size = _size(record)
        try:
            self._reserve(future, size)
        except IngestError as error:
            future.set_exception(error)
            return future
        try:
            sent = self._client.append(topic, partition, record, timestamp_ms)
        except (errors.KafkaError, ValueError) as error:
            self._fail(future, error, topic)
        else:
            sent.add_callback(lambda found: self._succeed(future, found))
            sent.add_errback(lambda error: self._fail(future, error, topic))
        return future

    def flush(self, timeout_s: float) -> None:
        """Wait until every record sent so far is acknowledged or has failed.

        Raises:
            BrokerUnavailable: some are still on their way.
        """
        with self._room:
            waited_for = set(self._waiting)
            if not self._room.wait_for(lambda: waited_for.isdisjoint(self._waiting), timeout_s):
                left = len(waited_for & set(self._waiting))
                raise BrokerUnavailable(
                    f"Kafka at {self._kafka.bootstrap} has not acknowledged {left} records after {timeout_s:g} s."
                )

    def close(self, timeout_s: float = 30.0) -> None:
        """Wait for what is on its way, as long as there is time, and let the rest fail."""
        deadline = time.monotonic() + timeout_s
        with self._room:
            self._closing = True
            self._room.notify_all()
            self._room.wait_for(lambda: not self._waiting, timeout_s)
        self._client.end(max(0.1, deadline - time.monotonic()))

    def _reserve(self, future: Future[Place], size: int) -> None:
        """Wait for room, for a bounded time."""
        if size > MOST_REQUEST_BYTES:
            raise MessageTooLarge(f"The record has {size:,} bytes; {MOST_REQUEST_BYTES:,} can be sent at all.")
        with self._room:
            fits = self._room.wait_for(lambda: self._closing or self._has_room(size), self._block_s)
            if self._closing or not fits:
                why = "the producer is closed" if self._closing else f"{self._bytes:,} bytes wait to be acknowledged"
                raise BrokerUnavailable(f"Kafka at {self._kafka.bootstrap} was sent nothing more: {why}.")
            self._waiting[future] = size
            self._bytes += size

    def _has_room(self, size: int) -> bool:
        return not self._waiting or self._bytes + size <= self._most_bytes

    def _release(self, future: Future[Place]) -> None:
        with self._room:
            self._bytes -= self._waiting.pop(future)
            self._room.notify_all()

    def _succeed(self, future: Future[Place], found: Any) -> None:
        future.set_result(Place(Partition(found.topic, found.partition), found.offset))
        self._release(future)

    def _fail(self, future: Future[Place], error: Exception, topic: str) -> None:
        if isinstance(error, errors.IllegalStateError):  # the client was closed over it
            ours: IngestError = BrokerUnavailable(
                f"The record was not acknowledged before the producer of {topic} ended."
            )
        else:
            ours = translation(error, self._kafka, f"writing to {topic}")
        ours.__cause__ = error
        future.set_exception(ours)
        self._release(future)


def _size(record: Content) -> int:
    key, value, headers = record
    named = sum(len(name.encode()) + len(content or b"") for name, content in headers)
    return len(key or b"") + len(value or b"") + named + RECORD_OVERHEAD
