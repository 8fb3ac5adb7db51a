"""Stands in for a worker: takes real tasks from Celery's queue in Redis, and answers what a test tells it to."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

from redis.exceptions import RedisError

from fourtower_ingest.redis_client import connect, queue_key, unacked_key
from fourtower_ingest.settings import RedisSettings
from fourtower_ingest.wire import Done, EventReport, IndexBatch, Lost, Started, Topology, Written

Message = Started | Written | Done | Lost
Answer = Callable[[IndexBatch], Iterable[Message]]


def report(batch: IndexBatch, **fields: Any) -> Done:
    """The same for every event of a batch."""
    return Done(attempt=batch.attempt, reports=tuple(EventReport(**fields) for _ in batch.events))


def applied(batch: IndexBatch) -> list[Message]:
    """All went well."""
    attempt = batch.attempt
    return [Started(attempt=attempt, worker="w"), Written(attempt=attempt), report(batch, status="applied")]


def silent(batch: IndexBatch) -> list[Message]:
    """A worker that never says a word."""
    return []


def unpacked(task: bytes) -> IndexBatch:
    """The batch in a task as it lies in the queue."""
    body = json.loads(base64.b64decode(json.loads(task)["body"]))
    return IndexBatch.model_validate(body[0][0])


class StandIn:
    """Takes one task after the other until it is closed."""

    def __init__(self, redis: RedisSettings, answer: Answer = applied, *, topology: Topology | None = None) -> None:
        self.answer = answer
        self.batches: list[IndexBatch] = []
        self._redis, self._topology = redis, topology or Topology()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> StandIn:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def products(self) -> list[str]:
        """The ids of the events, as they came."""
        return [json.loads(event)["product_id"] for batch in list(self.batches) for event in batch.events]

    def _work(self) -> None:
        with connect(self._redis, timeout_s=1) as client:
            while not self._stop.is_set():
                try:
                    self._take(client)
                except (RedisError, OSError):
                    self._stop.wait(0.1)

    def _take(self, client: Any) -> None:
        found = client.brpop([queue_key(self._redis, self._topology)], timeout=0.2)
        if found is None:
            return
        batch = unpacked(found[1])
        self.batches.append(batch)
        unacked = unacked_key(self._redis)
        self._insist(lambda: client.hset(unacked, batch.attempt, found[1]))
        for message in self.answer(batch):
            said = {"m": message.model_dump_json()}
            self._insist(lambda said=said: client.xadd(batch.stream, said))
        self._insist(lambda: client.hdel(unacked, batch.attempt))

    def _insist(self, command: Callable[[], object]) -> None:
        """Try until Redis takes it, as a worker does that goes on working."""
        while True:
            try:
                command()
            except (RedisError, OSError):
                if self._stop.wait(0.1):
                    return
            else:
                return
