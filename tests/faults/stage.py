"""The stage of a scenario: servers behind proxies, our processes, observers, a history, and what a nemesis may do."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from tests.faults.actors import Actor
from tests.faults.assembly import MILVUS_FOLDER, build_cluster, build_process, plugin_environment, through_proxies
from tests.faults.failpoints import Failpoints, failpoints_of
from tests.faults.history import History
from tests.faults.metrics import ready, scraped
from tests.faults.proxy import Proxy
from tests.faults.publishing import Publisher
from tests.faults.scenario import StageSettings
from tests.services.kafka import KafkaBroker
from tests.stream.cluster import wait_until
from tests.stream.generator import Message, messages
from tests.stream.verdict import Raw, read_log

from fourtower_encoders.fetching import ImageFetcher
from fourtower_ingest.errors import BrokerUnavailable
from fourtower_ingest.redis_client import queue_key, unacked_key
from fourtower_ingest.settings import RedisSettings
from fourtower_ingest.wire import Topology

Partitions = dict[tuple[str, int], int]
USUAL = StageSettings()
ACKNOWLEDGED_S = 5.0


class Stage:
    """Opened with `with`, which starts everything and ends it.

    Our processes reach Kafka, Redis and Milvus through `kafka_proxy`, `redis_proxy` and `milvus_proxy`; the stage
    itself, its sampler and the final check ask the servers directly.

    Args:
        folder: for data, logs and the history; empty.
        settings: what stands on it.
        seed: of `chance` and of `messages()`.
        events: that `messages()` gives.
        broker: a Kafka that others use as well, without a proxy; by default the stage has one of its own.
        watch: whether observers run.
    """

    def __init__(
        self,
        folder: Path,
        settings: StageSettings = USUAL,
        *,
        seed: int = 1,
        events: int = 1_500,
        broker: KafkaBroker | None = None,
        watch: bool = True,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.settings, self.seed, self.events = folder, settings, seed, events
        self.chance = random.Random(seed)
        self.history = History(folder / "history.jsonl")
        self._failpoints = failpoints_of(settings.encoder, folder / "plugin")
        self._open, self._open_first, self._watch = ExitStack(), ExitStack(), watch
        self._broker = broker or KafkaBroker(folder / "kafka")
        self._own_broker = broker is None
        self.cluster = build_cluster(folder / "cluster", self._broker, settings)
        self.redis_proxy = Proxy(self.cluster.redis.port)
        self.milvus_proxy = Proxy(int(self.cluster.index.rpartition(":")[2]))
        self.kafka_proxy = Proxy(self._broker.relayed_port)
        self.index = f"milvus://127.0.0.1:{self.milvus_proxy.port}"
        """Its address, through the proxy."""
        self.kafka = Actor("kafka", self._broker, self.history)
        self.redis = Actor("redis", self.cluster.redis, self.history)
        self.milvus = Actor("milvus", self.cluster.milvus, self.history)
        self._set_environment()
        self.milvus_folder = self.cluster.folder / MILVUS_FOLDER
        """Where Milvus Lite's data lie."""
        self.workers = [self._process("worker", number) for number in range(1, settings.workers + 1)]
        self.ingesters = [self._process("ingest", number) for number in range(1, settings.ingesters + 1)]
        self.published = 0
        self.extra: Any = None
        """Whatever `around` wants to keep for the scenario."""
        self.expect_dead: set[str] = set()
        """Products whose only event is legal and dies nevertheless, so that they are not in the index: poison."""
        self.fetcher: ImageFetcher | None = None
        """With which the final check has pictures from a network."""
        self._struck_at: float | None = None
        self.healed_at: float | None = None
        self.recovered_s: float | None = None

    def _set_environment(self) -> None:
        """A Kafka of other people's knows nothing of our proxy."""
        if self._own_broker:
            self._broker.relay_port = self.kafka_proxy.port
        self.cluster.env |= through_proxies(
            self.index, self.redis_proxy, self.kafka_proxy if self._own_broker else None
        )
        self.cluster.env |= plugin_environment(self.settings, self._failpoints, self.folder / "plugin")
        self.cluster.env |= dict(self.settings.environment)

    # Its life

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            starting.callback(self.close)
            self._start()
            starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything that still runs."""
        with self._open_first, self._open:
            pass
        self.history.close()

    def _start(self) -> None:
        self._open.callback(self._end)
        if self.settings.around is not None:
            more = self._open_first.enter_context(self.settings.around(self))
            for env in (self.cluster.env, *(actor.process.env for actor in self.processes)):
                env.update(more)
        if self._own_broker:
            self.kafka.start()
        self.redis.start()
        self.milvus.start()
        self.cluster.prepare()
        self.publisher = Publisher(self.bootstrap, self._published)
        self._open.callback(self.publisher.close)
        for actor in (*self.workers, *self.ingesters):
            actor.start()
        self.wait(lambda: all(ready(worker.metrics_port) for worker in self.workers), what="workers are ready")
        if self._watch:
            from tests.faults.observers import Observers

            self._open.enter_context(Observers(self))

    def _end(self) -> None:
        for proxy in (self.redis_proxy, self.milvus_proxy, self.kafka_proxy):
            proxy.close()
        for actor in self.processes:
            if actor.alive:
                actor.target.kill()
        self.milvus.target.stop()
        self.cluster.stop()
        if self._own_broker:
            self._broker.stop()

    # Who is on it

    @property
    def worker(self) -> Actor:
        """The first of them."""
        return self.workers[0]

    @property
    def ingester(self) -> Actor:
        """The first of them."""
        return self.ingesters[0]

    @property
    def failpoints(self) -> Failpoints:
        """Places where workers' children stop; of a stage whose encoder is one of that kind."""
        assert self._failpoints is not None, "the stage has the plain towers"
        return self._failpoints

    @property
    def processes(self) -> list[Actor]:
        """Ours, whether they run or not."""
        return [*self.workers, *self.ingesters]

    @property
    def actors(self) -> list[Actor]:
        """Everybody."""
        return [*self.processes, self.redis, self.milvus, *([self.kafka] if self._own_broker else [])]

    def add_ingester(self) -> Actor:
        """One more of the group; started."""
        return self._added("ingest", self.ingesters)

    def add_worker(self) -> Actor:
        """One more of the queue; started."""
        return self._added("worker", self.workers)

    def _added(self, kind: str, own: list[Actor]) -> Actor:
        actor = self._process(kind, len(own) + 1)
        own.append(actor)
        actor.start()
        return actor

    # What happens on it

    def messages(self, count: int | None = None) -> list[Message]:
        """A shop's day, as `tests.stream.generator` draws it from the seed."""
        return messages(count or self.events, seed=self.seed)

    def publish(self, events: Sequence[Message], *, per_s: float | None = None, topic: str | None = None) -> None:
        """Publish all at once, or about so many per second; returns when the broker has them all."""
        self.publisher.publish(events, topic or self.topic, per_s=per_s)

    def publish_steadily(self, events: Sequence[Message], *, per_s: float) -> None:
        """Publish in the background, so that whatever strikes meanwhile strikes under load; `settle` waits for it."""
        self.publisher.in_background(events, self.topic, per_s=per_s)

    def _published(self, count: int, topic: str) -> None:
        self.published += count
        self.note("publish", count=count, topic=topic)

    def note(self, op: str, **facts: Any) -> None:
        """Write something into the history."""
        self.history.note("stage", op, **facts)

    def strike(self, what: str) -> None:
        """The fault begins; there must be work left, or it would hit nothing."""
        left = self._asked(self.left)
        left = left or int(self.publisher.busy)
        self.note("strike", what=what, left=left)
        self._struck_at, self.healed_at = time.monotonic(), None
        assert left != 0, "the fault would strike when all is done; publish more"

    def heal(self) -> None:
        """The fault is over: from now on seconds to recover are counted."""
        self.healed_at = time.monotonic()
        self.note("heal", left=self._asked(self.left))

    def pause(self, seconds: float) -> None:
        """Let a fault last."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(min(0.2, max(0.0, end - time.monotonic())))

    # What it can be asked

    @property
    def topic(self) -> str:
        """Where events are published."""
        return self.cluster.topic

    @property
    def bootstrap(self) -> str:
        """Of Kafka, without a proxy."""
        return self._broker.bootstrap

    def fourtower(self, *words: str, code: int | None = 0) -> str:
        """Run a command to its end, and return what it printed."""
        return self.cluster.fourtower(*words, code=code)

    def dead_letters(self) -> list[Raw]:
        """All that were written."""
        return read_log(self.bootstrap, self.cluster.dead_letters)

    def metrics(self, actor: Actor) -> dict[str, float]:
        """What a process of ours shows to Prometheus; keys are like `fourtower_ingest_paused` or `name{a="b"}`.

        Raises:
            OSError: it does not answer.
        """
        return scraped(actor.metrics_port)

    # How far it is

    def committed(self) -> Partitions:
        """The group's committed offsets.

        Raises:
            BrokerUnavailable: Kafka does not answer.
        """
        return self.cluster.committed()

    def ends(self) -> Partitions:
        """The ends of all partitions that ingesters read."""
        topics = [self.cluster.topic, *([self.cluster.replays] if self.settings.compacted else [])]
        return self.cluster.ends(*topics)

    def left(self) -> int:
        """Records that are not done with."""
        committed = self.committed()
        return sum(max(0, end - committed.get(partition, 0)) for partition, end in self.ends().items())

    def wait_until_committed(self, count: int, *, timeout_s: float = 90) -> None:
        """Wait until so many records are done with, all told."""
        self.wait(
            lambda: sum(self.committed().values()) >= count, what=f"{count} records are done", timeout_s=timeout_s
        )

    def wait_for_progress(self, count: int = 100, *, timeout_s: float = 90) -> None:
        """Wait until so many more records are done with."""
        self.wait_until_committed(sum(self.committed().values()) + count, timeout_s=timeout_s)

    def wait(self, condition: Callable[[], Any], *, what: str, timeout_s: float = 90) -> Any:
        """Wait for something to be true, and return it; a Kafka that is away makes nothing true.

        Raises:
            AssertionError: it is not in time, or one of our processes has ended by itself.
        """

        def true() -> Any:
            self.check_alive()
            return self._asked(condition)

        try:
            return wait_until(true, what=what, timeout_s=timeout_s, every_s=0.3)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self._situation()}") from None

    def settle(self, timeout_s: float = 90) -> None:
        """Wait until every record is done with, and nothing of it is in the queue.

        A task whose acknowledgement was lost stays with the unacknowledged ones until the visibility timeout; it is
        done, and so it is waited for only a moment.
        """
        self.publisher.join()
        began = time.monotonic()
        self.wait(self._settled, what="all is settled", timeout_s=timeout_s)
        self.recovered_s = time.monotonic() - (self.healed_at or began)
        self.healed_at = None  # what has settled once does not recover from the same fault again
        end = time.monotonic() + ACKNOWLEDGED_S
        while (left := self._asked(self.tasks)) and left["unacked"] and time.monotonic() < end:
            time.sleep(0.1)
        self.note("settled", seconds=round(self.recovered_s, 2), **(left or {}))

    def recover(self, *, timeout_s: float = 90) -> float:
        """Wait until all is done with that is there now, though more may come; returns how long that took."""
        began = self.healed_at or time.monotonic()
        ends = self.wait(self.ends, what="Kafka answers", timeout_s=timeout_s)

        def done() -> bool:
            committed = self.committed()
            return all(committed.get(partition, 0) >= end for partition, end in ends.items())

        self.wait(done, what="what was there is done", timeout_s=timeout_s)
        took = time.monotonic() - began
        self.note("recovered", seconds=round(took, 2))
        return took

    def check_alive(self) -> None:
        """Fail at once where a process of ours has ended that nobody ended."""
        for actor in self.processes:
            assert actor.alive or not actor.wanted, f"{actor.name} has ended by itself\n{self.logs()}"

    def logs(self, length: int = 3_000) -> str:
        """The ends of our processes' logs."""
        logs = [actor.process.log for actor in self.processes if actor.process.log.exists()]
        return "\n".join(f"--- {log.stem}\n{log.read_text(errors='replace')[-length:]}" for log in logs)

    def _settled(self) -> bool:
        committed = self.committed()
        done = all(committed.get(partition, 0) == end for partition, end in self.ends().items())
        return done and not self.tasks()["queued"]

    def tasks(self) -> dict[str, int]:
        """How many are queued, and with workers.

        Raises:
            redis.RedisError: Redis does not answer.
        """
        import redis

        settings = RedisSettings(url=self.cluster.redis.url)
        with redis.Redis.from_url(self.cluster.redis.url, socket_timeout=2) as client:
            queue = queue_key(settings, Topology(alias=self.cluster.alias, generation=1))
            return {"queued": int(client.llen(queue)), "unacked": int(client.hlen(unacked_key(settings)))}

    def _situation(self) -> str:
        lag = self._asked(lambda: {"committed": self.committed(), "ends": self.ends()})
        return f"{lag}; tasks: {self._asked(self.tasks)}\n{self.logs()}"

    def _asked(self, question: Callable[[], Any]) -> Any:
        """Its answer; None where a server does not give one."""
        from redis.exceptions import RedisError

        try:
            return question()
        except (BrokerUnavailable, RedisError, OSError):
            return None

    def _process(self, kind: str, number: int) -> Actor:
        return build_process(
            kind,
            number,
            folder=self.folder,
            env=self.cluster.env,
            history=self.history,
            beats=self.settings.heartbeats,
        )
