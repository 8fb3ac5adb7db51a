"""What becomes of memory, and how often anything is encoded, when far more is offered than can be done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from benchmarks.ingest.events import line as as_line
from benchmarks.ingest.processes import Process, wait_for
from benchmarks.ingest.shop import Line
from fourtower_ingest.settings import RedisSettings
from fourtower_ingest.wire import Topology

SAMPLE_EVERY_S = 0.5
SETTLED_AFTER = 0.25
"""Share of the time after which memory should grow no more."""


class Memory:
    """Samples how much memory some processes take, until it is told to leave off."""

    def __init__(self, look: Callable[[], Mapping[str, float]]) -> None:
        self._look = look
        self._ending = threading.Event()
        self.samples: list[tuple[float, Mapping[str, float]]] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave off."""
        self._ending.set()
        self._thread.join()

    def growth(self) -> dict[str, dict[str, float]]:
        """Of each process: the most it took early and later, in MB, and their ratio."""
        end = self.samples[-1][0]
        early = [sizes for at, sizes in self.samples if at <= SETTLED_AFTER * end]
        late = [sizes for at, sizes in self.samples if at > SETTLED_AFTER * end]
        found = {}
        for name in self.samples[0][1]:
            first, then = (max(sizes.get(name, 0.0) for sizes in some) for some in (early, late))
            found[name] = {"early_mb": first, "later_mb": then, "ratio": then / first}
        return found

    def _run(self) -> None:
        began = time.monotonic()
        while not self._ending.wait(SAMPLE_EVERY_S):
            self.samples.append((time.monotonic() - began, dict(self._look())))


def overload(line: Line, capacity: float) -> tuple[dict[str, float], dict[str, Any]]:
    """Offer new products at a multiple of the capacity, end the ingester as an operator would, and count."""
    settings = line.settings
    rate = settings.overload * capacity
    encoded, events = _encoded(line.worker), _events(line.worker)
    memory = Memory(lambda: _sizes(line))
    began = time.monotonic()
    sent = 0
    with line.servers.publisher(line.topic) as publisher:
        assert publisher.stdin is not None
        while (now := time.monotonic() - began) < settings.overload_s:
            due = round(now * rate)
            lines = (as_line(line.shop.event(number, 1, "over")) for number in range(sent, due))
            publisher.stdin.write(b"".join(lines))
            publisher.stdin.flush()
            sent = due
            time.sleep(0.05)
    memory.close()
    done = _events(line.worker) - events
    line.ingester.stop()
    _finish_what_is_begun(line)
    encoded, events = _encoded(line.worker) - encoded, _events(line.worker) - events
    growth = memory.growth()
    ours = max(growth[name]["ratio"] for name in growth if name not in STORES)
    figures = {"encodes_per_event": encoded / events, "memory_growth": ours}
    rates = {"offered_per_s": sent / settings.overload_s, "done_per_s": done / settings.overload_s}
    return figures, {**rates, "events": events, "encodes": encoded, "memory": growth}


def _finish_what_is_begun(line: Line) -> None:
    """Take the tasks that wait away, and see those through that were begun: pictures of half a batch are no waste."""
    from fourtower_ingest.redis_client import connect, queue_key, unacked_key

    redis = RedisSettings(url=SecretStr(line.servers.redis.url), prefix=line.topic)
    with connect(redis) as client:
        client.delete(queue_key(redis, Topology(alias=line.alias)))
        wait_for(lambda: not client.hlen(unacked_key(redis)), "the last batches' end", within_s=LAST_BATCHES_S)
    time.sleep(VERIFIED_S)  # an event counts when it was verified, after its task is over


LAST_BATCHES_S = 240
VERIFIED_S = 5.0
STORES = ("kafka", "milvus")
"""Those keep what they are given; their memory is stated, and no figure."""


def _encoded(worker: Process) -> float:
    return worker.metric("fourtower_worker_encoded_total", what="images")


def _events(worker: Process) -> float:
    return worker.metric("fourtower_worker_events_total")


def _sizes(line: Line) -> dict[str, float]:
    """Resident megabytes of every process, and what Redis says that it holds."""
    import redis

    groups = {"ingester": line.ingester.pid, "milvus": line.servers.milvus.process.pid}
    groups["kafka"] = line.servers.broker.pid
    found = {name: sum(_resident(group).values()) for name, group in groups.items()}
    parent, *children = sorted(_resident(line.worker.pid).items())
    found["worker"] = parent[1]
    found |= {f"worker child {number}": size for number, (_, size) in enumerate(children)}
    with redis.Redis.from_url(line.servers.redis.url) as client:
        found["redis"] = float(client.info("memory")["used_memory"]) / 2**20
    return found


def _resident(group: int) -> dict[int, float]:
    """Megabytes of each process of a group, by process id."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                lines = (folder / "status").read_text().splitlines()
                found[int(folder.name)] = next(int(line.split()[1]) / 1024 for line in lines if line[:6] == "VmRSS:")
        except (OSError, IndexError, StopIteration):  # it has just ended
            continue
    return found
