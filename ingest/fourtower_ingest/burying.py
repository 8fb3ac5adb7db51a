"""Sends dead letters until the broker has acknowledged each: only then the record's offset is done."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Protocol

from fourtower_ingest.dead_letters import Letter, cut, letter_headers
from fourtower_ingest.errors import BrokerUnavailable, MessageTooLarge
from fourtower_ingest.log import Place
from fourtower_ingest.logs import record_fields
from fourtower_ingest.news import Buried, Companion, Inbox

log = logging.getLogger("fourtower.burying")

PAUSE_S = 1.0
"""Before a letter that the broker did not take is sent again."""
CLOSE_S = 1.0
"""For what the producer has still on its way."""


class Producer(Protocol):
    """What is needed of `broker.producer.LogProducer`."""

    def send(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: tuple[tuple[str, bytes | None], ...] = ...,
    ) -> Future[Place]:
        """Publish a record; the future ends when the broker acknowledged it."""

    def close(self, timeout_s: float) -> None:
        """Give up the connection."""


@dataclass(frozen=True, slots=True)
class _Answer:
    letter: Letter
    error: BaseException | None


class Burying:
    """Takes letters without waiting, and sends them in a thread of its own.

    Args:
        connect: makes the producer, in that thread; BrokerUnavailable means that it is tried again.
        topic: where the letters go.
        inbox: hears which records are buried. What the topic finds too large is cut; any other error than
            BrokerUnavailable ends the process, because a letter must neither be lost nor sent for ever.
        pause_s: before something is tried again.
    """

    def __init__(self, connect: Callable[[], Producer], *, topic: str, inbox: Inbox, pause_s: float = PAUSE_S) -> None:
        self._connect = connect
        self._topic = topic
        self._inbox = inbox
        self._pause_s = pause_s
        self._queue: SimpleQueue[Letter | _Answer | None] = SimpleQueue()
        self._unsent: list[Letter] = []
        self._producer: Producer | None = None
        self._not_before = 0.0
        self._failing = False
        self._closing = False
        self._thread = Companion("burying", self._run, inbox)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def send(self, letter: Letter) -> None:
        """Have a letter sent; returns at once."""
        self._queue.put(letter)

    def close(self, timeout_s: float) -> None:
        """End; letters that are not acknowledged yet are not waited for."""
        self._queue.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            while not self._closing:
                self._take()
                if self._unsent and self._wait_s() == 0:
                    self._send_all()
        finally:
            if self._producer is not None:
                self._producer.close(timeout_s=CLOSE_S)

    def _wait_s(self) -> float:
        return max(0.0, self._not_before - time.monotonic())

    def _take(self) -> None:
        """Wait for something to do, and take in all that has come."""
        timeout = self._wait_s() if self._unsent else None
        try:
            self._note(self._queue.get(timeout=timeout))
            while True:
                self._note(self._queue.get_nowait())
        except Empty:
            return

    def _note(self, item: Letter | _Answer | None) -> None:
        if item is None:
            self._closing = True
        elif isinstance(item, Letter):
            self._unsent.append(item)
        elif item.error is None:
            self._buried(item.letter)
        elif isinstance(item.error, BrokerUnavailable):
            self._failed(item.error)
            self._unsent.append(item.letter)
        elif isinstance(item.error, MessageTooLarge) and not item.letter.cut_from:
            self._unsent.append(cut(item.letter))
        else:
            raise item.error

    def _send_all(self) -> None:
        try:
            producer = self._producer = self._producer or self._connect()
        except BrokerUnavailable as error:
            self._failed(error)
            return
        letters, self._unsent = self._unsent, []
        for letter in letters:
            record = letter.record
            sent = producer.send(self._topic, key=record.key, value=record.value, headers=letter_headers(letter))
            sent.add_done_callback(partial(self._acknowledged, letter))

    def _acknowledged(self, letter: Letter, sent: Future[Place]) -> None:
        """Called in the producer's thread."""
        self._queue.put(_Answer(letter, sent.exception()))

    def _buried(self, letter: Letter) -> None:
        if self._failing:
            log.info("Dead letters are acknowledged again.")
        self._failing = False
        self._inbox.put(Buried(letter.record.place, letter.code))
        context = record_fields(letter.record, stage=letter.stage, code=letter.code, attempts=letter.attempts)
        log.warning("Set aside as a dead letter: %s", letter.message, extra=context)

    def _failed(self, error: BrokerUnavailable) -> None:
        if not self._failing:
            log.warning("Dead letters can't be sent: %s They are kept, and their offsets not committed.", error)
        self._failing = True
        self._not_before = time.monotonic() + self._pause_s
