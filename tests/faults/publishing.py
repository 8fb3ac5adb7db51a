"""Publishes events to the topic, at once or at a pace, now or in the background; survives a Kafka that is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from tests.stream.generator import Message

DELIVERY_S = 180.0
"""How long a record is tried: longer than any fault lasts."""
STEP_S = 0.25


class Publisher:
    """One producer of a plain client; several threads may publish.

    Args:
        bootstrap: of Kafka.
        note: called with how many records the broker has acknowledged, and in which topic.
    """

    def __init__(self, bootstrap: str, note: Callable[[int, str], None]) -> None:
        from kafka import KafkaProducer

        self._note = note
        self._threads: list[_Sending] = []
        self._producer = KafkaProducer(
            bootstrap_servers=bootstrap,
            acks="all",
            delivery_timeout_ms=int(DELIVERY_S * 1000),
            request_timeout_ms=10_000,
            max_request_size=8 * 2**20,
            linger_ms=5,
        )

    def publish(self, events: Sequence[Message], topic: str, *, per_s: float | None = None) -> None:
        """Returns when the broker has them all.

        Raises:
            kafka.errors.KafkaError: it did not take one of them.
        """
        began, step = time.monotonic(), len(events) if per_s is None else max(1, round(per_s * STEP_S))
        for start in range(0, len(events), step):
            some = events[start : start + step]
            sent = [self._producer.send(topic, each.value, each.key, list(each.headers)) for each in some]
            self._producer.flush()
            for each in sent:
                each.get(timeout=DELIVERY_S)
            self._note(len(some), topic)
            if per_s is not None:
                time.sleep(max(0.0, began + (start + step) / per_s - time.monotonic()))

    def in_background(self, events: Sequence[Message], topic: str, *, per_s: float) -> None:
        """Returns at once; `join` waits for it."""
        thread = _Sending(lambda: self.publish(events, topic, per_s=per_s))
        self._threads.append(thread)
        thread.start()

    @property
    def busy(self) -> bool:
        """Whether something is published in the background."""
        return any(thread.is_alive() for thread in self._threads)

    def join(self) -> None:
        """Wait for all that is published in the background, and raise what went wrong there."""
        while self._threads:
            self._threads.pop().result()

    def close(self) -> None:
        """Send nothing more."""
        self._producer.close(timeout=1)


class _Sending(threading.Thread):
    """A thread that remembers what went wrong in it."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(name="publishing", daemon=True)
        self._work = work
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            self._work()
        except Exception as error:
            self._error = error

    def result(self) -> None:
        self.join()
        if self._error is not None:
            raise self._error
