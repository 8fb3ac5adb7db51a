"""Real Milvus for tests: the server, and Milvus Lite's own server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.services.processes import Service, free_port, start

BIN = Path(sys.executable).parent
SERVER = Path(__file__).parents[2] / "scripts" / "milvus-server"
ONE_AT_A_TIME = ("--max-workers", "1")
"""Requests: Lite's log on disk has no lock. Writes that come together garble it, and a killed server can't read on."""
INNER_PORTS = (
    "root-coord",
    "proxy-internal",
    "query-coord",
    "query-node",
    "index-coord",
    "index-node",
    "data-coord",
    "data-node",
)


def answers(port: int) -> bool:
    """Whether a Milvus answers a request, not only accepts connections."""
    from pymilvus import MilvusClient
    from pymilvus.exceptions import MilvusException

    try:
        client = MilvusClient(uri=f"http://127.0.0.1:{port}", timeout=2)
        client.list_collections(timeout=2)
        client.close()
    except (MilvusException, OSError):
        return False
    return True


def start_milvus(folder: Path, *, port: int | None = None) -> Service:
    """A Milvus server with its data in `folder`."""
    port = port or free_port()
    command = [sys.executable, str(SERVER), "--data", str(folder), "--proxy-port", str(port)]
    for name in INNER_PORTS:
        command += [f"--{name}-port", str(free_port())]
    folder.mkdir(parents=True, exist_ok=True)
    env = {"ETCD_CONFIG_PATH": str(_etcd_config(folder))}
    return start(command, port=port, log=folder / "server.log", ready=lambda: answers(port), timeout_s=240, env=env)


def _etcd_config(folder: Path) -> Path:
    """Ports for the etcd inside the server, which would otherwise take 2379 and 2380 whatever it is told."""
    clients, peers = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    path = folder / "etcd.yaml"
    path.write_text(
        f"name: default\ndata-dir: {folder / 'etcd'}\n"
        f"listen-client-urls: {clients}\nadvertise-client-urls: {clients}\n"
        f"listen-peer-urls: {peers}\ninitial-advertise-peer-urls: {peers}\ninitial-cluster: default={peers}\n"
    )
    return path


def start_lite(folder: Path, *, port: int | None = None) -> Service:
    """Milvus Lite behind gRPC, with its data in `folder`."""
    port = port or free_port()
    command = [str(BIN / "milvus-lite"), "server", "--data-dir", str(folder), "--port", str(port), *ONE_AT_A_TIME]
    folder.mkdir(parents=True, exist_ok=True)
    return start(command, port=port, log=folder / "server.log", ready=lambda: answers(port))


@pytest.fixture(scope="session")
def milvus_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real Milvus server."""
    service = start_milvus(tmp_path_factory.mktemp("milvus"))
    yield f"milvus://127.0.0.1:{service.port}"
    service.stop()


@pytest.fixture(scope="session")
def lite_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Milvus Lite server."""
    service = start_lite(tmp_path_factory.mktemp("milvus-lite"))
    yield f"milvus://127.0.0.1:{service.port}"
    service.stop()
