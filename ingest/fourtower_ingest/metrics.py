"""Prometheus metrics of an ingester, in a registry of their own: figures of its latest condition, and one histogram."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from fourtower_ingest.condition import Condition
from fourtower_ingest.flow.stats import Finished

SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
"""Bounds of the histogram."""


class IngestMetrics:
    """What an ingester shows to Prometheus.

    Args:
        latest: its condition; None before the first one.
    """

    def __init__(self, latest: Callable[[], Condition | None]) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._searchable = Histogram(
            "fourtower_event_to_searchable_seconds",
            "From a record's timestamp until a worker was certain that it is searchable.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.registry.register(_Latest(latest))

    def note(self, finished: Iterable[Finished]) -> None:
        """Count how long it took until events were searchable; clocks that differ make nothing negative."""
        now = time.time()
        for record in finished:
            if record.status == "applied" and record.timestamp_ms > 0:
                self._searchable.observe(max(0.0, now - record.timestamp_ms / 1000))


class _Latest:
    """Turns the latest condition into metrics whenever they are asked for."""

    def __init__(self, latest: Callable[[], Condition | None]) -> None:
        self._latest = latest

    def collect(self) -> Iterator[Metric]:
        """All metrics, of one moment."""
        condition = self._latest()
        if condition is not None:
            yield from _gauges(condition)
            yield from _counters(condition)


def _gauges(condition: Condition) -> Iterator[Metric]:
    flow = condition.flow
    yield _lag(condition)
    items = GaugeMetricFamily("fourtower_ingest_items", "Products with unfinished events, by state.", labels=["state"])
    states = {
        "waiting": flow.items_waiting,
        "in_flight": flow.items_in_flight,
        "parked": flow.items_parked,
        "retrying": flow.items_retrying,
    }
    for state, count in states.items():
        items.add_metric([state], count)
    yield items
    breaker = GaugeMetricFamily("fourtower_ingest_breaker", "1 for the state that it is in.", labels=["state"])
    for state in ("closed", "open", "half_open"):
        breaker.add_metric([state], float(flow.breaker == state))
    yield breaker
    for name, text, value in (
        ("batches_in_flight", "Tasks that were sent and not answered.", flow.batches_in_flight),
        ("held_records", "Records that were read and are not done.", flow.records_held),
        ("held_bytes", "Bytes of them.", flow.bytes_held),
        ("oldest_age_seconds", "Age of the oldest of them.", flow.oldest_age_s),
        ("paused", "1 while nothing more is read.", float(flow.pausing)),
        ("dead_letters_pending", "Dead letters that are not acknowledged yet.", flow.letters_pending),
        ("partitions_assigned", "Partitions that this process reads.", condition.assigned),
        ("partitions_unreadable", "Partitions that have stopped.", len(condition.unreadable)),
        ("group_stable", "1 when the group has settled with this process in it.", float(condition.stable)),
        ("redis_up", "1 while Redis answers.", float(not condition.redis_away)),
    ):
        yield GaugeMetricFamily(f"fourtower_ingest_{name}", text, value=value)


def _lag(condition: Condition) -> Metric:
    lag = GaugeMetricFamily(
        "fourtower_ingest_lag_records", "Records between the next one read and the end.", labels=["topic", "partition"]
    )
    for partition, records in condition.lag.items():
        lag.add_metric([partition.topic, str(partition.number)], records)
    return lag


def _counters(condition: Condition) -> Iterator[Metric]:
    flow = condition.flow
    yield _counter("events", "Records that are done.", ("status", "code"), flow.finished)
    yield _counter("failures", "Failed events as reported, retried ones too.", ("stage", "code"), flow.failures)
    letters = {(code,): count for code, count in condition.letters.items()}
    yield _counter("dead_letters", "Acknowledged dead letters.", ("code",), letters)
    for name, text, value in (
        ("records", "Records read.", condition.records),
        ("images_missing", "Declared pictures that could not be used.", flow.images_missing),
        ("losses", "Attempts that a worker was lost over.", flow.losses),
        ("resubmissions", "Attempts that were replaced without counting as a loss.", flow.resubmissions),
        ("commits", "Commits that were sent.", condition.commits),
        ("failed_commits", "Commits that were not acknowledged.", condition.failed_commits),
    ):
        yield CounterMetricFamily(f"fourtower_ingest_{name}", text, value=value)


def _counter(name: str, text: str, labels: tuple[str, ...], counts: Mapping[Any, int]) -> Metric:
    """One counter of many; the counts' keys are the labels' values, in their order."""
    family = CounterMetricFamily(f"fourtower_ingest_{name}", text, labels=labels)
    for values, count in counts.items():
        family.add_metric(values, count)
    return family
