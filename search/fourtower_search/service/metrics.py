"""Prometheus metrics of a service, in a registry of their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from fourtower_search.client import SearchClient
    from fourtower_search.service.admission import Load

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Bounds of the histogram."""
OTHER = "other"
"""Stands for every address that is none of ours."""


class ServiceMetrics:
    """What a service shows to Prometheus."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "fourtower_service_requests", "Requests that were answered.", ["route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "fourtower_service_request_seconds",
            "From a request's head to the end of its answer.",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._refused = Counter(
            "fourtower_service_images_refused", "Pictures that could not be used.", registry=self.registry
        )
        self._load: Callable[[], Load] | None = None
        self._client: SearchClient | None = None
        self.registry.register(_Latest(self))

    def watch(self, load: Callable[[], Load], client: SearchClient) -> None:
        """Show how busy a queue is, and how the memory of recent queries does."""
        self._load, self._client = load, client

    def note(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def refuse_image(self) -> None:
        """Count a picture that could not be used."""
        self._refused.inc()

    def load(self) -> Load | None:
        """How busy the queue is; None before there is one."""
        return None if self._load is None else self._load()

    def cache(self) -> tuple[int, int] | None:
        """Embeddings of queries that were remembered, and that were not."""
        found = None if self._client is None else self._client.cache_stats()
        return None if found is None else (found.hits, found.misses)


class _Latest:
    """Turns the latest figures into metrics whenever they are asked for."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """All of them, of one moment."""
        if load := self._metrics.load():
            yield _gauge("waiting", "Requests in the queue.", load.waiting)
            yield _gauge("running", "Threads at work.", load.running)
            yield _gauge("expected_wait_seconds", "Of a request that came now.", load.expected_wait_s)
            yield _counter("batches", "Searches that were answered together, or alone, count once.", load.batches)
            yield _counter("batched_searches", "Searches in all batches.", load.batch_items)
            yield _counter("calls", "Other calls than searches.", load.calls)
            yield _counter("turned_away", "Requests that were told to come again later.", load.turned_away)
            yield _counter("expired", "Requests whose time was over before they were answered.", load.expired)
            yield _counter("abandoned", "Requests whose callers left.", load.abandoned)
            yield _counter("waited_seconds", "In the queue, of all requests together.", load.waited_s)
        if cache := self._metrics.cache():
            found = CounterMetricFamily(
                "fourtower_service_embeddings", "Query embeddings by where they came from.", labels=["from"]
            )
            for source, count in zip(("memory", "model"), cache, strict=True):
                found.add_metric([source], count)
            yield found


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"fourtower_service_{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"fourtower_service_{name}", text, value=value)


class Measured:
    """Pure ASGI middleware that counts every request by its route and status."""

    def __init__(self, app: ASGIApp, *, metrics: ServiceMetrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", OTHER)
            self._metrics.note(route, status, time.perf_counter() - begun)
