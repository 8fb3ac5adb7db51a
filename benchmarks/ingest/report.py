"""Shows the result in a terminal and in docs/benchmarks.md; all that it needs is in the result file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.ingest.measure import AT_MOST
from benchmarks.machine import machine_sentence

DOCUMENT = Path(__file__).parents[2] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- ingest: begin -->", "<!-- ingest: end -->"
PICTURE = "pictures/bench-ingest.png"
RACES = {
    "new": "new products, image tower of the figures",
    "new_demo": "new products, demo towers",
    "price": "new prices",
    "stale": "stale and repeated events",
}
Result = Mapping[str, Any]


def terminal_table(result: Result) -> Table:
    """The figures; a missed target is red."""
    table = Table("Figure", "Value", "Target")
    for name in result["figures"]:
        table.add_row(*_figure(result, name), style="red" if is_missed(result, name) else None)
    return table


def is_missed(result: Result, name: str) -> bool:
    """Whether a figure has a target and fails it."""
    value, target = result["figures"][name], result["targets"].get(name)
    if target is None:
        return False
    return bool(value > target if name in AT_MOST else value < target)


def write_docs(result: Result, document: Path = DOCUMENT) -> None:
    """Replace what stands between the markers of the document."""
    before, begin, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{document} lacks the markers {BEGIN} and {END}; put them where the tables belong.")
    text = "\n".join([BEGIN, *_lines(result), END])
    document.write_text(before + text + after, encoding="utf-8")


def _lines(result: Result) -> Iterator[str]:
    details, settings = result["details"], result["settings"]
    versions = ", ".join(f"{name} {number}" for name, number in settings["versions"].items())
    yield f"Command: `{result['command']}`. Machine: {machine_sentence(result['machine'])}; {versions}."
    yield from ("", f"![Races, time until searchable, and memory]({PICTURE})")
    yield from _table(("Figure", "Value", "Target"), (_figure(result, name) for name in result["figures"]))
    yield from ("", "Both sides of each race, per second, median round:")
    yield from _table(("What", "Fourtower", "Bare", "Share (rounds)"), _races(details))
    window = f"batches of up to {settings['batch']} that wait {settings['linger_ms']} ms to become full"
    yield from ("", f"Seconds from publishing a new price until a client finds it ({window}):")
    yield from _table(("Load", "Events/s", "p50", "p95", "p99"), _searchable(details["searchable"]))
    overload = details["overload"]
    yield ""
    yield (
        f"Memory in MB while {overload['offered_per_s']:,.0f} new products per second were offered and "
        f"{overload['done_per_s']:,.1f} could be done:"
    )
    yield from _table(("Process", "Early, at most", "Later, at most", "Ratio"), _memory(overload["memory"]))


def _figure(result: Result, name: str) -> tuple[str, str, str]:
    target = result["targets"].get(name)
    sign = "≤" if name in AT_MOST else "≥"
    return name, f"{result['figures'][name]:.3f}", "" if target is None else f"{sign} {target:g}"


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


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield ""
    yield f"| {' | '.join(headings)} |"
    yield f"| {' | '.join(['---'] * len(headings))} |"
    yield from (f"| {' | '.join(row)} |" for row in rows)
