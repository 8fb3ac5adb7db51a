"""The client's producer, taught to go on when a record was refused, to take odd records, and to end in time.

The client's own producer takes any refusal, such as of one record that is too large, for the end of its idempotence,
and fails whatever it is given afterwards; the same where a request for its id is not answered in time. After a time
limit it waits for ever for an id that it does not ask for. Its `send` refuses records that brokers take, and its
`close` gives up in the middle if the brokers are away. This leans on the inside of a client that is pinned to its
minor version; tests hold it in place.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from kafka import KafkaProducer, errors
from kafka.producer.sender import Sender
from kafka.producer.transaction_manager import TransactionManager
from kafka.structs import TopicPartition

Content = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]
"""Key, value and headers of a record."""


class CarefulTransactions(TransactionManager):  # type: ignore[misc]
    """Begins a new epoch wherever one helps after a batch has failed.

    A batch that had a place in the partition's sequence and was not written leaves a gap, which brokers refuse.
    Needs Kafka 2.5.
    """

    def classify_batch_error(self, error: Any, batch: Any, log_start_offset: int = -1) -> str:
        """What becomes of the producer: one of the client's classes of errors."""
        found = str(super().classify_batch_error(error, batch, log_start_offset=log_start_offset))
        refused = found == self.ERROR_CLASS_FATAL and type(error) not in self._FATAL_ERRORS
        expired = found == self.ERROR_CLASS_RETRIABLE and batch.has_sequence
        return str(self.ERROR_CLASS_NEEDS_EPOCH_BUMP) if refused or expired else found

    def next_request_handler(self, has_incomplete_batches: bool) -> Any:
        """The next request for an id or an epoch, one that is repeated if it fails for the moment."""
        handler = super().next_request_handler(has_incomplete_batches)
        if handler is not None:
            handler.on_complete = partial(_completed, type(handler), handler)
        return handler

    def reset_producer_id(self) -> None:
        """Never forget the id: the client asks for no other one, and hangs."""
        self.bump_producer_id_and_epoch()


class CarefulSender(Sender):  # type: ignore[misc]
    """Lets records expire also while it waits for an id or a new epoch."""

    def run_once(self) -> None:
        """One turn of the sending thread."""
        for batch in self._accumulator.expired_batches():
            self._complete_batch_with_exception(batch, errors.KafkaTimeoutError("not sent in time"))
        super().run_once()

    def _maybe_send_pending_request(self) -> bool:
        """Ask for an id or an epoch only where somebody is connected; the client would not come back before.

        Where nobody is, there is nothing to do but to wait a moment; the client would try again without a pause.
        """
        node = self._client.least_loaded_node()
        if node is not None and self._client.is_ready(node):
            return bool(super()._maybe_send_pending_request())
        self._client.maybe_connect(node)
        self._client.poll(timeout_ms=self.config["retry_backoff_ms"])
        return False


def _completed(kind: Any, handler: Any, correlation_id: int, answer: Any) -> None:
    """The client repeats what a broken connection has cost, and takes a broker that is late for the end."""
    passing = isinstance(answer, errors.KafkaError) and answer.retriable
    kind.on_complete(handler, correlation_id, errors.KafkaConnectionError(str(answer)) if passing else answer)


class _Taught:
    """An attribute whose value, which the client makes for itself, becomes one of ours before its thread starts."""

    def __init__(self, kind: type) -> None:
        self._kind = kind

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, producer: Any, owner: type) -> Any:
        if self._name not in producer.__dict__:
            raise AttributeError(self._name)
        return producer.__dict__[self._name]

    def __set__(self, producer: Any, made: Any) -> None:
        if made is not None:
            made.__class__ = self._kind
        producer.__dict__[self._name] = made


class CarefulProducer(KafkaProducer):  # type: ignore[misc]
    """A producer that outlives what it is refused."""

    _transaction_manager = _Taught(CarefulTransactions)
    _sender = _Taught(CarefulSender)

    def append(self, topic: str, partition: int | None, record: Content, timestamp_ms: int | None) -> Any:
        """Hand a record to the sending thread; waits at most `max_block_ms`, and only for an unknown topic.

        Raises:
            KafkaError: the topic stayed unknown, or the producer is closed.
            ValueError: there can be no such topic, or there is no such partition.
        """
        key, value, headers = record
        partitions = self.partitions_for(topic)
        if partition is None:
            partition = self._partition(topic, None, key, value, key, value)
        elif partition not in partitions:
            raise ValueError(f"{topic} has no partition {partition}")
        place = TopicPartition(topic, partition)
        future, is_full, is_new, _ = self._accumulator.append(place, timestamp_ms, key, value, _Headers(headers))
        if is_full or is_new:
            self._sender.wakeup()
        return future

    def end(self, timeout_s: float) -> None:
        """Close within a bounded time; what is still on its way then fails."""
        self._sender.initiate_close()
        self._sender.join(timeout_s)
        if self._sender.is_alive():
            self._sender.force_close()
            self._sender.join(timeout_s)
        try:
            self.close(timeout=0)
        except errors.KafkaTimeoutError:
            self._closed = True


class _Headers(list[tuple[str, bytes | None]]):
    """Headers, of which some may be null: the client writes those, but fails when it adds up the sizes.

    It adds up none where there seem to be none.
    """

    def __bool__(self) -> bool:
        return False
