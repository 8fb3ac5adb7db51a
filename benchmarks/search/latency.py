"""The client's search beside the raw calls that it makes: what it adds to the engine's time, and in which stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.search.bench import Bench
from benchmarks.search.catalog import Asked, spread_out
from benchmarks.search.settings import Settings
from benchmarks.search.timing import Times, in_turns, p50, p95
from fourtower_search.client import SearchClient
from fourtower_search.filters import Filter
from fourtower_search.results import SearchResult

QUERIES = 50
"""Different photos with words."""
SIDES = ("sdk", "raw", "raw_read")
_LEAST_IN_COMMON = 0.9
"""Of the products that both sides find; equal scores may come in another order."""

RawCall = Mapping[str, Any]
"""Arguments of `MilvusClient.search`."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds of the same searches, made by the client, raw, and raw with every field of every hit looked at."""

    times: Times
    stages: Mapping[str, float]
    """Median milliseconds of the client's stages."""
    rows: float
    """That the last call of a search asks for, on average."""
    calls: float
    """To the engine, per search of the client."""

    @property
    def ratio(self) -> float:
        """The client's median over the raw call's."""
        return p50(self.times["sdk"]) / p50(self.times["raw"])

    def details(self) -> dict[str, Any]:
        """For the result file."""
        milliseconds = {f"{side}_p50_ms": p50(self.times[side]) for side in SIDES}
        return {
            **milliseconds,
            "sdk_p95_ms": p95(self.times["sdk"]),
            "raw_p95_ms": p95(self.times["raw"]),
            "ratio": self.ratio,
            "ratio_to_read": p50(self.times["sdk"]) / p50(self.times["raw_read"]),
            "asked_rows": self.rows,
            "asked_times": self.calls,
            "stages_ms": dict(self.stages),
        }


def race_search(bench: Bench, client: SearchClient, where: Filter | None = None) -> Latency:
    """Race the client against pymilvus, which repeats the very calls that the client was seen to make.

    A search that had to ask the engine twice is raced against its last call alone: the larger one, or the filtered
    one of an engine that loses hits under filters. There the client finds more than the raw call does.
    """
    settings, raw = bench.settings, bench.server.raw
    queries = spread_out(bench.catalog.of_kind("mixed"), QUERIES)
    search = partial(_search, client, settings=settings, where=where)
    for query in queries[: settings.warm_up]:
        search(query)
    seen = [_recorded(search, query) for query in queries]
    items = [(query, calls[-1]) for query, calls in zip(queries, seen, strict=True)]
    for query, call in items[:3] if where is None else ():
        _check_same_work(search(query), raw.search(**call))
    stages: list[Mapping[str, float]] = []
    times = in_turns(
        {
            "sdk": lambda item: stages.append(search(item[0]).timings_ms),
            "raw": lambda item: raw.search(**item[1]),
            "raw_read": lambda item: _read(raw.search(**item[1])),
        },
        items,
        calls=settings.calls,
        warm_up=settings.warm_up,
    )
    rows = float(np.mean([call["limit"] for _, call in items]))
    return Latency(times, _medians(stages), rows, float(np.mean([len(calls) for calls in seen])))


def _search(client: SearchClient, query: Asked, *, settings: Settings, where: Filter | None) -> SearchResult:
    return client.search(query.parts, mode="vector", depth=settings.depth, limit=settings.limit, where=where)


def _recorded(search: Any, query: Asked) -> list[RawCall]:
    """What one search asks pymilvus for."""
    with _watched() as calls:
        search(query)
    return calls


@contextmanager
def _watched() -> Iterator[list[RawCall]]:
    """Note the arguments of every `MilvusClient.search`."""
    from pymilvus import MilvusClient

    original, calls = MilvusClient.search, list[RawCall]()

    def noted(self: MilvusClient, **arguments: Any) -> Any:
        calls.append(arguments)
        return original(self, **arguments)

    MilvusClient.search = noted
    try:
        yield calls
    finally:
        MilvusClient.search = original


def _read(found: Any) -> list[list[dict[str, Any]]]:
    return [[dict(hit["entity"]) for hit in hits] for hits in found]


def _medians(stages: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.median([each[name] for each in stages])) for name in stages[0]}


def _check_same_work(result: SearchResult, found: Any) -> None:
    """A race between two different searches would say nothing."""
    ours = {hit.product_id for hit in result.hits}
    raw = list(dict.fromkeys(hit["entity"]["product_id"] for hit in found[0]))[: len(ours)]
    if len(ours & set(raw)) < _LEAST_IN_COMMON * len(ours):
        raise AssertionError(f"the client and the raw call disagree: {sorted(ours)} and {raw}")
