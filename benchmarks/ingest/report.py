"""Shows the result in docs/benchmarks.md; all that it needs is in the result file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.ingest.measure import AT_MOST
from benchmarks.pages import DOCUMENT, FIGURES, Result, figure_rows, origin, table_lines, write_part

BEGIN, END = "<!-- ingest: begin -->", "<!-- ingest: end -->"
PICTURE = "pictures/bench-ingest.png"
RACES = {
    "new": "new products, image tower of the figures",
    "new_demo": "new products, demo towers",
    "price": "new prices",
    "stale": "stale and repeated events",
}


def write_docs(result: Result, document: Path = DOCUMENT) -> None:
    """Replace what stands between the markers of the document."""
    write_part(document, BEGIN, END, _lines(result))


def _lines(result: Result) -> Iterator[str]:
    details, settings = result["details"], result["settings"]
    yield origin(result)
    yield from ("", f"![Races, time until searchable, and memory]({PICTURE})")
    yield from table_lines(FIGURES, figure_rows(result, AT_MOST))
    yield from ("", "Both sides of each race, per second, median round:")
    yield from table_lines(("What", "Fourtower", "Bare", "Share (rounds)"), _races(details))
    window = f"batches of up to {settings['batch']} that wait {settings['linger_ms']} ms to become full"
    yield from ("", f"Seconds from publishing a new price until a client finds it ({window}):")
    yield from table_lines(("Load", "Events/s", "p50", "p95", "p99"), _searchable(details["searchable"]))
    overload = details["overload"]
    yield ""
    yield (
        f"Memory in MB while {overload['offered_per_s']:,.0f} new products per second were offered and "
        f"{overload['done_per_s']:,.1f} could be done:"
    )
    yield from table_lines(("Process", "Early, at most", "Later, at most", "Ratio"), _memory(overload["memory"]))


def _races(details: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    for name, what in RACES.items():
        race = details[name]
        spread = f"{race['ratio']:.3f} ({min(race['ratios']):.3f} to {max(race['ratios']):.3f})"
        yield what, f"{race['ours_per_s']:,.0f}", f"{race['bare_per_s']:,.0f}", spread


def _searchable(levels: Mapping[str, Mapping[str, float]]) -> Iterator[Sequence[str]]:
    for level, found in levels.items():
        times = (f"{found[name]:.2f}" for name in ("p50_s", "p95_s", "p99_s"))
        yield f"{level} of capacity", f"{found['offered_per_s']:,.0f}", *times


def _memory(processes: Mapping[str, Mapping[str, float]]) -> Iterator[Sequence[str]]:
    for name, size in processes.items():
        yield name, f"{size['early_mb']:,.1f}", f"{size['later_mb']:,.1f}", f"{size['ratio']:.3f}"
