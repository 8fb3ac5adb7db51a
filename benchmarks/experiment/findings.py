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


def compared(runs: Runs, c: Comparison) -> str:
    """One comparison as a sentence."""
    if not c.differences:
        return f"{c.left} and {c.right} can't be compared on {short(c.figure)} yet: no seed has both."
    test = f"p = {chance(c.p)}, Holm-adjusted {chance(c.adjusted)}"
    seeds = f"in {c.wins} of {len(c.differences)} seeds"
    if not c.shown:
        return (
            f"On {short(c.figure)} no difference between {c.left} and {c.right} could be shown: "
            f"{points(c.mean)} points, better {seeds} ({test}).{_too_few(len(c.differences))}"
        )
    before, after = (np.mean([runs.values(arm, c.figure)[seed] for seed in c.differences]) for arm in (c.right, c.left))
    word = "better" if c.gain > 0 else "worse"
    return (
        f"On {short(c.figure)} {c.left} is {word} than {c.right}: {percent(float(before))} becomes "
        f"{percent(float(after))} ({points(c.mean)} points), better {seeds} ({test})."
    )


def _too_few(seeds: int) -> str:
    """With n seeds no p is below 2 / 2^n, and Holm multiplies the smallest by the number of comparisons."""
    smallest = 2 / 2**seeds * len(PRIMARY_PAIRS) * len(HITS)
    return f" With {seeds} seeds no difference could have passed the test." if smallest >= LEVEL else ""


def verdict(comparisons: list[Comparison], *, subject: str) -> str:
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
    return f"It could not be shown that {subject[0].lower()}{subject[1:]} help."


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
        """`falls`, `rises` or `stays`; the last when the seeds do not agree enough."""
        if self.p >= LEVEL:
            return "stays"
        return "falls" if self.after < self.before else "rises"

    def told(self, subject: str) -> str:
        """The change as a sentence."""
        figures = f"{percent(self.before)} % with dml, {percent(self.after)} % with the 3-tower"
        test = f"lower in {self.fewer} of {self.seeds} seeds, p = {chance(self.p)}, not corrected"
        if self.direction == "stays":
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
    if count.direction != "falls":
        return [*told, "The explanation that texts cure the towers of look-alike patterns is not confirmed."]
    if share.direction != "falls":
        return [*told, "Errors become fewer, but those of look-alike patterns no more so than others."]
    return [*told, "This fits the explanation that texts cure the towers of look-alike patterns in particular."]


def tasks_of(runs: Runs) -> list[str]:
    """The names of the searches with photo and words, in the order of the files."""
    names = [name for run in runs.runs for name in run.figures if name.endswith(f"/{METHODS[0]}/Hit@1")]
    return list(dict.fromkeys(name.rpartition(f"/{METHODS[0]}/")[0] for name in names))


def words_sentences(runs: Runs, arm: str, *, against: str = PRIMARY_PAIRS[0][0]) -> list[str]:
    """Whether a photo with words beats either alone, the exact filter, and the arm without the fourth tower."""
    means = {task: {m: runs.spread(arm, f"{task}/{m}/Hit@1") for m in METHODS} for task in tasks_of(runs)}
    known = {task: {m: s.mean for m, s in found.items() if s} for task, found in means.items()}
    known = {task: found for task, found in known.items() if METHODS[0] in found}
    if not known:
        return []
    single = sum(
        found[METHODS[0]] > max((found[m] for m in METHODS[1:3] if m in found), default=1) for found in known.values()
    )
    filtered = sum(found[METHODS[0]] > found.get(METHODS[3], 1) for found in known.values())
    told = [
        f"With {arm}, photo and words together find a right product first more often than either alone in {single} of "
        f"{len(known)} kinds of task, and more often than an exact filter followed by the photo in {filtered}."
    ]
    return told + _fourth_tower(runs, arm, against, list(known))


def _fourth_tower(runs: Runs, arm: str, against: str, tasks: list[str]) -> list[str]:
    by_task = [runs.differences(arm, against, f"{task}/{METHODS[0]}/Hit@1") for task in tasks]
    seeds = sorted(set.intersection(*(set(found) for found in by_task)))
    if arm == against or not seeds:
        return []
    means = [float(np.mean([found[seed] for found in by_task])) for seed in seeds]
    better = sum(sign_of_better("Hit@1") * mean > 0 for mean in means)
    return [
        f"Over all tasks that is {points(float(np.mean(means)))} points against {against}, better in {better} of "
        f"{len(seeds)} seeds."
    ]
