"""Runs everything, each size of an index on a fresh server, and says what came out, thing by thing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.search.bench import Bench
from benchmarks.search.catalog import load_catalog
from benchmarks.search.enlarging import enlarged, without_halves
from benchmarks.search.exact import Exact
from benchmarks.search.fields import TWO_FIELD, compare_fields
from benchmarks.search.hidden import keep_recall
from benchmarks.search.latency import race_search
from benchmarks.search.recall import recall_by_kind
from benchmarks.search.server import Server, running_server
from benchmarks.search.settings import Settings
from benchmarks.search.timing import p50
from benchmarks.search.writing import overall, race_writing
from fourtower_encoders.embedder import Embedder
from fourtower_search.client import SearchClient
from fourtower_search.filters import F

AT_MOST = {"sdk_vs_raw_p50": 1.10}
AT_LEAST = {
    "recall_at_10_worst": 0.99,
    "recall_at_10_wider_filters_worst": 0.99,
    "hidden_half_recall": 0.80,
    "apply_vs_upsert": 0.45,
}
TARGETS = AT_MOST | AT_LEAST
WHOLE = "whole index"
NARROW = 0.01
"""A filter that leaves no more than this; engines then compare all that is left."""
Serve = Callable[[], AbstractContextManager[Server]]


@dataclass(frozen=True)
class Finding:
    """One thing that was measured."""

    name: str
    figures: dict[str, float] = field(default_factory=dict)
    details: Any = None


def measure(folder: Path, settings: Settings, serve: Serve = running_server) -> Iterator[Finding]:
    """Measure everything; the catalog is drawn into `folder`, unless it is there, and `serve` gives servers."""
    with Embedder.load("demo", runtime="onnx") as embedder:
        catalog = load_catalog(folder, settings.catalog, embedder)
        for size in settings.sizes:
            with serve() as server:
                yield from _sized(Bench(server, catalog, embedder, settings), size)
        with serve() as server:
            bench = Bench(server, catalog, embedder, settings)
            yield _hidden(bench)
            yield _fields(bench)
            yield _writing(bench)


def _sized(bench: Bench, size: int) -> Iterator[Finding]:
    """One size of an index: how it grew, how fast and how exact it is."""
    settings, params = bench.settings, bench.catalog.params
    main = size == settings.sizes[-1]
    products = partial(enlarged, bench.catalog.writes, size, spread=settings.spread, params=params)
    empty_mb = bench.server.memory_mb()
    with bench.filled(f"whole_{size}", products()) as filled:
        exact = Exact(products())
        latency = race_search(bench, filled.client)
        built = {
            "rows": exact.rows,
            "products": len(exact.places),
            "write_s": filled.write_s,
            "index_s": filled.index_s,
        }
        memory = {"empty_mb": empty_mb, "full_mb": bench.server.memory_mb()}
        figures = {"sdk_vs_raw_p50": latency.ratio} if main else {}
        yield Finding(f"rows_{size}", figures, {**built, **memory, **latency.details()})
        if main:
            yield Finding("filters", {}, _filters(bench, filled.client, exact))
        recalls = {WHOLE: recall_by_kind(filled.client, exact, bench)}
        for share in settings.filter_shares:
            recalls[f"filter of {share:.0%}"] = recall_by_kind(filled.client, exact, bench, share=share)
    writes, _ = without_halves(products(), settings.hidden_share, params)
    with bench.filled(f"halves_{size}", writes) as filled:
        recalls[f"{settings.hidden_share:.0%} lack a half"] = recall_by_kind(filled.client, Exact(writes), bench)
    yield Finding(f"recall_{size}", worst_recalls(recalls, settings) if main else {}, recalls)


def worst_recalls(recalls: Mapping[str, Mapping[str, float]], settings: Settings) -> dict[str, float]:
    """The worst mean, apart for filters that leave too many products to compare each and too few to keep paths."""
    wider = {f"filter of {share:.0%}" for share in settings.filter_shares if share > NARROW}
    lowest = {name: min(recall.values()) for name, recall in recalls.items()}
    figures = {"recall_at_10_worst": min(value for name, value in lowest.items() if name not in wider)}
    if wider:
        figures["recall_at_10_wider_filters_worst"] = min(lowest[name] for name in wider)
    return figures


def _filters(bench: Bench, client: SearchClient, exact: Exact) -> dict[str, dict[str, float]]:
    """What filters of several shares cost, for the client and raw."""
    found = {}
    for share in bench.settings.filter_shares:
        low, high = exact.band(share, bench.settings.bands // 2, bench.settings.bands)
        times = race_search(bench, client, F.price.between(low, high)).times
        found[f"{share:.0%}"] = {"sdk_p50_ms": p50(times["sdk"]), "raw_p50_ms": p50(times["raw"])}
    return found


def _hidden(bench: Bench) -> Finding:
    kept = keep_recall(bench)
    figures = {"hidden_half_recall": kept.mean(), "hidden_half_recall_worst": kept.worst()}
    counts = {"complete": kept.complete, "hidden": kept.hidden}
    return Finding("hidden", figures, {"kept": kept.shares(), "found": counts})


def _fields(bench: Bench) -> Finding:
    times, ndcg = compare_fields(bench)
    milliseconds = {f"{side}_p50_ms": p50(spent) for side, spent in times.items()}
    figures = {
        "joint_vs_two_field_time": p50(times["joint"]) / min(p50(times["two_parallel"]), p50(times["two_serial"])),
        "joint_vs_two_field_ndcg": ndcg["joint"] / max(ndcg[how] for how in TWO_FIELD),
    }
    return Finding("fields", figures, {**milliseconds, "ndcg_at_10": ndcg})


def _writing(bench: Bench) -> Finding:
    races = race_writing(bench)
    details = {kind: race.details() for kind, race in races.items()}
    return Finding("writing", {"apply_vs_upsert": overall(races)}, details)
