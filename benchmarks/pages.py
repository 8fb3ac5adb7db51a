"""Shows a benchmark's figures: as a table in a terminal, and as its part of docs/benchmarks.md, with a picture."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from rich.table import Table

from benchmarks.machine import machine_sentence

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"
FIGURES = ("Figure", "Value", "Target")
DPI = 120
Result = Mapping[str, Any]
"""What a result file holds."""
Rows = Iterable[Sequence[str]]


def terminal_table(result: Result, at_most: Collection[str]) -> Table:
    """The figures; a missed target is red."""
    table = Table(*FIGURES)
    for name, *cells in figure_rows(result, at_most):
        table.add_row(name, *cells, style="red" if is_missed(result, name, at_most) else None)
    return table


def is_missed(result: Result, name: str, at_most: Collection[str]) -> bool:
    """Whether a figure has a target and fails it; the targets of those in `at_most` are bounds from above."""
    value, target = result["figures"][name], result["targets"].get(name)
    if target is None:
        return False
    return bool(value > target if name in at_most else value < target)


def figure_rows(result: Result, at_most: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Each figure with its value and its target, as `FIGURES` names them."""
    for name, value in result["figures"].items():
        target = result["targets"].get(name)
        sign = "≤" if name in at_most else "≥"
        yield name, f"{value:.3f}", "" if target is None else f"{sign} {target:g}"


def write_part(document: Path, begin: str, end: str, lines: Iterable[str]) -> None:
    """Replace what stands between two markers of a document."""
    before, found, rest = document.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{document} lacks the markers {begin} and {end}; put them where the tables belong.")
    document.write_text(before + "\n".join([begin, *lines, end]) + after, encoding="utf-8")


def origin(result: Result) -> str:
    """By what command and where the figures were measured, and with which versions, where these were noted."""
    versions = result.get("settings", {}).get("versions", {})
    noted = "; " + ", ".join(f"{name} {number}" for name, number in versions.items()) if versions else ""
    return f"Command: `{result['command']}`. Machine: {machine_sentence(result['machine'])}{noted}."


def table_lines(headings: Sequence[str], rows: Rows) -> Iterator[str]:
    """A table of the document, after an empty line."""
    yield from ("", _line(headings), _line(["---"] * len(headings)))
    yield from map(_line, rows)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def save_picture(figure: Figure, file: Path) -> None:
    """Save a drawing with few colours, which keeps the file small."""
    file.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=DPI)
    Image.open(buffer).convert("RGB").quantize(64).save(file, optimize=True)
