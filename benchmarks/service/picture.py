"""Draws the result: answers per second of all sides, and what became of too many questions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.pages import DOCUMENT, Result, save_picture
from benchmarks.service.report import PICTURE, SIDES

FILE = DOCUMENT.parent / PICTURE
COLOURS = {"sdk": "#999999", "service": "#0072B2", "unbatched": "#56B4E9"}
RED = "#D55E00"


def draw(result: Result, file: Path = FILE) -> None:
    """Write the picture."""
    details = result["details"]
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    texts, images, overload = figure.subplots(1, 3)
    _rates(texts, [cell for cell in details["cells"] if cell["kind"] == "text"], "Words: answers per second")
    _rates(images, [cell for cell in details["cells"] if cell["kind"] == "image"], "Photos: answers per second")
    _overload(overload, details["overload"])
    for axis in (texts, images, overload):
        axis.spines[["top", "right"]].set_visible(False)
    save_picture(figure, file)


def _rates(axis: Any, cells: list[Any], title: str) -> None:
    width = 0.8 / len(COLOURS)
    for number, (side, colour) in enumerate(COLOURS.items()):
        places = [place + (number - 1) * width for place in range(len(cells))]
        axis.bar(places, [cell["sides"][side]["per_s"] for cell in cells], width, color=colour, label=SIDES[side])
    axis.set_xticks(range(len(cells)), [f"{cell['clients']} clients" for cell in cells])
    axis.legend(fontsize=7, frameon=False)
    axis.set_title(title, loc="left", fontsize=10)


def _overload(axis: Any, found: Any) -> None:
    values = [found[name] for name in ("alone_p99_ms", "p50_ms", "p99_ms")]
    axis.bar(range(3), values, 0.5, color=["#999999", "#0072B2", "#0072B2"])
    axis.axhline(5 * found["alone_p99_ms"], color=RED, linewidth=1)
    axis.set_xticks(range(3), ["alone, p99", "overload, p50", "overload, p99"], fontsize=8)
    axis.set_title("Milliseconds of answers (line: target)", loc="left", fontsize=10)
