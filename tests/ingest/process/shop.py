"""A shop whose catalog is ingested by real processes: topics and keys of its own, and what to ask about them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.ingest.process.waiting import eventually
from tests.services.kafka import KafkaBroker
from tests.services.redis import RedisServer

from fourtower_ingest.broker.admin import LogAdmin
from fourtower_ingest.broker.producer import LogProducer
from fourtower_ingest.broker.ranges import read_range
from fourtower_ingest.dead_letters import DeadLetter, read_letter
from fourtower_ingest.events import Delete
from fourtower_ingest.log import Partition
from fourtower_ingest.redis_client import connect
from fourtower_ingest.settings import RedisSettings
from fourtower_ingest.wire import ProcessStatus, status_name

FOURTOWER = Path(sys.executable).parent / "fourtower"


class Running:
    """One ingester process."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self.log = process, log

    def said(self) -> str:
        return self.log.read_text()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.said().splitlines() if line.startswith("{")]

    def end(self, *, within_s: float = 40.0) -> int:
        """Ask it to end, and wait: its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait(within_s=within_s)

    def wait(self, *, within_s: float = 40.0) -> int:
        return self.process.wait(timeout=within_s)


class Shop:
    """Names of its own on a broker and a Redis."""

    def __init__(self, kafka: KafkaBroker, redis: RedisServer, folder: Path, *, partitions: int = 2) -> None:
        self.name = f"shop{uuid4().hex[:8]}"
        self.kafka, self.folder, self.partitions = kafka, folder, partitions
        self.redis = RedisSettings(url=redis.url, prefix=self.name, timeout_s=1.0)
        self.heartbeat = folder / "heartbeat"
        self._started = 0

    def create_topics(self) -> None:
        with self.admin() as admin:
            for topic in (self.name, f"{self.name}.dlq", f"{self.name}.replay"):
                admin.create(topic, partitions=self.partitions, replication=1, configs={})

    def admin(self) -> LogAdmin:
        return LogAdmin(self.kafka.settings())

    def environment(self, **changes: object) -> dict[str, str]:
        settings = {
            "KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "KAFKA_REQUEST_TIMEOUT_S": 5,
            "REDIS_URL": self.redis.url.get_secret_value(),
            "REDIS_PREFIX": self.redis.prefix,
            "REDIS_TIMEOUT_S": 1,
            "TOPIC_UPDATES": self.name,
            "TOPIC_DEAD_LETTERS": f"{self.name}.dlq",
            "TOPIC_REPLAYS": f"{self.name}.replay",
            "FLOW_LINGER_MS": 20,
            "INGESTER_GROUP": self.name,
            "INGESTER_SESSION_TIMEOUT_S": 6,
            "INGESTER_HEARTBEAT_FILE": self.heartbeat,
            "INGESTER_LOG_FORMAT": "json",
            **changes,
        }
        return {f"FOURTOWER_{name}": str(value) for name, value in settings.items()}

    @contextmanager
    def ingester(self, **changes: object) -> Iterator[Running]:
        """A running ingester, ended by force if it is still there afterwards."""
        self._started += 1
        log = self.folder / f"ingester-{self._started}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [FOURTOWER, "ingest"], env={**os.environ, **self.environment(**changes)}, stdout=output, stderr=output
            )
        running = Running(process, log)
        try:
            yield running
        except BaseException:
            print(running.said()[-6000:])
            raise
        finally:
            process.kill()
            process.wait(10)

    def publish(self, records: Iterable[tuple[bytes | None, bytes | None]], *, topic: str = "") -> None:
        with LogProducer(self.kafka.settings()) as producer:
            sent = [producer.send(topic or self.name, key=key, value=value) for key, value in records]
            for future in sent:
                future.result(20)

    def publish_deletes(self, numbers: Iterable[int]) -> None:
        """Valid events, one for each product."""
        events = [Delete(product_id=f"p{number}", version=1) for number in numbers]
        self.publish((event.product_id.encode(), event.to_json()) for event in events)

    def publish_bad(self, count: int) -> None:
        self.publish((f"b{number}".encode(), b"{") for number in range(count))

    def lag(self) -> int:
        """Records that are not committed."""
        topics = [self.name, f"{self.name}.replay"]
        with self.admin() as admin:
            ends, committed = admin.ends(topics), admin.committed(self.name)
        return sum(end - committed.get(partition, 0) for partition, end in ends.items())

    def await_committed(self, *, within_s: float = 30.0) -> None:
        eventually(lambda: self.lag() == 0, "everything is committed", within_s=within_s)

    def letters(self) -> list[DeadLetter]:
        found = [read_letter(record) for record in read_range(self.kafka.settings(), f"{self.name}.dlq")]
        return [letter for letter in found if isinstance(letter, DeadLetter)]

    def statuses(self) -> list[ProcessStatus]:
        with connect(self.redis) as client:
            keys = client.keys(status_name(self.redis.prefix, "*"))
            return [ProcessStatus.model_validate_json(said) for key in keys if (said := client.get(key))]

    def fact(self, name: str) -> Any:
        """What the one ingester says of itself; None as long as it says nothing."""
        said = self.statuses()
        return said[0].facts[name] if said else None

    def partition_of(self, key: bytes) -> Partition:
        """Where the records of a key lie."""
        for record in read_range(self.kafka.settings(), self.name):
            if record.key == key:
                return record.place.partition
        raise AssertionError(f"no record with the key {key!r}")
