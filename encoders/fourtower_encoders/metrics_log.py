"""Keeps `metrics.jsonl`, one line per logged step, and draws it as curves."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

METRICS_FILE = "metrics.jsonl"


class MetricsLog:
    """Appends figures to a run's log; steps that a resumed run repeats are dropped first."""

    def __init__(self, folder: Path | None, *, keep_until: int = 0) -> None:
        self._path = folder / METRICS_FILE if folder is not None else None
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        kept = [line for line in read_metrics(self._path.parent) if line["step"] <= keep_until]
        self._path.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")

    def write(self, step: int, terms: dict[str, float], rate: float, images_per_s: float) -> None:
        """Add one line."""
        if self._path is None:
            return
        line = {
            "step": step,
            "loss": sum(terms.values()),
            "terms": terms,
            "learning_rate": rate,
            "images_per_s": round(images_per_s, 1),
            "time": round(time.time(), 3),
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The logged lines of a run, oldest first; what a crash left half-written is left out."""
    path = folder / METRICS_FILE
    lines: list[dict[str, Any]] = []
    for text in path.read_bytes().splitlines() if path.exists() else []:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict):
            lines.append(line)
    return lines


def draw_curves(folder: Path) -> Path:
    """Draw every loss term and the speed of a run into `curves.png`."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    lines = read_metrics(folder)
    steps = [line["step"] for line in lines]
    figure, (losses, speed) = plt.subplots(
        2, 1, figsize=(8, 7), height_ratios=(3, 1), sharex=True, layout="constrained"
    )
    losses.plot(steps, [line["loss"] for line in lines], color="black", linewidth=2, label="loss")
    for name in dict.fromkeys(name for line in lines for name in line["terms"]):
        losses.plot(steps, [line["terms"].get(name) for line in lines], linewidth=1, label=name)
    losses.set(ylabel="loss", title=folder.name)
    losses.legend(frameon=False)
    speed.plot(steps, [line["images_per_s"] for line in lines], color="grey")
    speed.set(xlabel="step", ylabel="images/s", ylim=(0, None))
    for axes in (losses, speed):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    figure.savefig(folder / "curves.png", dpi=120)
    plt.close(figure)
    return folder / "curves.png"
