"""Sets the experiment's figures in Markdown tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from benchmarks.experiment.analyse import PRIMARY_PAIRS, Comparison, Runs, Spread, figures_of, sign_of_better
from benchmarks.experiment.arms import ARMS
from benchmarks.experiment.controls import CONTROLS, control_sentence, control_shares, rounded
from benchmarks.experiment.findings import chance, percent, points, short, tasks_of
from benchmarks.experiment.plots import present, words_arms
from benchmarks.experiment.run import IMAGE_ONLY
from fourtower_encoders.combined import METHODS

COLUMNS = ("R@1", "R@5", "R@10", "MRR", "nDCG@10", "XC@1", "XC@10", "XC@1-removed", "PC@10", "PC@10 of XC@10")
MEANING = {
    "R@1, R@5, R@10": "the photographed product is first, among the first 5, among the first 10",
    "MRR": "one over its place, averaged",
    "nDCG@10": "right and similar products stand first",
    "XC@1, XC@10": "**less is better**: share of the first hit, of the first ten hits, that have another category",
    "XC@1-removed": "the same where the photographed product is not for sale",
    "PC@10": "share of the first ten hits that have another category but the same pattern: pattern capture",
    "PC@10 of XC@10": "their part in all hits of another category",
    "Hit@1": "for a photo with words: the first hit is a right answer",
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, text_columns: int = 1) -> list[str]:
    """Lines of a table; columns after the first `text_columns` are numbers, set right."""
    rule = ["---"] * text_columns + ["--:"] * (len(head) - text_columns)
    return [f"| {' | '.join(row)} |" for row in (head, rule, *rows)]


def primary_table(comparisons: Sequence[Comparison]) -> list[str]:
    """The four comparisons of the claim."""
    head = ["Comparison", "Figure", "From", "To", "Difference (95 %)", "Better in", "p", "Holm p"]
    return table(head, [_primary_row(c) for c in comparisons], text_columns=2)


def _primary_row(c: Comparison) -> list[str]:
    names = [f"{c.left} - {c.right}", short(c.figure)]
    if not c.differences:
        return [*names, *["not run"] * 3, "0 seeds", "-", "-"]
    span = f" [{points(c.interval.low)}, {points(c.interval.high)}]" if c.interval else ""
    tests = [chance(c.p), f"**{chance(c.adjusted)}**" if c.shown else chance(c.adjusted)]
    seeds = f"{c.wins} of {len(c.differences)} seeds"
    return [*names, percent(c.before), percent(c.after), f"{points(c.mean)}{span}", seeds, *tests]


def arms_table(runs: Runs) -> list[str]:
    """All arms: mean and standard deviation over seeds of the image-only figures."""
    arms = present(runs)
    known = figures_of(runs, arms)
    columns = [name for name in COLUMNS if IMAGE_ONLY + name in known]
    rows = [
        [arm, str(len(runs.arms[arm])), *(_cell(runs.spread(arm, IMAGE_ONLY + name)) for name in columns)]
        for arm in arms
    ]
    return table(["Arm", "Seeds", *columns], rows)


def text_table(runs: Runs) -> list[str]:
    """Photo search that also compares the photo with the products' texts."""
    arms = words_arms(runs)
    columns = [name for name in ("R@1", "R@10", "MRR", "XC@1", "XC@10") if name in figures_of(runs, arms)]
    rows = [[arm, *(_cell(runs.spread(arm, name)) for name in columns)] for arm in arms]
    return table(["Arm", *columns], rows)


def about_table(runs: Runs) -> list[str]:
    """What each arm trains."""
    about = {arm.name: arm.about for arm in ARMS}
    return table(["Arm", "What it is"], [[arm, about.get(arm, "")] for arm in present(runs)], text_columns=2)


def controls_table(runs: Runs, figures: list[str]) -> list[str]:
    """Each control, its share of the gain on the figures that have one, and what that means."""
    head = ["Control", "Asks", *(f"{short(name)}: share of the gain" for name in figures), "Reading"]
    rows = []
    for control in (control for control in CONTROLS if control.arm in runs.arms):
        shares = control_shares(runs, control, figures)
        cells = [f"{rounded(shares[name])} ({_ahead(runs, control.arm, name)})" if name in shares else "-"
                 for name in figures]  # fmt: skip
        rows.append([control.arm, control.asks, *cells, control_sentence(runs, control, figures)])
    return table(head, rows, text_columns=len(head))


def _ahead(runs: Runs, arm: str, figure: str) -> str:
    """In how many seeds the 3-tower is better than the control."""
    differences = runs.differences(PRIMARY_PAIRS[0][0], arm, figure)
    ahead = sum(sign_of_better(figure) * value > 0 for value in differences.values())
    return f"3-tower ahead in {ahead} of {len(differences)}"


def words_table(runs: Runs) -> list[str]:
    """Hit@1 of searches with photo and words, by task and arm."""
    rows = []
    for task in tasks_of(runs):
        for arm in words_arms(runs):
            cells = [_cell(runs.spread(arm, f"{task}/{method}/Hit@1")) for method in METHODS]
            rows.append([task.replace("_", " "), arm, *cells])
    return table(["Task", "Arm", *METHODS], rows, text_columns=2)


def _cell(found: Spread | None) -> str:
    if found is None:
        return "-"
    if math.isnan(found.deviation):
        return percent(found.mean)
    return f"{percent(found.mean)} ± {percent(found.deviation)}"
