"""Reads the runs of one protocol and compares its arms: means, exact paired tests, intervals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from benchmarks.experiment.run import HITS
from fourtower_encoders.errors import ManifestError
from fourtower_encoders.statistics import Interval, holm, paired_interval, sign_flip_p

PRIMARY_PAIRS = (("3-tower", "dml"), ("4-tower from 3-tower", "3-tower"))
"""The claim: text helps, and the fourth tower helps once more. (left arm, right arm)"""
LEVEL = 0.05
"""A Holm-adjusted p-value below this counts as shown."""


class Run(BaseModel):
    """One result file."""

    model_config = ConfigDict(frozen=True, strict=True)

    arm: str
    seed: int
    protocol: str
    images: int
    seconds: float
    figures: dict[str, float]
    curve: list[dict[str, float]]
    hits: dict[str, str]


class Spread(NamedTuple):
    """A figure over the seeds of an arm."""

    mean: float
    deviation: float
    """Sample standard deviation; NaN for a single seed."""
    seeds: int


def spread(values: Sequence[float]) -> Spread:
    """Mean and deviation of at least one value."""
    return Spread(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else math.nan, len(values))


@dataclass(frozen=True)
class Runs:
    """The runs of one protocol; what another protocol left in the folder is only counted."""

    runs: list[Run]
    foreign: int = 0

    @cached_property
    def arms(self) -> dict[str, dict[int, Run]]:
        """Runs by arm and seed, in the order in which they were read."""
        arms: dict[str, dict[int, Run]] = {}
        for run in self.runs:
            arms.setdefault(run.arm, {})[run.seed] = run
        return arms

    def values(self, arm: str, figure: str) -> dict[int, float]:
        """A figure of an arm by seed; seeds without it are left out."""
        found = {seed: run.figures.get(figure, math.nan) for seed, run in self.arms.get(arm, {}).items()}
        return {seed: value for seed, value in sorted(found.items()) if math.isfinite(value)}

    def spread(self, arm: str, figure: str) -> Spread | None:
        """Mean and deviation over seeds; None where no seed has the figure."""
        values = list(self.values(arm, figure).values())
        return spread(values) if values else None

    def differences(self, left: str, right: str, figure: str) -> dict[int, float]:
        """Left minus right by seed, where both arms have that seed: the same start, the same batches."""
        first, second = self.values(left, figure), self.values(right, figure)
        return {seed: first[seed] - second[seed] for seed in first if seed in second}


@dataclass(frozen=True)
class Comparison:
    """Two arms on one figure, paired by seed."""

    left: str
    right: str
    figure: str
    differences: dict[int, float]
    """Left minus right, by seed."""
    before: float
    """Mean of the right arm over these seeds; NaN without seeds."""
    after: float
    """Mean of the left arm over these seeds."""
    interval: Interval | None
    """Of the mean difference, over seeds and queries; None where no seed is shared."""
    p: float
    """Exact two-sided sign-flip test; 1 where no seed is shared."""
    adjusted: float
    """After Holm's correction for all primary comparisons."""

    @property
    def mean(self) -> float:
        """The mean difference; NaN without seeds."""
        return self.after - self.before

    @property
    def gain(self) -> float:
        """The mean difference, positive where the left arm is the better one."""
        return sign_of_better(self.figure) * self.mean

    @property
    def wins(self) -> int:
        """In how many seeds the left arm is the better one."""
        return sum(sign_of_better(self.figure) * value > 0 for value in self.differences.values())

    @property
    def unanimous(self) -> bool:
        """Whether the left arm is the better one in every seed."""
        return self.wins == len(self.differences) > 0

    @property
    def untestable(self) -> bool:
        """With n seeds no p is below 2 / 2^n, and Holm multiplies the smallest by the number of comparisons."""
        comparisons = len(PRIMARY_PAIRS) * len(HITS)
        return comparisons * 2 >= LEVEL * (1 << len(self.differences))

    @property
    def shown(self) -> bool:
        """Whether the difference, in whichever direction, is more than chance explains."""
        return self.adjusted < LEVEL


def sign_of_better(figure: str) -> int:
    """1 where more is better, -1 for shares of wrong hits."""
    return -1 if figure.rpartition("/")[2].startswith(("XC@", "PC@")) else 1


