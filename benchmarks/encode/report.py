"""Shows the findings in a terminal and in docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from benchmarks.encode.measure import TARGETS, Finding
from benchmarks.pages import DOCUMENT, Result, origin, table_lines, write_part

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


def write_docs(findings: Sequence[Finding], result: Result, document: Path = DOCUMENT) -> None:
    """Replace what stands between the markers of the document."""
    write_part(document, BEGIN, END, [origin(result), *table_lines(HEADINGS, map(_cells, findings))])


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
