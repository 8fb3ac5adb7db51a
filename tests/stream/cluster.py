"""Everything that streaming needs, as real processes: Redis, Milvus, an ingester, a worker, and single commands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

from tests.services.kafka import KafkaBroker
from tests.services.milvus import start_lite
from tests.services.processes import Server, free_port
from tests.services.redis import RedisServer
from tests.stream.generator import CATALOG, Message, draw_pictures

FOURTOWER = [sys.executable, "-c", "from fourtower_workers.cli import main; main()"]
GROUP = "shop"


def wait_until(condition: Callable[[], Any], *, what: str, timeout_s: float = 90, every_s: float = 0.2) -> Any:
    """Wait for something to be true, and return it."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout_s:g} s still not so: {what}")
        time.sleep(every_s)
    return found


class Process:
    """One `fourtower` process in a group of its own, with its log."""

    program: ClassVar = FOURTOWER

    def __init__(self, *words: str, env: dict[str, str], log: Path) -> None:
        self.words, self.env, self.log = words, env, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [*self.program, *self.words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=os.environ | self.env,
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def children(self) -> list[int]:
        """The process ids of what the worker started, oldest first: its children, and who counts their semaphores."""
        command = ["ps", "-o", "pid=,args=", "--ppid", str(self.pid)]
        listed = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = [line.split(None, 1) for line in listed.stdout.splitlines()]
        return sorted(int(pid) for pid, command in lines if "spawn_main" in command or "billiard" in command)

    def kill(self) -> None:
        """As the kernel does when memory runs out: with everything that it started."""
        os.killpg(self.pid, signal.SIGKILL)
        assert self._process is not None
        self._process.wait(timeout=10)

    def freeze(self) -> None:
        """Keep it and its children from doing anything."""
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        os.killpg(self.pid, signal.SIGCONT)

    def stop(self, *, timeout_s: float = 60) -> int:
        """Tell it to end, wait, and return its exit code."""
        assert self._process is not None
        if self.alive:
            self._process.terminate()
        try:
            return self._process.wait(timeout=timeout_s)
        finally:
            if self.alive:
                self.kill()


class Cluster:
    """One index, one set of topics, and what moves events from the one to the other.

    Args:
        folder: for data and logs.
        broker: a Kafka, which others may use as well.
        compacted: whether the topic is.
        environment: further settings.
        redis: the kind of Redis.
        milvus: address of a server that runs already; by default a Milvus Lite server of the cluster's own.
    """

    def __init__(
        self,
        folder: Path,
        broker: KafkaBroker,
        *,
        compacted: bool = False,
        partitions: int = 3,
        milvus: str | None = None,
        environment: dict[str, str] | None = None,
        redis: type[RedisServer] = RedisServer,
    ) -> None:
        self.folder, self.broker = folder, broker
        draw_pictures(folder)
        (folder / "catalog.toml").write_text(CATALOG)
        self.topic = f"shop-{uuid.uuid4().hex[:8]}"
        self.dead_letters, self.replays = f"{self.topic}.dlq", f"{self.topic}.replay"
        self.redis = redis(folder / "redis")
        port = free_port()
        self._own_milvus = milvus is None
        self.milvus = Server(lambda: start_lite(folder / "milvus", port=port))
        self.index = milvus or f"milvus://127.0.0.1:{port}"
        self.alias = self.topic.replace("-", "_")
        self.env = {
            "FOURTOWER_KAFKA_BOOTSTRAP": broker.bootstrap,
            "FOURTOWER_KAFKA_REQUEST_TIMEOUT_S": "15",
            "FOURTOWER_REDIS_URL": self.redis.url,
            "FOURTOWER_TOPIC_UPDATES": self.topic,
            "FOURTOWER_TOPIC_DEAD_LETTERS": self.dead_letters,
            "FOURTOWER_TOPIC_REPLAYS": self.replays,
            "FOURTOWER_TOPIC_PARTITIONS": str(partitions),
            "FOURTOWER_TOPIC_COMPACTED": str(compacted).lower(),
            "FOURTOWER_INGESTER_GROUP": GROUP + self.topic,
            "FOURTOWER_INGESTER_SESSION_TIMEOUT_S": "6",
            "FOURTOWER_FLOW_PATCH_BASE_TIMEOUT_S": "10",
            "FOURTOWER_INGESTER_ALIAS": self.alias,
            "FOURTOWER_INDEX": self.index,
            "FOURTOWER_ALIAS": self.alias,
            "FOURTOWER_WORKER_INDEX": self.index,
            "FOURTOWER_WORKER_ALIAS": self.alias,
            "FOURTOWER_WORKER_IMAGE_ROOT": str(folder),
            "FOURTOWER_WORKER_THREADS": "2",
            "OMP_NUM_THREADS": "1",
            "TERM": "dumb",
        } | (environment or {})
        self.ingester = self._process("ingest")
        self.worker = self._process("worker")

    def start(self) -> None:
        """Bring everything up, in an order that a careful person would choose."""
        self.redis.start()
        if self._own_milvus:
            self.milvus.start()
        self.prepare()
        self.worker.start()
        self.ingester.start()

    def prepare(self) -> None:
        """Create topics and index."""
        self.fourtower("bootstrap", "--catalog", str(self.folder / "catalog.toml"))

    def stop(self) -> None:
        """End everything that still runs."""
        for process in (self.ingester, self.worker):
            if process.alive:
                process.kill()
        if self._own_milvus:
            self.milvus.stop()
        self.redis.stop()

    def fourtower(self, *words: str, code: int | None = 0) -> str:
        """Run a command to its end and return what it printed."""
        done = subprocess.run(
            [*FOURTOWER, *words], env=os.environ | self.env, capture_output=True, text=True, timeout=120, check=False
        )
        assert code is None or done.returncode == code, f"fourtower {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def produce(self, messages: Sequence[Message]) -> None:
        """Publish with our own command."""
        path = self.folder / f"events-{uuid.uuid4().hex[:8]}.jsonl"
        path.write_bytes(b"".join((message.value or b"") + b"\n" for message in messages))
        self.fourtower("produce", str(path))

    def kcat(self, messages: Sequence[Message], *options: str, topic: str | None = None) -> None:
        """Publish with a client of another language; records with the same headers go together."""
        for (headers, keyed), group in groupby(messages, lambda each: (each.headers, each.key is not None)):
            words = [word for name, value in headers for word in ("-H", f"{name}={value.decode()}")]
            words += ["-K", "\t"] if keyed else []
            lines = [_line(message) for message in group]
            words += ["-X", "topic.partitioner=murmur2_random", "-q", *options]
            subprocess.run(
                ["kcat", "-P", "-b", self.broker.bootstrap, "-t", topic or self.topic, "-Z", *words],
                input=b"".join(lines),
                check=True,
                timeout=60,
            )

    def committed(self) -> dict[tuple[str, int], int]:
        """The group's committed offsets."""
        from fourtower_ingest.broker.admin import LogAdmin

        with LogAdmin(self.broker.settings()) as admin:
            return {tuple(partition): offset for partition, offset in admin.committed(GROUP + self.topic).items()}

    def ends(self, *topics: str) -> dict[tuple[str, int], int]:
        """The end of each partition that holds anything."""
        from fourtower_ingest.broker.admin import LogAdmin

        with LogAdmin(self.broker.settings()) as admin:
            return {tuple(partition): offset for partition, offset in admin.ends(topics or (self.topic,)).items()}

    def wait_until_done(self, *, timeout_s: float = 90) -> None:
        """Wait until every record is done with."""
        ends = self.ends()

        def done() -> bool:
            self.check_alive()
            committed = self.committed()
            return all(committed.get(partition, 0) == end for partition, end in ends.items())

        try:
            wait_until(done, what="all offsets are committed", timeout_s=timeout_s, every_s=0.5)
        except AssertionError as error:
            raise AssertionError(f"{error}; committed {self.committed()} of {ends}\n{self.logs()}") from None

    def wait_until_committed(self, count: int) -> None:
        """Wait until so many records are done with."""
        wait_until(lambda: sum(self.committed().values()) >= count, what=f"{count} records are done")

    def check_alive(self) -> None:
        """Fail at once where a process has ended."""
        for process in (self.ingester, self.worker):
            assert process.alive, f"{process.words[0]} has ended\n{self.logs()}"

    def logs(self) -> str:
        """The ends of the processes' logs."""
        return "\n".join(
            f"--- {process.words[0]}\n{process.log.read_text(errors='replace')[-4000:]}"
            for process in (self.ingester, self.worker)
            if process.log.exists()
        )

    def _process(self, *words: str) -> Process:
        return Process(*words, env=self.env, log=self.folder / f"{words[0]}.log")


def _line(message: Message) -> bytes:
    value = message.value or b""
    line = value if message.key is None else message.key + b"\t" + value
    assert b"\n" not in line
    return line + b"\n"
