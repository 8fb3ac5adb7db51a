"""Draws the experiment: curves over training, every seed of every arm, and searches with photo and words."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from PIL import Image

from benchmarks.experiment.analyse import PRIMARY_PAIRS, Runs, curve
from benchmarks.experiment.arms import ARMS
from benchmarks.experiment.controls import CONTROLS
from benchmarks.experiment.findings import short, tasks_of
from benchmarks.experiment.run import HITS
from fourtower_encoders.combined import METHODS

DPI = 120
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's palette, which colour-blind readers can tell apart."""
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
BETTER = {"R@1": "R@1, percent (more is better)", "XC@1": "XC@1, percent (less is better)"}
REFERENCES = (PRIMARY_PAIRS[0][1], PRIMARY_PAIRS[0][0])
"""What the controls are drawn beside: dml and the 3-tower."""


class Style(NamedTuple):
    """How a line or a point looks; told apart by shape as well as by colour."""

    colour: str
    marker: str


def style(place: int) -> Style:
    """The look of the n-th thing in a panel."""
    return Style(COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)])


def present(runs: Runs) -> list[str]:
    """The arms that have runs, in the order of the experiment."""
    known = [arm.name for arm in ARMS if arm.name in runs.arms]
    return known + sorted(runs.arms.keys() - set(known))


def draw_all(runs: Runs, folder: Path, name: str) -> list[Path]:
    """Write the pictures that the runs give something for."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = {"curves": curves(runs), "arms": dots(runs)}
    if tasks_of(runs):
        figures["words"] = words(runs)
    return [_save(figure, folder / f"experiment-{name}-{kind}.png") for kind, figure in figures.items()]


def curves(runs: Runs) -> Figure:
    """Both primary figures over the steps; a band is one standard deviation over seeds to either side."""
    controls = {control.arm for control in CONTROLS}
    losses = [arm for arm in present(runs) if arm not in controls]
    beside = [arm for arm in present(runs) if arm in controls or arm in REFERENCES]
    figure = Figure(figsize=(9, 7), layout="constrained")
    axes = figure.subplots(len(HITS), 2, sharex=True, sharey="row", squeeze=False)
    for row, name in enumerate(HITS):
        for column, arms in enumerate((losses, beside)):
            for place, arm in enumerate(arms):
                _curve(axes[row][column], runs, arm, name, style(place))
        axes[row][0].set_ylabel(BETTER[short(name)])
    for column, title in enumerate(("Losses", "Controls")):
        axes[0][column].set_title(title, loc="left")
        axes[0][column].legend(fontsize=8, frameon=False)
        axes[-1][column].set_xlabel("training steps")
    _tidy(axes.ravel())
    return figure


def _curve(axis: Any, runs: Runs, arm: str, name: str, look: Style) -> None:
    points = curve(runs, arm, name)
    steps = list(points)
    means = [100 * point.mean for point in points.values()]
    spread = [100 * point.deviation if math.isfinite(point.deviation) else 0.0 for point in points.values()]
    axis.plot(steps, means, color=look.colour, marker=look.marker, markersize=4, linewidth=1.4, label=arm)
    low = [mean - by for mean, by in zip(means, spread, strict=True)]
    high = [mean + by for mean, by in zip(means, spread, strict=True)]
    axis.fill_between(steps, low, high, color=look.colour, alpha=0.12, linewidth=0)


def dots(runs: Runs) -> Figure:
    """Every seed of every arm as a dot, its mean as a bar."""
    arms = present(runs)
    figure = Figure(figsize=(9, 1.2 + 0.36 * len(arms)), layout="constrained")
    axes = figure.subplots(1, len(HITS), sharey=True, squeeze=False)[0]
    for axis, name in zip(axes, HITS, strict=True):
        for place, arm in enumerate(arms):
            colour = _role_colour(arm)
            values = [100 * value for value in runs.values(arm, name).values()]
            axis.plot(values, [place] * len(values), "o", color=colour, markersize=5, alpha=0.45, markeredgewidth=0)
            if values:
                mean = sum(values) / len(values)
                axis.plot([mean, mean], [place - 0.32, place + 0.32], color=colour, linewidth=2.2)
        axis.set_xlabel(BETTER[short(name)])
    axes[0].set_yticks(range(len(arms)), arms)
    axes[0].invert_yaxis()
    _tidy(axes)
    return figure


def _role_colour(arm: str) -> str:
    """Blue for the arms of the claim, orange for controls, grey for the rest."""
    if any(arm in pair for pair in PRIMARY_PAIRS):
        return COLOURS[1]
    return COLOURS[2] if any(arm == control.arm for control in CONTROLS) else "#666666"


def words_arms(runs: Runs) -> list[str]:
    """The arms whose text tower reads real titles; the others say nothing about typed words."""
    reading = {arm.name for arm in ARMS if arm.texts in ("titles", "minilm") and arm.phases != ("dml",)}
    return [arm for arm in present(runs) if arm in reading]


def words(runs: Runs) -> Figure:
    """How often a right product comes first, for a photo with words and for simpler searches."""
    arms, tasks = words_arms(runs), tasks_of(runs)
    columns = min(2, len(tasks))
    rows = math.ceil(len(tasks) / columns)
    figure = Figure(figsize=(9, 0.9 + rows * (0.7 + 0.3 * len(arms))), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axis, task in zip(axes, tasks, strict=False):
        _task(axis, runs, arms, task)
    for axis in axes[len(tasks) :]:
        axis.set_visible(False)
    axes[0].set_yticks(range(len(arms)), arms)
    axes[0].set_ylim(len(arms) - 0.5, -0.5)
    axes[0].set_xlim(left=0)
    figure.supxlabel("Hit@1, percent", fontsize=10)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=8, frameon=False)
    _tidy(axes)
    return figure


def _task(axis: Any, runs: Runs, arms: Sequence[str], task: str) -> None:
    for place, method in enumerate(METHODS):
        look = style(place + 1)
        spreads = [runs.spread(arm, f"{task}/{method}/Hit@1") for arm in arms]
        means = [100 * found.mean if found else math.nan for found in spreads]
        axis.plot(means, range(len(arms)), look.marker, color=look.colour, markersize=7, alpha=0.85, label=method)
    axis.set_title(task.replace("_", " ").capitalize(), loc="left", fontsize=10)


def _tidy(axes: Iterable[Any]) -> None:
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(color="#dddddd", linewidth=0.6)
        axis.set_axisbelow(True)


def _save(figure: Figure, path: Path) -> Path:
    """Save with few colours and without metadata, so that equal figures give small, equal files."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    with Image.open(buffer) as drawn:
        drawn.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, "PNG", optimize=True)
    return path
