"""Shows the result in docs/benchmarks.md; all that it needs is in the result file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.pages import DOCUMENT, FIGURES, Result, figure_rows, origin, table_lines, write_part
from benchmarks.service.measure import AT_MOST

BEGIN, END = "<!-- service: begin -->", "<!-- service: end -->"
PICTURE = "pictures/bench-service.png"
SIDES = {"sdk": "SDK in the process", "service": "service", "unbatched": "service, each by itself"}


def write_docs(result: Result, document: Path = DOCUMENT) -> None:
    """Replace what stands between the markers of the document."""
    write_part(document, BEGIN, END, _lines(result))


def _lines(result: Result) -> Iterator[str]:
    details = result["details"]
    yield origin(result)
    yield from ("", f"![Answers per second, and overload]({PICTURE})")
    yield from table_lines(FIGURES, figure_rows(result, AT_MOST))
    yield from ("", "Medians over rounds; each side has one core, the callers have the other:")
    yield from table_lines(("Queries", "Clients", "Side", "Answers/s", "p50 (ms)", "p95", "p99"), _cells(details))
    yield from ("", _overload(details["overload"]))


def _cells(details: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    for cell in details["cells"]:
        for side, found in cell["sides"].items():
            times = (f"{found[name]:.1f}" for name in ("p50_ms", "p95_ms", "p99_ms"))
            yield cell["kind"], str(cell["clients"]), SIDES[side], f"{found['per_s']:.0f}", *times


def _overload(found: Mapping[str, Any]) -> str:
    refused = ", ".join(f"{count:,} times {status}" for status, count in found["others"].items()) or "nobody"
    offered, possible, alone = (found[name] for name in ("offered_per_s", "capacity_per_s", "alone_p99_ms"))
    return (
        f"Asked {offered:.0f} questions per second, {offered / possible:.0f} times what it can do, the service "
        f"answered {found['per_s']:.0f}, 99 % of them within {found['p99_ms']:.0f} ms (one caller alone: "
        f"{alone:.0f} ms), and refused {refused}. The callers kept to their plan within "
        f"{found['late_p99_ms']:.0f} ms (99 %)."
    )
