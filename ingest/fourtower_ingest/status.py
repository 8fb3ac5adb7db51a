"""Gathers how ingestion is at one moment: lag and dead letters from Kafka, queue and processes from Redis."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pydantic import ValidationError

from fourtower_ingest.broker.admin import LogAdmin
from fourtower_ingest.errors import BrokerUnavailable, RedisUnavailable
from fourtower_ingest.log import Partition
from fourtower_ingest.redis_client import answering, connect, queue_key, status_pattern, unacked_key
from fourtower_ingest.settings import IngestSettings, RedisSettings
from fourtower_ingest.wire import ProcessStatus, Topology

if TYPE_CHECKING:
    from redis import Redis


@dataclass(frozen=True, slots=True)
class TopicStatus:
    """How far a topic is ingested."""

    lag: int
    """Records that are not done: behind the committed offsets."""
    end: int
    """The offsets of all partitions' ends, added up."""
    committed: int
    """Likewise of the committed offsets."""


@dataclass(frozen=True)
class Overview:
    """How everything is at one moment."""

    at: float
    """Seconds since 1970."""
    topics: Mapping[str, TopicStatus] = field(default_factory=dict)
    dead_letters: int | None = None
    """Records in the topic of dead letters; None if unknown."""
    queued: int | None = None
    """Tasks that wait for a worker."""
    unacked: int | None = None
    """Tasks that workers have, of all generations."""
    processes: tuple[ProcessStatus, ...] = ()
    """Those that said something within the last seconds."""
    problems: tuple[str, ...] = ()
    """What could not be asked."""

    def of_kind(self, kind: str) -> list[ProcessStatus]:
        """The ingesters, or the workers."""
        return [process for process in self.processes if process.kind == kind]


class Observer:
    """Looks at Kafka and Redis again and again; keeps its connections in between."""

    def __init__(self, settings: IngestSettings) -> None:
        self._settings = settings
        self._redis = connect(settings.redis)
        self._admin: LogAdmin | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._redis.close()
        if self._admin is not None:
            self._admin.close()

    def look(self) -> Overview:
        """How everything is now; what does not answer is named among the problems.

        Raises:
            BrokerRefused: Kafka refuses us.
            TopicMismatch: a topic is missing.
        """
        found: dict[str, Any] = {}
        problems: list[str] = []
        for ask in (self._in_kafka, self._in_redis):
            try:
                found |= ask()
            except (BrokerUnavailable, RedisUnavailable) as error:
                problems.append(str(error))
        return Overview(at=time.time(), problems=tuple(problems), **found)

    def _in_kafka(self) -> dict[str, Any]:
        self._admin = self._admin or LogAdmin(self._settings.kafka)
        topics = self._settings.topics
        ends = self._admin.ends([*topics.read, topics.dead_letters])
        begins = self._admin.begins([*topics.read, topics.dead_letters])
        committed = self._admin.committed(self._settings.ingester.group)
        dead = [part for part in ends if part.topic == topics.dead_letters]
        return {
            "topics": by_topic({part: end for part, end in ends.items() if part not in dead}, begins, committed),
            "dead_letters": sum(ends[part] - begins.get(part, 0) for part in dead),
        }

    def _in_redis(self) -> dict[str, Any]:
        own, redis = self._settings.ingester, self._settings.redis
        queue = queue_key(redis, Topology(alias=own.alias, generation=own.generation))
        with answering(redis), self._redis.pipeline(transaction=False) as pipe:
            pipe.llen(queue)
            pipe.hlen(unacked_key(redis))
            queued, unacked = pipe.execute()
            return {"queued": queued, "unacked": unacked, "processes": _processes(self._redis, redis)}


def by_topic(
    ends: Mapping[Partition, int], begins: Mapping[Partition, int], committed: Mapping[Partition, int]
) -> dict[str, TopicStatus]:
    """Add up partitions; one without a committed offset is read from its beginning."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for partition, end in ends.items():
        done = max(committed.get(partition, 0), begins.get(partition, 0))
        for place, number in enumerate((max(0, end - done), end, done)):
            sums[partition.topic][place] += number
    return {topic: TopicStatus(*numbers) for topic, numbers in sorted(sums.items())}


def processes_in(redis: RedisSettings) -> tuple[ProcessStatus, ...]:
    """The processes, of all generations, that said something within the last seconds.

    Raises:
        RedisUnavailable: Redis did not answer.
    """
    with answering(redis), connect(redis) as client:
        return _processes(client, redis)


def queued_in(redis: RedisSettings, topology: Topology) -> int:
    """Tasks that wait for the workers of a generation.

    Raises:
        RedisUnavailable: Redis did not answer.
    """
    with answering(redis), connect(redis) as client:
        return int(client.llen(queue_key(redis, topology)))


def _processes(client: Redis, redis: RedisSettings) -> tuple[ProcessStatus, ...]:
    with client.pipeline(transaction=False) as pipe:
        for key in sorted(client.scan_iter(status_pattern(redis), count=500)):
            pipe.get(key)
        return tuple(_understood(pipe.execute()))


def _understood(said: list[bytes | None]) -> list[ProcessStatus]:
    """The statuses that are ones; a key may expire between two requests."""
    found = []
    for text in said:
        try:
            found.append(ProcessStatus.model_validate_json(text or b""))
        except ValidationError:
            continue
    return sorted(found, key=lambda status: (status.kind, status.process))
