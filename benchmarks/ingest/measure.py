"""Runs every measurement of the benchmark, one after the other, on servers of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.encode.embedding import save_towers
from benchmarks.ingest.overload import overload
from benchmarks.ingest.processes import wait_for
from benchmarks.ingest.races import Bare, race_new, race_price, race_stale
from benchmarks.ingest.searchable import measure_searchable
from benchmarks.ingest.servers import Servers, running_servers
from benchmarks.ingest.settings import Settings
from benchmarks.ingest.shop import Line
from benchmarks.race import Race
from fourtower_encoders.embedder import Embedder
from fourtower_search.client import SearchClient

TARGETS = {
    "new_vs_embedder": 0.9,
    "price_vs_upsert": 0.3,
    "price_vs_encode": 50.0,
    "stale_vs_poll": 0.3,
    "encodes_per_event": 1.05,
}
AT_MOST = ("encodes_per_event",)
WARM_UP = 40
"""New products that go through before anything is measured: by then every child has loaded the model."""


@dataclass(frozen=True)
class Finding:
    """What one measurement found."""

    name: str
    figures: Mapping[str, float]
    details: Mapping[str, Any]


def measure(folder: Path, settings: Settings) -> Iterator[Finding]:
    """Measure everything in `folder`, which should be empty."""
    with running_servers(folder, settings) as servers, Bare() as bare:
        demo = save_towers(folder / "demo", settings.demo_towers)
        with Line(servers, settings, demo, "demo") as line:
            _warm_up(line)
            race = race_new(line, bare, settings.demo_products)
            yield Finding("new_demo", {"new_vs_embedder_demo": race.ratio}, race.details())
        yield from _main(servers, settings, save_towers(folder / "towers", settings.towers), bare)


def _main(servers: Servers, settings: Settings, model: Path, bare: Bare) -> Iterator[Finding]:
    with Line(servers, settings, model, "bench") as line:
        line.seed()
        _warm_up(line)
        new = race_new(line, bare, settings.new_products)
        yield Finding("new", {"new_vs_embedder": new.ratio}, new.details())
        price = race_price(line, bare)
        yield Finding("price", _price_figures(price, new), price.details())
        stale = race_stale(line, bare)
        yield Finding("stale", {"stale_vs_poll": stale.ratio}, stale.details())
        yield _searchable(line, model, price.ours_per_s)
        yield Finding("overload", *overload(line, new.ours_per_s))
    with Line(servers, settings, model, "two") as line:
        line.seed()
        _warm_up(line)
        yield _one_and_two(line)


def _price_figures(price: Race, new: Race) -> dict[str, float]:
    return {"price_vs_upsert": price.ratio, "price_vs_encode": price.ours_per_s / new.ours_per_s}


def _searchable(line: Line, model: Path, capacity: float) -> Finding:
    details = {}
    with Embedder.load(model, device="cpu") as embedder, SearchClient(line.index(), model=embedder) as client:
        for level in line.settings.searchable_levels:
            details[f"{level:.0%}"] = measure_searchable(line, client, level * capacity).details()
    half = details[f"{line.settings.searchable_levels[len(details) // 2]:.0%}"]
    figures = {f"searchable_{name}": half[name] for name in ("p50_s", "p95_s", "p99_s")}
    return Finding("searchable", figures, details)


def _one_and_two(line: Line) -> Finding:
    """The same load with one ingester, and with a second one that has taken over half of the partitions."""
    one, two = ([] for _ in range(2))
    events = line.settings.products * line.settings.two_versions
    for _ in range(line.settings.rounds):
        one.append(events / line.time_through(line.lines(line.prices(line.settings.two_versions))))
    before = line.ingester.metric("fourtower_ingest_partitions_assigned")
    second = line.start_ingester()

    def shared() -> bool:
        assigned = [each.metric("fourtower_ingest_partitions_assigned") for each in line.ingesters]
        return min(assigned) > 0 and sum(assigned) == before

    wait_for(shared, "sharing the partitions")
    share = second.metric("fourtower_ingest_partitions_assigned") / before
    for _ in range(line.settings.rounds):
        two.append(events / line.time_through(line.lines(line.prices(line.settings.two_versions))))
    ratio = median(two) / median(one)
    details = {"one_per_s": median(one), "two_per_s": median(two), "share_of_second": share}
    return Finding("ingesters", {"two_vs_one_ingester": ratio}, details)


def _warm_up(line: Line) -> None:
    line.time_through(line.lines(line.shop.event(number, 1, "warm") for number in range(WARM_UP)))
