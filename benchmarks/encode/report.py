"""Shows the findings in a terminal and in docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.encode.measure import TARGETS, Finding
from benchmarks.machine import machine_sentence

DOCUMENT = Path(__file__).parents[2] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- encode: begin -->", "<!-- encode: end -->"
HEADINGS = ("Figure", "Towers", "Images/s", "Bare", "Ratio (rounds)", "Target")


def terminal_table(findings: Sequence[Finding]) -> Table:
    """The findings as a table; a missed target is red."""
    table = Table()
    for heading in HEADINGS:
        table.add_column(heading, no_wrap=heading == "Figure")
    for finding in findings:
        missed = finding.race.ratio < TARGETS.get(finding.key, 0.0)
        table.add_row(*_cells(finding), style="red" if missed else None)
    return table


def write_docs(findings: Sequence[Finding], result: dict[str, Any], document: Path = DOCUMENT) -> None:
    """Replace what stands between the markers of the document."""
    before, begin, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{document} lacks the markers {BEGIN} and {END}; put them where the table belongs.")
    text = "\n".join([BEGIN, *_lines(findings, result), END])
    document.write_text(before + text + after, encoding="utf-8")


def _lines(findings: Sequence[Finding], result: dict[str, Any]) -> list[str]:
    return [
        f"Command: `{result['command']}`. Machine: {machine_sentence(result['machine'])}.",
        "",
        _row(HEADINGS),
        _row(["---"] * len(HEADINGS)),
        *(_row(_cells(finding)) for finding in findings),
    ]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(finding: Finding) -> list[str]:
    race, target = finding.race, TARGETS.get(finding.key)
    low, high = race.spread
    return [
        finding.key,
        finding.what,
        f"{race.ours_per_s:,.0f}",
        f"{race.bare_per_s:,.0f}",
        f"{race.ratio:.3f} ({low:.3f} to {high:.3f})",
        "" if target is None else f"≥ {target}",
    ]
