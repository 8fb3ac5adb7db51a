"""Puts figures into words: each sentence is chosen by what the runs show, never beyond it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.experiment.analyse import (
    LEVEL,
    PRIMARY_PAIRS,
    Comparison,
    Runs,
    curve,
    sign_of_better,
)
from benchmarks.experiment.run import HITS, IMAGE_ONLY
from fourtower_encoders.combined import METHODS
from fourtower_encoders.statistics import sign_flip_p

CAPTURE = f"{IMAGE_ONLY}PC@10"
CAPTURE_SHARE = f"{IMAGE_ONLY}PC@10 of XC@10"


def percent(value: float) -> str:
    """A share as a number of percent."""
    return f"{100 * value:.1f}"


def points(value: float) -> str:
    """A difference of shares in percentage points."""
    return f"{100 * value:+.1f}"


def chance(p: float) -> str:
    """A p-value with as many digits as it deserves."""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1g}"


def short(figure: str) -> str:
    """The figure's name without its prefix."""
    return figure.removeprefix(IMAGE_ONLY)


def compared(c: Comparison) -> str:
    """One comparison as a sentence."""
    name, arms = short(c.figure), f"{c.left} and {c.right}"
    if not c.differences:
        return f"{arms} can't be compared on {name} yet: no seed has both."
    seeds = f"better in {c.wins} of {len(c.differences)} seeds (p = {chance(c.p)}, Holm-adjusted {chance(c.adjusted)})"
    if not c.shown:
        return f"On {name} no difference between {arms} could be shown: {points(c.mean)} points, {seeds}.{_too_few(c)}"
    word = "better" if c.gain > 0 else "worse"
    course = f"{percent(c.before)} becomes {percent(c.after)} ({points(c.mean)} points)"
    return f"On {name} {c.left} is {word} than {c.right}: {course}, {seeds}."


def answer(comparisons: Sequence[Comparison], *, subject: str) -> str:
    """The comparisons of one pair of arms in short: the verdict, then what it rests on."""
    first = comparisons[0]
    if not any(c.differences for c in comparisons):
        return f"**Not known yet: {subject[0].lower()}{subject[1:]}.** No seed has both {first.left} and {first.right}."
    parts = [
        f"{short(c.figure)} {percent(c.before)} to {percent(c.after)} %, better in {c.wins} of {len(c.differences)} "
        f"seeds (Holm-adjusted p = {chance(c.adjusted)})"
        for c in comparisons
    ]
    told = f"{first.left} against {first.right}: {'; '.join(parts)}.{_too_few(first)}"
    return f"**{verdict(comparisons, subject=subject)}** {told}"


def _too_few(c: Comparison) -> str:
    return f" With {len(c.differences)} seeds no difference could have passed the test." if c.untestable else ""


def verdict(comparisons: Sequence[Comparison], *, subject: str) -> str:
    """The answer to a yes-or-no question from the comparisons of one pair of arms."""
    better = [short(c.figure) for c in comparisons if c.shown and c.gain > 0]
    worse = [short(c.figure) for c in comparisons if c.shown and c.gain < 0]
    if worse:
        tail = f", though they help on {listed(better)}" if better else ""
        return f"{subject} hurt on {listed(worse)}{tail}."
    if len(better) == len(comparisons):
        return f"{subject} help, on both figures."
    if better:
        return f"{subject} help on {listed(better)}; on the other figure no difference could be shown."
    what = f"{subject[0].lower()}{subject[1:]} help."
    if all(c.untestable for c in comparisons):
        return f"Too few seeds to tell whether {what}"
    return f"It could not be shown that {what}"


def listed(names: Sequence[str]) -> str:
    """Names joined by `and`."""
    return " and ".join(names)


@dataclass(frozen=True)
class Change:
    """A figure of the 3-tower against dml, tested alone and outside the primary family."""

    before: float
    after: float
    fewer: int
    seeds: int
    p: float

    @property
    def direction(self) -> str:
        """`falls`, `rises`, `stays` when the seeds do not agree enough, or `unknown` when they are too few to."""
        if 2 / 2**self.seeds >= LEVEL:
            return "unknown"
        if self.p >= LEVEL:
            return "stays"
        return "falls" if self.after < self.before else "rises"

    def told(self, subject: str) -> str:
        """The change as a sentence."""
        figures = f"{percent(self.before)} % with dml, {percent(self.after)} % with the 3-tower"
        test = f"lower in {self.fewer} of {self.seeds} seeds, p = {chance(self.p)}, not corrected"
        if self.direction in ("stays", "unknown"):
            return f"No change could be shown in {subject}: {figures} ({test})."
        return f"{subject[0].upper()}{subject[1:]} {self.direction}: {figures} ({test})."


