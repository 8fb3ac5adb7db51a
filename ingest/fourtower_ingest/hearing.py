"""Hears what workers report of this process's attempts, and notices when Redis has forgotten them.

Messages are read from the beginning of a stream of the process's own and deleted once taken, so there is no position
that could be lost. A counter that only this process raises tells whether Redis was wiped or set back: then everything
unfinished is sent again. Redis being away is said once, and nothing is lost by it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from pydantic import ValidationError
from redis import Redis
from redis.exceptions import RedisError

from fourtower_ingest.logs import plain
from fourtower_ingest.news import Companion, Forgotten, Heard, Inbox, QueueSeen
from fourtower_ingest.redis_client import STREAM_TTL_S, address, connect, queue_key, unacked_key
from fourtower_ingest.settings import RedisSettings
from fourtower_ingest.wire import (
    MESSAGES,
    STATUS_EVERY_S,
    STATUS_TTL_S,
    ProcessStatus,
    Topology,
    epoch_name,
    status_name,
    stream_name,
)

log = logging.getLogger("fourtower.hearing")

MOST_MESSAGES = 500
"""Read at once."""
_Entries = Sequence[tuple[bytes, dict[bytes, bytes]]]


class Hearing:
    """Listens in a thread of its own, and puts what it hears into the inbox.

    Args:
        redis: where the streams lie.
        process: this process's name, that no other process ever had.
        topology: whose queue is looked at.
        inbox: where everything goes.
        status: what is to be said of this process every few seconds; None says nothing yet.
        wait_s: how long a read waits for a message.
        check_every_s: between two looks at the counter and the queue.
    """

    def __init__(
        self,
        redis: RedisSettings,
        process: str,
        topology: Topology,
        inbox: Inbox,
        *,
        status: Callable[[], ProcessStatus | None] = lambda: None,
        wait_s: float = 0.2,
        check_every_s: float = 1.0,
    ) -> None:
        self._client: Redis = connect(redis)
        self._where = address(redis)
        self._stream = stream_name(redis.prefix, process)
        self._epoch_key = epoch_name(redis.prefix, process)
        self._status_key = status_name(redis.prefix, process)
        self._queue, self._unacked = queue_key(redis, topology), unacked_key(redis)
        self._inbox = inbox
        self._status = status
        self._wait_ms = int(wait_s * 1000)
        self._check_every_s = check_every_s
        self._epoch = 0
        self._checked = self._told = float("-inf")
        self._away = False
        self._stop = threading.Event()
        self._thread = Companion("hearing", self._run, inbox)

    @property
    def away(self) -> bool:
        """Whether Redis did not answer the last time."""
        return self._away

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def close(self, timeout_s: float) -> None:
        """End, and leave nothing of this process in Redis if it answers."""
        self._stop.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._listen()
                self._answered()
            except (RedisError, OSError) as error:
                self._unanswered(error)
                self._stop.wait(0.5)
        self._leave()

    def _listen(self) -> None:
        now = time.monotonic()
        if now - self._checked >= self._check_every_s:
            seen = self._check(now)
            # What was reported before the look at the queue must be heard first: a task that has left the queue
            # without a word would otherwise seem to have vanished.
            while self._read(wait_ms=None):
                pass
            self._inbox.put(seen)
            self._checked = now
        if now - self._told >= STATUS_EVERY_S:
            self._tell()
            self._told = now
        self._read(wait_ms=self._wait_ms)

    def _check(self, now: float) -> QueueSeen:
        """Raise the counter, keep stream and counter from expiring, and look at the queue."""
        with self._client.pipeline(transaction=False) as pipe:
            pipe.incr(self._epoch_key)
            pipe.expire(self._epoch_key, STREAM_TTL_S)
            pipe.expire(self._stream, STREAM_TTL_S)
            pipe.llen(self._queue)
            pipe.hlen(self._unacked)
            epoch, _, _, queued, unacked = pipe.execute()
        if epoch <= self._epoch:
            log.warning("Redis at %s was wiped or set back; everything unfinished is sent again.", self._where)
            self._inbox.put(Forgotten())
        self._epoch = epoch
        return QueueSeen(queued, unacked, now)

    def _read(self, wait_ms: int | None) -> int:
        """Take what lies in the stream; how many messages that were."""
        answer: Any = self._client.xread({self._stream: "0"}, count=MOST_MESSAGES, block=wait_ms)
        entries: _Entries = answer[0][1] if answer else ()
        for _, entry in entries:
            self._take(entry)
        if entries:
            self._client.xdel(self._stream, *(identifier for identifier, _ in entries))
        return len(entries)

    def _take(self, entry: dict[bytes, bytes]) -> None:
        try:
            message = MESSAGES.validate_json(entry.get(b"m", b""))
        except ValidationError as error:
            problem = plain(str(error.errors(include_url=False, include_input=False)[0]["msg"]))
            log.warning("A message on %s is not understood and left out: %s.", self._stream, problem)
            return
        self._inbox.put(Heard(message))

    def _tell(self) -> None:
        status = self._status()
        if status is not None:
            self._client.set(self._status_key, status.model_dump_json(), ex=STATUS_TTL_S)

    def _answered(self) -> None:
        if self._away:
            log.info("Redis at %s answers again.", self._where)
        self._away = False

    def _unanswered(self, error: Exception) -> None:
        if not self._away:
            log.warning("Redis at %s does not answer: %s. Nothing is lost by it.", self._where, plain(str(error)))
        self._away = True

    def _leave(self) -> None:
        with suppress(RedisError, OSError):  # what is left there expires
            self._client.delete(self._stream, self._epoch_key, self._status_key)
        self._client.close()
