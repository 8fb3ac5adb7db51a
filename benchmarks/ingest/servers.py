"""The servers around the processes under test: Kafka, Redis, Milvus, and a slow host of pictures, all on one core."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services.kafka import KafkaBroker
from tests.services.milvus import start_lite, start_milvus
from tests.services.processes import Service, free_port
from tests.services.redis import RedisServer

from benchmarks.cores import REST, pin, unpin
from benchmarks.encode.pictures import draw_files
from benchmarks.ingest.picture_host import files_of
from benchmarks.ingest.settings import Settings


@dataclass(frozen=True)
class Servers:
    """Where everything answers."""

    folder: Path
    broker: KafkaBroker
    redis: RedisServer
    milvus: Service
    pictures: str
    files: list[Path]
    picture_port: int

    @property
    def index(self) -> str:
        """Milvus's address as our own client wants it."""
        return f"milvus://127.0.0.1:{self.milvus.port}"

    def publish(self, topic: str, lines: Path) -> None:
        """Publish a file of events, as fast as that goes."""
        subprocess.run([*self._kcat(topic), "-l", str(lines)], check=True)

    @contextmanager
    def publisher(self, topic: str) -> Iterator[subprocess.Popen[bytes]]:
        """A process that publishes each line that it is given at once."""
        with subprocess.Popen([*self._kcat(topic), "-X", "linger.ms=2"], stdin=subprocess.PIPE) as process:
            yield process

    def _kcat(self, topic: str) -> list[str]:
        partitioner = ["-X", "topic.partitioner=murmur2_random"]
        return ["kcat", "-q", "-P", "-b", self.broker.bootstrap, "-t", topic, "-K", "\t", *partitioner]


@contextmanager
def running_servers(folder: Path, settings: Settings) -> Iterator[Servers]:
    """Start everything, pin it with this process to one core, and end it afterwards."""
    pin(REST)
    pictures = folder / "pictures"
    draw_files(pictures, count=settings.files, size=settings.picture_px)
    with ExitStack() as open_things:
        open_things.callback(unpin)
        broker, redis = KafkaBroker(folder / "kafka"), RedisServer(folder / "redis")
        for server in (broker, redis):
            open_things.callback(server.stop)
            server.start()
        milvus = (start_lite if settings.milvus == "lite" else start_milvus)(folder / "milvus")
        open_things.callback(milvus.stop)
        port = free_port()
        words = [str(pictures), str(port), str(settings.picture_latency_ms)]
        host = subprocess.Popen([sys.executable, "-m", "benchmarks.ingest.picture_host", *words])
        open_things.callback(host.wait)
        open_things.callback(host.terminate)
        yield Servers(folder, broker, redis, milvus, f"http://127.0.0.1:{port}", files_of(pictures), port)
