"""Writes docs/reliability.md from the results that were kept: nothing in it is written by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import machine_sentence

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
Found = Mapping[str, Any]
INVARIANTS = (
    ("I1", "The index holds what the log comes to: ids, versions, fields, rows, and vectors of these very fields."),
    ("I2", "What lies below a committed offset is in the index, or superseded there, or a dead letter: always."),
    ("I3", "No product's version ever falls, as a strong reader sees it once a second (what one read missed, in two)."),
    ("I4", "When all has settled, searches find what is live, all of it, and nothing else."),
    ("I5", "Dead letters are exactly the records that can't be indexed."),
    ("I6", "Work is done: the fault strikes under load, no process ends by itself, and everything recovers in time."),
    ("I7", "Searches fail only where the index itself is away, and fail fast."),
    ("I8", "Nothing is answered without a key: the service's own tests ask every endpoint with every kind of key."),
    ("I9", "Memory, descriptors, Redis and repeated encoding stay within limits."),
)
INTRODUCTION = """# Reliability

What was done to Fourtower, and what came of it. `make faults` plays every scenario below on real processes: Kafka,
Redis, Milvus, ingesters, workers and a client that searches all the time, behind proxies that delay, break and lose
what passes. Each is seeded, strikes under load, and ends in one check of everything: a history of all operations, every
row of the index, every dead letter, and every offset, against an oracle that knows nothing of our code but the log.

This page is written by the command from what it saw. `tests/faults` is the harness; what a failing run leaves behind
(history, logs) lies in `runs/faults`.
"""


def write_document(results: Path, document: Path = DOCUMENT) -> None:
    """Write it anew from all results that there are in a folder."""
    document.write_text("\n".join(_lines(results)).rstrip() + "\n", encoding="utf-8")


def _lines(results: Path) -> Iterator[str]:
    yield INTRODUCTION
    yield from ("## What must hold", "", "After every scenario, whatever was done in it:", "")
    yield from _table(("", "Invariant"), INVARIANTS)
    for name, section in (("faults", _matrix), ("soak", _soak), ("mutations", _mutations)):
        path = results / f"{name}.json"
        if path.exists():
            yield from section(json.loads(path.read_text(encoding="utf-8")))


def _matrix(found: Found) -> Iterator[str]:
    scenarios = found["scenarios"]
    played = [each for each in scenarios if not each["skipped"]]
    broken = sum(bool(each["violations"]) for each in played)
    yield from ("## Every fault", "", _origin(found), "")
    yield f"{len(played)} scenarios were played, {len(played) - broken} without a violation."
    yield (
        "*Recovered* is the time from the end of the fault until every event is done with; events published until then "
        "are part of that, and so are the 10 s for which patches without a product wait before they are dead letters."
    )
    yield ""
    headings = ("", "Fault", "Seed", "Events", "Violations", "Recovered (s)", "Searches failed", "Worker peak (MB)")
    yield from _table(headings, map(_scenario, scenarios))
    yield from _listed(
        f"{each['name']}, {violation['invariant']}: {_plain(violation['message'])}"
        for each in played
        for violation in each["violations"]
    )


def _scenario(each: Found) -> Sequence[str]:
    if each["skipped"]:
        return (each["name"], each["title"], "", "", f"not played: {each['skipped']}", "", "", "")
    figures = each["figures"]
    return (
        each["name"],
        each["title"],
        str(each["seed"]),
        f"{each['events']:,}",
        str(len(each["violations"])),
        "-" if each["recovered_s"] is None else f"{each['recovered_s']:.1f}",
        f"{figures.get('searches_failed', 0)} of {figures.get('searches', 0)}",
        str(figures.get("peak_mb", {}).get("worker", "-")),
    )


def _soak(found: Found) -> Iterator[str]:
    yield from ("## Soak", "", _origin(found), "")
    yield (
        f"For {found['minutes']:g} minutes of steady traffic, {found['events']:,} events, "
        f"{len(found['faults'])} faults struck at random (seed {found['seed']}), "
        f"with a check of everything {found['checks']} times. "
        f"Violations: {len(found['violations'])}."
    )
    yield ""
    yield from _table(("Fault", "Times", "Slowest recovery (s)"), _kinds(found["faults"]))
    yield from _listed(f"{each['invariant']}: {_plain(each['message'])}" for each in found["violations"])
    yield from _table(("", ""), ((name.replace("_", " "), str(value)) for name, value in found["figures"].items()))


def _kinds(faults: Sequence[Found]) -> Iterator[Sequence[str]]:
    for name in sorted({each["fault"] for each in faults}):
        own = [each for each in faults if each["fault"] == name]
        yield name, str(len(own)), f"{max(each['recovered_s'] for each in own):.1f}"


def _mutations(found: Found) -> Iterator[str]:
    yield from ("## Guards", "", _origin(found), "")
    yield "Each guard was switched off, and a check had to turn red:"
    yield ""
    rows = ((each["guard"], each["check"], each["red"] or "**nothing**") for each in found["guards"])
    yield from _table(("Guard switched off", "Check", "Turned red with"), rows)


def _origin(found: Found) -> str:
    remark = found.get("remark", "")  # of whoever ran it, or looked into it
    return f"Command: `{found['command']}`. Machine: {machine_sentence(found['machine'])}. {remark}".rstrip()


def _table(headings: Sequence[str], rows: Any) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"|{' --- |' * len(headings)}"
    for row in rows:
        yield f"| {' | '.join(_plain(cell) for cell in row)} |"
    yield ""


def _listed(items: Iterable[str]) -> Iterator[str]:
    """A list with an empty line after it; nothing where there is nothing to list."""
    lines = [f"- {item}" for item in items]
    yield from [*lines, ""] if lines else []


def _plain(text: str) -> str:
    """In one line, and short."""
    return " ".join(text.replace("|", "\\|").split())[:300]
