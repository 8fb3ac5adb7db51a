"""What goes on beside a test: something that is done again and again, such as publishing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.stream.cluster import Cluster
from tests.stream.generator import Message

from fourtower_ingest.broker.producer import LogProducer


@contextmanager
def repeating(step: Callable[[], object], *, every_s: float) -> Iterator[None]:
    """Take a step again and again, on a thread of its own, until the end of the block."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(every_s):
            step()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def publishing(cluster: Cluster, messages: Iterator[Message], *, every_s: float) -> Iterator[list[Message]]:
    """Publish messages, which have no end, one after the other; the list holds those that were acknowledged."""
    published: list[Message] = []
    with LogProducer(cluster.broker.settings()) as producer:

        def publish() -> None:
            message = next(messages)
            producer.send(cluster.topic, key=message.key, value=message.value).result(timeout=30)
            published.append(message)

        with repeating(publish, every_s=every_s):
            yield published
