"""A worker's figures for Prometheus: each process counts in a file of its own, and the parent adds all of them up.

Files rather than messages, because what a child counted must survive its being killed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from fourtower_encoders.fetch_policy import FetchPolicy
from fourtower_encoders.fetching import ImageFetcher
from fourtower_ingest.wire import EventReport

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from fourtower_workers.encoding_lock import EncodingLock

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
BATCH_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
FETCH_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Count(NamedTuple):
    """One figure, of all processes together."""

    name: str
    labels: Mapping[str, str]
    value: float


def share_metrics(folder: Path) -> None:
    """Have this process and those that it starts count in a folder; before prometheus_client is first imported."""
    folder.mkdir(exist_ok=True)
    os.environ[FOLDER_VARIABLE] = str(folder)


class WorkerMetrics:
    """What one process counts; one object per process."""

    def __init__(self) -> None:
        from prometheus_client import Counter, Histogram

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"fourtower_worker_{name}", what, labels, registry=None)

        self._batches = Histogram(
            "fourtower_worker_batch_seconds",
            "From taking a batch up until it was certain what became of it.",
            buckets=BATCH_SECONDS,
            registry=None,
        )
        self._fetching = Histogram(
            "fourtower_worker_fetch_seconds",
            "For one picture, retries included.",
            buckets=FETCH_SECONDS,
            registry=None,
        )
        self._events = counter("events", "By what became of them.", "status", "code")
        self._missing = counter("images_missing", "Declared pictures that could not be used.")
        self._encoded = counter("encoded", "Pictures and texts that went through the network.", "what")
        self._busy = counter("encode_seconds", "During which the network ran; its rate is the busy share.", "what")
        self._turn = counter("encode_wait_seconds", "Spent waiting for the turn to encode.")
        self._bytes = counter("fetch_bytes", "Of pictures that were fetched.")
        self._unfetched = counter("fetch_failures", "Pictures that could not be fetched.", "error")
        self._halved = counter("batches_halved", "Because the device had no room for them.")
        self._respawns = counter("child_respawns", "Children that were started in place of another one.")
        self._lost = counter("batches_lost", "Batches whose child died, or was killed.", "reason")

    def done(self, reports: Sequence[EventReport], seconds: float) -> None:
        """A batch is done."""
        self._batches.observe(seconds)
        for report in reports:
            self._events.labels(report.status, report.code).inc()
            if report.images_missing:
                self._missing.inc(report.images_missing)

    def fetched(self, seconds: float, size: int) -> None:
        """A picture was fetched."""
        self._fetching.observe(seconds)
        self._bytes.inc(size)

    def not_fetched(self, seconds: float, error: str) -> None:
        """A picture was not to be had."""
        self._fetching.observe(seconds)
        self._unfetched.labels(error).inc()

    def halved(self, size: int) -> None:
        """The device had no room for a batch of this size."""
        self._halved.inc()

    def respawned(self, count: int) -> None:
        """Children were started in place of others."""
        self._respawns.inc(count)

    def lost(self, reason: str) -> None:
        """A batch's child died."""
        self._lost.labels(reason).inc()

    @contextmanager
    def turn(self, lock: EncodingLock, what: Literal["images", "texts"], count: int) -> Iterator[None]:
        """Have the turn to encode, and count how long it took to come and to use."""
        asked = time.monotonic()
        with lock.held():
            began = time.monotonic()
            self._turn.inc(began - asked)
            try:
                yield
            finally:
                self._busy.labels(what).inc(time.monotonic() - began)
        self._encoded.labels(what).inc(count)


class MeteredFetcher(ImageFetcher):
    """Fetches pictures and counts how long it took."""

    def __init__(self, policy: FetchPolicy, metrics: WorkerMetrics) -> None:
        super().__init__(policy)
        self._metrics = metrics

    def fetch(self, url: str) -> bytes:
        """See `ImageFetcher.fetch`."""
        began = time.monotonic()
        try:
            data = super().fetch(url)
        except Exception as error:
            self._metrics.not_fetched(time.monotonic() - began, type(error).__name__)
            raise
        self._metrics.fetched(time.monotonic() - began, len(data))
        return data


def all_processes() -> CollectorRegistry:
    """What all processes of this worker have counted, those that are gone included."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry(auto_describe=False)
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def counts(registry: CollectorRegistry) -> list[Count]:
    """All that was counted; of histograms only how often."""
    return [
        Count(sample.name.removeprefix("fourtower_worker_"), sample.labels, sample.value)
        for family in registry.collect()
        for sample in family.samples
        if sample.name.endswith(("_total", "_count"))
    ]
