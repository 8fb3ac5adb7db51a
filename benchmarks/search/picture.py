"""Draws the result: times by size, recall by kind of query, and speed of writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.pages import DOCUMENT, Result, save_picture
from benchmarks.search.catalog import KINDS
from benchmarks.search.report import PICTURE, sizes

FILE = DOCUMENT.parent / PICTURE
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
"""Of Okabe and Ito's palette, which colour-blind readers can tell apart."""
MARKERS = ("o", "s", "D", "^", "v")


def draw(result: Result, file: Path = FILE) -> None:
    """Write the picture."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    times, recall, writes = figure.subplots(1, 3)
    _times(times, result)
    _recall(recall, list(result["details"][f"recall_{max(sizes(result))}"].items()))
    _writes(writes, result["details"]["writing"])
    for axis in (times, recall, writes):
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(fontsize=8, frameon=False)
    save_picture(figure, file)


def _times(axis: Any, result: Result) -> None:
    found = sizes(result)
    labels = {"sdk": "SearchClient", "raw": "raw pymilvus", "raw_read": "raw pymilvus, all fields read"}
    for place, (side, label) in enumerate(labels.items()):
        spent = [each[f"{side}_p50_ms"] for each in found.values()]
        axis.plot(list(found), spent, color=COLOURS[place], marker=MARKERS[place], label=label)
    axis.set_xscale("log")
    axis.set_ylim(bottom=0)
    axis.set_xlabel("rows")
    axis.set_title("Time of a search, p50 in ms", loc="left")


def _recall(axis: Any, cells: list[tuple[str, Mapping[str, float]]]) -> None:
    for place, (index, recall) in enumerate(cells):
        places = [number + (place - len(cells) / 2) * 0.12 for number in range(len(KINDS))]
        values = [recall[kind] for kind in KINDS]
        axis.plot(places, values, COLOURS[place], marker=MARKERS[place], linestyle="", label=index)
    axis.axhline(0.99, color="#999999", linewidth=1, linestyle="--")
    axis.set_xticks(range(len(KINDS)), KINDS)
    axis.set_ylim(min(0.95, *(min(recall.values()) for _, recall in cells)) - 0.005, 1.005)
    axis.set_title("Recall@10 against the exact answer", loc="left")


def _writes(axis: Any, writing: Mapping[str, Mapping[str, float]]) -> None:
    for place, (name, label) in enumerate({"rows_per_s": "versioned and verified", "raw_rows_per_s": "raw"}.items()):
        places = [number + (place - 0.5) * 0.35 for number in range(len(writing))]
        axis.bar(places, [each[name] for each in writing.values()], 0.33, color=COLOURS[place], label=label)
    axis.set_xticks(range(len(writing)), list(writing))
    axis.set_ylim(top=1.25 * max(each["raw_rows_per_s"] for each in writing.values()))  # room for the legend
    axis.set_title("Writes, rows per second", loc="left")