def read_runs(folder: Path, digest: str | None = None) -> Runs:
    """Read the result files of one protocol.

    Args:
        folder: Holds one JSON file per run; it may be missing.
        digest: The protocol whose runs are wanted; if not given, the one that most runs have.

    Raises:
        ManifestError: a file is damaged, or two files claim the same arm and seed, or tell of different queries.
    """
    found = [_read(path) for path in sorted(folder.glob("*.json"))]
    wanted = digest or next((name for name, _ in Counter(run.protocol for run in found).most_common(1)), "")
    runs = [run for run in found if run.protocol == wanted]
    for run, times in Counter((run.arm, run.seed) for run in runs).items():
        if times > 1:
            raise ManifestError(f"{folder} has {times} results of arm {run[0]!r}, seed {run[1]}; remove all but one.")
    for figure in HITS:
        if len({len(run.hits[figure]) for run in runs if figure in run.hits}) > 1:
            raise ManifestError(f"The runs in {folder} have {figure!r} for different queries; run the odd ones again.")
    return Runs(runs, foreign=len(found) - len(runs))


def primary_comparisons(runs: Runs) -> list[Comparison]:
    """The four comparisons that the claim stands on; what can't be compared yet counts as p = 1."""
    asked = [(left, right, figure) for left, right in PRIMARY_PAIRS for figure in HITS]
    differences = {key: runs.differences(*key) for key in asked}
    p = {str(key): sign_flip_p(list(found.values())) if found else 1.0 for key, found in differences.items()}
    adjusted = holm(p)
    return [
        Comparison(
            *key,
            found,
            before=_mean(runs.values(key[1], key[2]), found),
            after=_mean(runs.values(key[0], key[2]), found),
            interval=_interval(runs, *key),
            p=p[str(key)],
            adjusted=adjusted[str(key)],
        )
        for key, found in differences.items()
    ]


def figures_of(runs: Runs, arms: Iterable[str]) -> set[str]:
    """The names of all figures that some run of these arms has."""
    return {name for arm in arms for run in runs.arms.get(arm, {}).values() for name in run.figures}


def share_of_gain(runs: Runs, arm: str, figure: str) -> float | None:
    """How much of the 3-tower's gain over dml another arm has, over the seeds that all three share.

    None where there is no such seed, or no gain to share.
    """
    left, right = PRIMARY_PAIRS[0]
    reference, own = runs.differences(left, right, figure), runs.differences(arm, right, figure)
    seeds = sorted(reference.keys() & own.keys())
    gain = sign_of_better(figure) * sum(reference[seed] for seed in seeds)
    return sign_of_better(figure) * sum(own[seed] for seed in seeds) / gain if seeds and gain > 0 else None


def curve(runs: Runs, arm: str, figure: str) -> Mapping[int, Spread]:
    """A figure over the steps of training."""
    by_step: dict[int, list[float]] = {}
    for run in runs.arms.get(arm, {}).values():
        for point in run.curve:
            if math.isfinite(point.get(figure, math.nan)):
                by_step.setdefault(int(point["step"]), []).append(point[figure])
    return {step: spread(values) for step, values in sorted(by_step.items())}


def _mean(values: Mapping[int, float], seeds: Iterable[int]) -> float:
    chosen = [values[seed] for seed in seeds]
    return float(np.mean(chosen)) if chosen else math.nan


def _interval(runs: Runs, left: str, right: str, figure: str) -> Interval | None:
    seeds = [
        seed
        for seed, run in sorted(runs.arms.get(left, {}).items())
        if figure in run.hits and figure in getattr(runs.arms.get(right, {}).get(seed), "hits", {})
    ]
    if not seeds:
        return None
    return paired_interval(_hits(runs.arms[left], seeds, figure), _hits(runs.arms[right], seeds, figure))


def _hits(runs: Mapping[int, Run], seeds: list[int], figure: str) -> NDArray[np.float64]:
    """Zeros and ones [S, Q]."""
    return np.array([[sign == "1" for sign in runs[seed].hits[figure]] for seed in seeds], dtype=np.float64)


def _read(path: Path) -> Run:
    try:
        return Run.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ManifestError(
            f"{path}: {place}: {first['msg']}. Remove the file and run the experiment again."
        ) from error
