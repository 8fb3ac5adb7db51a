"""One shop: a topic, an index, a worker and ingesters, and events that go all the way through."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.cores import WORKER
from benchmarks.ingest.events import CATALOG, Shop, line, vectors
from benchmarks.ingest.processes import Process, frozen, run, wait_for
from benchmarks.ingest.servers import Servers
from benchmarks.ingest.settings import Settings
from fourtower_ingest.broker.admin import LogAdmin
from fourtower_ingest.events import Upsert
from fourtower_ingest.log import Partition
from fourtower_search.index.opening import open_index
from fourtower_search.index.product_index import ProductIndex

OPEN_S = 30.0
DONE_WITHIN_S = 300.0
SEED_BATCH = 500


class Line:
    """The whole way from a topic to an index, with one model; enter it to start its processes."""

    def __init__(self, servers: Servers, settings: Settings, model: Path, name: str) -> None:
        self.servers, self.settings, self.model = servers, settings, model
        self.shop = Shop(servers.pictures)
        self.topic = f"{name}-{uuid.uuid4().hex[:6]}"
        self.alias = self.topic.replace("-", "_")
        self.folder = servers.folder / self.topic
        self.folder.mkdir()
        (self.folder / "catalog.toml").write_text(CATALOG)
        self.published = self.version = 0
        self._open = ExitStack()
        self.ingesters: list[Process] = []

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            catalog = str(self.folder / "catalog.toml")
            run("bootstrap", "--catalog", catalog, env=self.env)
            run("bootstrap", "--no-topics", "--catalog", catalog, "--alias", self.raw_alias, env=self.env)
            log = self.folder / "worker.log"
            self.worker = Process(
                "worker", env=self.env, log=log, port_variable="FOURTOWER_WORKER_METRICS_PORT", core=WORKER
            )
            opened.callback(self.worker.kill)
            opened.callback(self._kill_ingesters)
            self.start_ingester()
            self.worker.wait_until_ready()
            self._open = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def raw_alias(self) -> str:
        """An index of the same catalog that no worker fills."""
        return f"{self.alias}_raw"

    @property
    def ingester(self) -> Process:
        """The first one."""
        return self.ingesters[0]

    def _kill_ingesters(self) -> None:
        for process in self.ingesters:
            process.kill()

    def start_ingester(self) -> Process:
        """One more."""
        log = self.folder / f"ingester-{len(self.ingesters)}.log"
        process = Process("ingest", env=self.env, log=log, port_variable="FOURTOWER_INGESTER_METRICS_PORT")
        self.ingesters.append(process)
        process.wait_until_ready()
        return process

    def index(self, *, raw: bool = False) -> ProductIndex:
        """The index, opened by this process."""
        return open_index(self.servers.index, alias=self.raw_alias if raw else self.alias, timeout_s=OPEN_S)

    def prices(self, versions: int) -> Iterator[Upsert]:
        """So many new prices of each product that was seeded."""
        first = self.version + 1
        self.version += versions
        return self.shop.prices(self.settings.products, range(first, first + versions))

    def repeated_prices(self, versions: int) -> Iterator[Upsert]:
        """The same events as the last ones, and older ones."""
        return self.shop.prices(self.settings.products, range(self.version - versions + 1, self.version + 1))

    def seed(self) -> None:
        """Write the first version of all products into both indexes, as if a worker had encoded them."""
        products, self.version = self.settings.products, 1
        for raw in (False, True):
            with self.index(raw=raw) as index:
                drawn = vectors(products, index.dim // 2)
                events = (self.shop.event(number, self.version) for number in range(products))
                writes = [
                    self.shop.write(event, index.schema, index.model_id, vector, self.topic)
                    for event, vector in zip(events, drawn, strict=True)
                ]
                for start in range(0, products, SEED_BATCH):
                    failed = [o for o in index.apply(writes[start : start + SEED_BATCH]) if o.status != "applied"]
                    assert not failed, failed[0]

    def lines(self, events: Iterable[Upsert]) -> Path:
        """A file of events that can be published."""
        path = self.folder / f"{uuid.uuid4().hex}.events"
        with path.open("wb") as file:
            file.writelines(map(line, events))
        return path

    def time_through(self, lines: Path) -> float:
        """Publish events while the ingesters are frozen; the seconds from then on until all are done."""
        count = lines.read_bytes().count(b"\n")
        with frozen(*self.ingesters):
            self.servers.publish(self.topic, lines)
            began = time.perf_counter()
        self.published += count
        return wait_for(self.is_done, f"{count} events becoming searchable", within_s=DONE_WITHIN_S) - began

    def is_done(self) -> bool:
        """Whether every published event is done."""
        return self.done() >= self.published

    def done(self) -> int:
        """Events that are done, by the ingesters' count."""
        return int(sum(each.metric("fourtower_ingest_events_total") for each in self.ingesters))

    def ends(self) -> dict[Partition, int]:
        """Where each partition of the topic ends."""
        with LogAdmin(self.servers.broker.settings()) as admin:
            found: dict[Partition, int] = dict(admin.ends((self.topic,)))
        return found

    @property
    def env(self) -> dict[str, str]:
        """What the processes are told."""
        settings, servers = self.settings, self.servers
        return {
            "FOURTOWER_KAFKA_BOOTSTRAP": servers.broker.bootstrap,
            "FOURTOWER_REDIS_URL": servers.redis.url,
            "FOURTOWER_REDIS_PREFIX": self.topic,
            "FOURTOWER_TOPIC_UPDATES": self.topic,
            "FOURTOWER_TOPIC_DEAD_LETTERS": f"{self.topic}.dlq",
            "FOURTOWER_TOPIC_REPLAYS": f"{self.topic}.replay",
            "FOURTOWER_TOPIC_PARTITIONS": str(settings.partitions),
            "FOURTOWER_INGESTER_GROUP": self.topic,
            "FOURTOWER_INGESTER_ALIAS": self.alias,
            "FOURTOWER_FLOW_BATCH": str(settings.batch),
            "FOURTOWER_FLOW_LINGER_MS": str(settings.linger_ms),
            "FOURTOWER_FLOW_BATCHES_IN_FLIGHT": str(settings.in_flight),
            "FOURTOWER_WORKER_INDEX": servers.index,
            "FOURTOWER_WORKER_ALIAS": self.alias,
            "FOURTOWER_WORKER_MODEL": str(self.model),
            "FOURTOWER_WORKER_DEVICE": "cpu",
            "FOURTOWER_WORKER_PROCESSES": str(settings.children),
            "FOURTOWER_WORKER_THREADS": str(settings.threads),
            "FOURTOWER_WORKER_BATCH": str(settings.pictures_per_run),
            "FOURTOWER_WORKER_ALLOW_HOSTS": "127.0.0.1",
            "FOURTOWER_WORKER_ALLOW_PRIVATE": "127.0.0.0/8",
            "FOURTOWER_WORKER_FETCH_PORTS": str(servers.picture_port),
            "TERM": "dumb",
        }
