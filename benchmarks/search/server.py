"""A Milvus server for the length of a measurement: its memory, and plain pymilvus beside our own client."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.services.milvus import start_milvus

from fourtower_search.index.capabilities import features_of

if TYPE_CHECKING:
    from pymilvus import MilvusClient
    from tests.services.processes import Service

TIMEOUT_S = 60.0
INDEXED_WITHIN_S = 900.0


@dataclass(frozen=True)
class Server:
    """A running server that nobody else uses."""

    address: str
    """As our own client wants it."""
    raw: MilvusClient
    """Without anything of ours."""
    group: int
    """Of its processes."""

    def memory_mb(self) -> float:
        """Resident memory of the server's processes."""
        kilobytes = (_resident_kb(folder, self.group) for folder in Path("/proc").glob("[0-9]*"))
        return sum(kilobytes) / 1024

    def settle(self, collection: str) -> float:
        """Seal what was written and wait until its index is searched; returns the seconds it took.

        A server does so by itself when a segment is full or old.
        """
        start = time.perf_counter()
        self.raw.flush(collection, timeout=TIMEOUT_S)
        deadline = time.monotonic() + INDEXED_WITHIN_S
        if self.lite:
            return time.perf_counter() - start
        while not self._indexed(collection):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{collection} was not indexed within {INDEXED_WITHIN_S:g} s")
            time.sleep(0.2)
        # Which of a loaded segment's indexes are in use, the server does not tell; now loaded, it has them all.
        self.raw.release_collection(collection, timeout=TIMEOUT_S)
        self.raw.load_collection(collection, timeout=TIMEOUT_S)
        return time.perf_counter() - start

    @property
    def lite(self) -> bool:
        """Whether it is Milvus Lite, whose segments are indexed when they are flushed."""
        return features_of(str(self.raw.get_server_version(timeout=TIMEOUT_S))).one_writer

    def _indexed(self, collection: str) -> bool:
        index = self.raw.describe_index(collection, "vector", timeout=TIMEOUT_S)
        return int(index["pending_index_rows"]) == 0 and str(index["state"]) == "Finished"


@contextmanager
def running_server() -> Iterator[Server]:
    """A fresh server with its data in a folder that is removed afterwards."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        service = start_milvus(Path(folder) / "milvus")
        try:
            yield from connected(service)
        finally:
            service.stop()


def connected(service: Service) -> Iterator[Server]:
    """Plain pymilvus on a server that runs."""
    from pymilvus import MilvusClient

    raw = MilvusClient(uri=f"http://127.0.0.1:{service.port}", timeout=TIMEOUT_S)
    yield Server(f"milvus://127.0.0.1:{service.port}", raw, service.process.pid)
    raw.close()


def versions() -> dict[str, str]:
    """Of the server and its client."""
    return {name: version(name) for name in ("milvus", "pymilvus")}


def _resident_kb(folder: Path, group: int) -> int:
    """What a process of the group has in memory; 0 for any other process."""
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        if int(fields[2]) != group:
            return 0
        lines = (folder / "status").read_text().splitlines()
    except (OSError, IndexError):  # it has just ended
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)
