"""Builds what stands on a stage from its settings: the cluster, the ways through proxies, and our processes."""

from __future__ import annotations

from pathlib import Path

from tests.faults.actors import Actor
from tests.faults.failpoints import Failpoints
from tests.faults.history import History
from tests.faults.proxy import Proxy
from tests.faults.scenario import StageSettings
from tests.services.kafka import KafkaBroker
from tests.services.milvus import start_milvus
from tests.services.processes import Server, free_port
from tests.stream.cluster import Cluster, Process

MILVUS_FOLDER = "milvus"
"""Below the cluster's."""


def build_cluster(folder: Path, broker: KafkaBroker, settings: StageSettings) -> Cluster:
    """A cluster with the engine that is asked for; none of it runs yet."""
    port = free_port()
    whole = settings.milvus == "server"
    cluster = Cluster(
        folder,
        broker,
        compacted=settings.compacted,
        partitions=settings.partitions,
        milvus=f"milvus://127.0.0.1:{port}" if whole else None,
    )
    if whole:
        cluster.milvus = Server(lambda: start_milvus(folder / MILVUS_FOLDER, port=port))
    return cluster


def through_proxies(index: str, redis: Proxy, kafka: Proxy | None) -> dict[str, str]:
    """The environment that leads our processes' ways through proxies."""
    ways = {
        "FOURTOWER_REDIS_URL": f"redis://127.0.0.1:{redis.port}/0",
        "FOURTOWER_INDEX": index,
        "FOURTOWER_WORKER_INDEX": index,
    }
    return ways if kafka is None else ways | {"FOURTOWER_KAFKA_BOOTSTRAP": f"127.0.0.1:{kafka.port}"}


def plugin_environment(settings: StageSettings, failpoints: Failpoints | None, folder: Path) -> dict[str, str]:
    """The environment in which workers use the encoder that is asked for."""
    if failpoints is not None:
        return failpoints.environment
    return {} if isinstance(settings.encoder, str) else settings.encoder(folder)


def build_process(
    kind: str, number: int, *, folder: Path, env: dict[str, str], history: History, beats: bool = False
) -> Actor:
    """A `worker` or an `ingest`, with log and metrics of its own."""
    name, port = f"{kind}-{number}", free_port()
    temporary = folder / "tmp" / name
    temporary.mkdir(parents=True, exist_ok=True)
    own = {
        f"FOURTOWER_{'WORKER' if kind == 'worker' else 'INGESTER'}_METRICS_PORT": str(port),
        "TMPDIR": str(temporary),
    }
    if beats and name == "ingest-1":
        own["FOURTOWER_INGESTER_HEARTBEAT_FILE"] = str(folder / "heartbeat")
    process = Process(kind, env=env | own, log=folder / f"{name}.log")
    return Actor(name, process, history, metrics_port=port)
