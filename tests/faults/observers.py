"""What runs beside every scenario and only looks: a strong reader, a searcher, and a taker of measurements."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from tests.faults.actors import Actor
from tests.faults.footprints import Footprint, footprints
from tests.faults.metrics import total
from tests.stream.cluster import GROUP, Process

from fourtower_ingest.broker.admin import LogAdmin
from fourtower_ingest.errors import IngestError
from fourtower_search.errors import SearchError
from fourtower_search.index.convergence import Stored
from fourtower_search.index.opening import open_index
from fourtower_search.index.product_index import ProductIndex

if TYPE_CHECKING:
    from tests.faults.stage import Stage

ROOT = Path(__file__).parents[2]
SAMPLE_S = 1.0
MEASURE_S = 1.0
TIMEOUT_S = 5.0


class SearcherProcess(Process):
    """A process of `searcher`."""

    program: ClassVar = [sys.executable, "-m", "tests.faults.searcher"]


class Observers:
    """All of them; they run while this is entered."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._ending = threading.Event()
        self._open = ExitStack()

    def __enter__(self) -> Self:
        stage = self._stage
        stage.searcher = self._searcher()
        stage.searcher.start()
        self._open.callback(stage.searcher.target.stop)
        for every_s, look in ((SAMPLE_S, Sampler(stage)), (MEASURE_S, Meter(stage))):
            thread = threading.Thread(target=self._run, args=(look, every_s), name=type(look).__name__, daemon=True)
            thread.start()
            self._open.callback(look.close)
            self._open.callback(thread.join, 30)
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._open.close()

    def _run(self, look: Callable[[], None], every_s: float) -> None:
        while not self._ending.wait(every_s):
            look()

    def _searcher(self) -> Actor:
        stage = self._stage
        words = [str(stage.history.path), str(stage.history.origin), stage.index, stage.cluster.alias]
        env = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        process = SearcherProcess(*words, env=env, log=stage.folder / "searcher.log")
        return Actor("searcher", process, stage.history)


class Sampler:
    """Reads what is committed and then, strongly, what the index holds: so the second must contain the first.

    Notes `committed` (offsets, and how many dead letters there are) and `seen` (versions that changed since last time).
    """

    def __init__(self, stage: Stage) -> None:
        self._stage, self._history = stage, stage.history
        self._admin: LogAdmin | None = None
        self._index: ProductIndex | None = None
        self._known: dict[str, list[Any]] = {}

    def __call__(self) -> None:
        """Take one sample; what does not answer is left out, and asked again the next time."""
        try:
            committed = self._committed()
        except IngestError as error:
            committed = {"error": type(error).__name__}
        try:
            seen = self._seen()
        except SearchError as error:
            self._history.note("sampler", "unseen", error=type(error).__name__, message=str(error)[:200])
            return
        self._history.note("sampler", "sample", **committed, changed=seen)

    def close(self) -> None:
        """Let go of the servers."""
        for connection in (self._admin, self._index):
            if connection is not None:
                with suppress(SearchError, IngestError):
                    connection.close()

    def _committed(self) -> dict[str, Any]:
        cluster = self._stage.cluster
        self._admin = self._admin or LogAdmin(cluster.broker.settings(request_timeout_s=TIMEOUT_S))
        offsets = self._admin.committed(GROUP + cluster.topic)
        letters = sum(self._admin.ends([cluster.dead_letters]).values())
        return {"committed": [[*partition, offset] for partition, offset in offsets.items()], "letters": letters}

    def _seen(self) -> dict[str, list[Any]]:
        cluster = self._stage.cluster
        self._index = self._index or open_index(cluster.index, alias=cluster.alias, timeout_s=TIMEOUT_S)
        stored = dict(self._index.iterate_stored(consistency="strong", timeout_s=TIMEOUT_S))
        seen = _complete(stored)
        seen |= self._second_look(
            self._index, [name for name in self._known if _fell(self._known[name], seen.get(name))]
        )
        changed = {name: seen.get(name) for name in seen | self._known if seen.get(name) != self._known.get(name)}
        self._known = seen
        return changed

    def _second_look(self, index: ProductIndex, lost: list[str]) -> dict[str, list[Any]]:
        """What is stored of products that one read has missed; what is really gone is missed again.

        No read of Milvus Lite is a snapshot: one that begins before a version is written and ends after the version
        before it is deleted finds neither.
        """
        if not lost:
            return {}
        found = _complete(index.read(lost, consistency="strong", timeout_s=TIMEOUT_S))
        self._history.note("sampler", "torn", lost=len(lost), found=len(found))
        return found


def _fell(before: list[Any], now: list[Any] | None) -> bool:
    return now is None or now[0] < before[0]


def _complete(stored: Mapping[str, Stored]) -> dict[str, list[Any]]:
    return {name: [held.complete.version, held.complete.deleted] for name, held in stored.items() if held.complete}


class Meter:
    """Measures memory and descriptors of all processes, the size of Redis, and what workers have encoded."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._history = stage, stage.history

    def __call__(self) -> None:
        """Take all measurements once."""
        stage = self._stage
        running = [actor for actor in (*stage.actors, stage.searcher) if actor.alive]
        found = footprints({actor.name: actor.pid for actor in running})
        processes = {name: _shown(footprint) for name, footprint in found.items()}
        self._history.note("meter", "footprints", processes=processes, redis=self._redis())
        for worker in stage.workers:
            if worker.alive and not worker.frozen:
                with suppress(OSError, ValueError):
                    self._encoded(worker)

    def close(self) -> None:
        """There is nothing to let go of."""

    def _encoded(self, worker: Actor) -> None:
        pid, figures = worker.pid, self._stage.metrics(worker)
        encoded = total(figures, "fourtower_worker_encoded_total")
        self._history.note("meter", "encoded", worker=worker.name, pid=pid, count=encoded)

    def _redis(self) -> dict[str, float] | None:
        import redis

        try:
            with redis.Redis.from_url(self._stage.cluster.redis.url, socket_timeout=1) as client:
                return {"keys": client.dbsize(), "mb": round(client.info("memory")["used_memory"] / 2**20, 2)}
        except redis.RedisError:
            return None


def _shown(footprint: Footprint) -> dict[str, float]:
    return {"pid": footprint.pid, "mb": round(footprint.rss / 2**20, 1), "descriptors": footprint.descriptors}
