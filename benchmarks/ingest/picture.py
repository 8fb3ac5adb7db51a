"""Draws the result: the races, the time until events are searchable, and memory under overload."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.ingest.report import PICTURE
from benchmarks.pages import DOCUMENT, Result, save_picture

FILE = DOCUMENT.parent / PICTURE
BLUE, RED, GREY = "#0072B2", "#D55E00", "#999999"
SHARES = ("new_vs_embedder", "price_vs_upsert", "stale_vs_poll")


def draw(result: Result, file: Path = FILE) -> None:
    """Write the picture."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    shares, times, memory = figure.subplots(1, 3)
    _shares(shares, result)
    _times(times, result["details"]["searchable"])
    _memory(memory, result["details"]["overload"]["memory"])
    for axis in (shares, times, memory):
        axis.spines[["top", "right"]].set_visible(False)
    save_picture(figure, file)


def _shares(axis: Any, result: Result) -> None:
    places = range(len(SHARES))
    axis.bar(places, [result["figures"][name] for name in SHARES], 0.5, color=BLUE)
    for place, name in enumerate(SHARES):
        axis.plot((place - 0.35, place + 0.35), [result["targets"][name]] * 2, color=RED)
    axis.set_xticks(places, [name.replace("_vs_", "\nvs ") for name in SHARES], fontsize=8)
    axis.set_title("Share of the bare side's speed (line: target)", loc="left", fontsize=10)


def _times(axis: Any, levels: Mapping[str, Mapping[str, float]]) -> None:
    for name, marker, colour in (("p50_s", "o", BLUE), ("p95_s", "s", RED), ("p99_s", "^", GREY)):
        axis.plot(
            range(len(levels)), [found[name] for found in levels.values()], marker=marker, color=colour, label=name[:3]
        )
    axis.set_xticks(range(len(levels)), list(levels))
    axis.set_ylim(bottom=0)
    axis.set_xlabel("load, as a share of capacity")
    axis.legend(fontsize=8, frameon=False)
    axis.set_title("Seconds until a client finds an event", loc="left", fontsize=10)


def _memory(axis: Any, processes: Mapping[str, Mapping[str, float]]) -> None:
    names = list(processes)
    axis.barh(range(len(names)), [processes[name]["ratio"] for name in names], 0.5, color=BLUE)
    axis.axvline(1, color=GREY, linewidth=1, linestyle="--")
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.set_title("Memory under overload, later / early", loc="left", fontsize=10)