def change(runs: Runs, figure: str) -> Change | None:
    """How the 3-tower differs from dml; None where no seed has both."""
    left, right = PRIMARY_PAIRS[0]
    differences = runs.differences(left, right, figure)
    if not differences:
        return None
    before, after = (float(np.mean([runs.values(arm, figure)[seed] for seed in differences])) for arm in (right, left))
    fewer = sum(value < 0 for value in differences.values())
    return Change(before, after, fewer, len(differences), sign_flip_p(list(differences.values())))


def capture_sentences(runs: Runs) -> list[str]:
    """Whether the look-alike patterns of other categories lose their pull; empty where patterns are unknown."""
    count, share = change(runs, CAPTURE), change(runs, CAPTURE_SHARE)
    if count is None or share is None:
        return []
    told = [
        count.told("the share of the first ten hits that have another category but the same pattern"),
        share.told("their part in all hits of another category"),
    ]
    if count.direction == "unknown":
        return [*told, f"With {count.seeds} seeds none could have been shown."]
    if count.direction != "falls":
        return [*told, "The explanation that texts cure the towers of look-alike patterns is not confirmed."]
    if share.direction != "falls":
        return [*told, "Errors become fewer, but those of look-alike patterns no more so than others."]
    return [*told, "This fits the explanation that texts cure the towers of look-alike patterns in particular."]


def settled(runs: Runs) -> str:
    """How much R@1 still moved between the last two looks; empty where there were no two."""
    moved = {}
    for arm in reversed(PRIMARY_PAIRS[0]):
        means = [point.mean for point in curve(runs, arm, HITS[0]).values()]
        if len(means) > 1:
            moved[arm] = means[-1] - means[-2]
    if not moved:
        return ""
    changes = listed([f"{points(by)} ({arm})" for arm, by in moved.items()])
    told = f"Between the last two looks R@1 changed by {changes} points"
    if max(map(abs, moved.values())) < 0.01:
        return f"{told}: training had settled."
    return f"{told}: the budget is small, and more steps would have taught the towers more."


def tasks_of(runs: Runs) -> list[str]:
    """The names of the searches with photo and words, in the order of the files."""
    names = [name for run in runs.runs for name in run.figures if name.endswith(f"/{METHODS[0]}/Hit@1")]
    return list(dict.fromkeys(name.rpartition(f"/{METHODS[0]}/")[0] for name in names))


def words_sentences(runs: Runs, arm: str, *, against: str = PRIMARY_PAIRS[0][0]) -> list[str]:
    """Whether a photo with words beats either alone, the exact filter, and the arm without the fourth tower."""
    found = {task: _methods(runs, arm, task) for task in tasks_of(runs)}
    known = {task: means for task, means in found.items() if METHODS[0] in means}
    if not known:
        return []
    alone = sum(
        means[METHODS[0]] > max((means[m] for m in METHODS[1:3] if m in means), default=1) for means in known.values()
    )
    filtered = sum(means[METHODS[0]] > means.get(METHODS[3], 1) for means in known.values())
    overall = {m: np.mean([means[m] for means in known.values() if m in means] or [np.nan]) for m in METHODS}
    figures = ", ".join(f"{name} {percent(float(mean))}" for name, mean in overall.items() if np.isfinite(mean))
    told = [
        f"With {arm}, photo and words together find a right product first more often than either alone in {alone} of "
        f"{len(known)} kinds of task, and more often than an exact filter followed by the photo in {filtered}. "
        f"Hit@1 averaged over the tasks that have the method: {figures}."
    ]
    return told + _fourth_tower(runs, arm, against, list(known))


def _methods(runs: Runs, arm: str, task: str) -> dict[str, float]:
    """Mean Hit@1 of each way to search that the task has."""
    spreads = {method: runs.spread(arm, f"{task}/{method}/Hit@1") for method in METHODS}
    return {method: spread.mean for method, spread in spreads.items() if spread}


def _fourth_tower(runs: Runs, arm: str, against: str, tasks: list[str]) -> list[str]:
    by_task = [runs.differences(arm, against, f"{task}/{METHODS[0]}/Hit@1") for task in tasks]
    seeds = sorted(set.intersection(*(set(found) for found in by_task)))
    if arm == against or not seeds:
        return []
    means = [float(np.mean([found[seed] for found in by_task])) for seed in seeds]
    better = sum(sign_of_better("Hit@1") * mean > 0 for mean in means)
    gain = points(float(np.mean(means)))
    return [f"Composed, that is {gain} points against {against}, better in {better} of {len(seeds)} seeds."]
