"""What each control arm would mean for the claim, and how much of the gain it reaches."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.experiment.analyse import PRIMARY_PAIRS, Comparison, Runs, share_of_gain
from benchmarks.experiment.findings import listed, short

MOST, LITTLE = 0.8, 0.2
"""A control with at least `MOST` of the gain explains it; one with at most `LITTLE` of it does not."""


@dataclass(frozen=True)
class Control:
    """An arm that would share the 3-tower's gain if the gain came from something else than language."""

    arm: str
    asks: str
    explains: str
    partly: str
    fails: str


CONTROLS = (
    Control(
        "3-tower, titles shuffled",
        "Does it matter what the titles say?",
        "Titles of other products serve as well, so what the text says does not explain the gain.",
        "Titles of other products give some of the gain; what the text says gives the rest.",
        "Titles of other products do not give the gain: what the text says matters.",
    ),
    Control(
        "3-tower, category labels",
        "Do titles say more than the category?",
        "The category word alone serves as well: the gain is category supervision, which titles bring for free.",
        "The category word alone gives some of the gain; the rest of the title gives more.",
        "The category word alone does not give the gain: it takes the whole title.",
    ),
    Control(
        "3-tower, free proxies",
        "Would anchors without language do?",
        "One free vector per product serves as well: the gain is that of fixed anchors, not of language.",
        "One free vector per product gives some of the gain, without any language.",
        "One free vector per product does not give the gain: anchors without language are not enough.",
    ),
    Control(
        "dml, twice the steps",
        "Does the text only make training faster?",
        "Training on images alone for twice as long serves as well: the gain is one of speed.",
        "Training on images alone for twice as long makes up for some of the gain.",
        "Training on images alone for twice as long does not make up for the gain.",
    ),
)


def gain_to_explain(comparisons: list[Comparison]) -> list[str]:
    """The figures with a gain of the 3-tower over dml: shown, or seen in every seed where these are too few to test."""
    return [
        c.figure
        for c in comparisons
        if (c.left, c.right) == PRIMARY_PAIRS[0] and c.gain > 0 and (c.shown or (c.untestable and c.unanimous))
    ]


def control_shares(runs: Runs, control: Control, figures: list[str]) -> dict[str, float]:
    """The control's share of the gain, for the figures where it is known."""
    shares = {figure: share_of_gain(runs, control.arm, figure) for figure in figures}
    return {figure: share for figure, share in shares.items() if share is not None}


def control_sentence(runs: Runs, control: Control, figures: list[str]) -> str:
    """What a control means for the claim; figures on which it says different things are told apart."""
    shares = control_shares(runs, control, figures)
    if not shares:
        return "There is no gain that it could explain."
    said: dict[str, list[str]] = {}
    for figure, share in shares.items():
        said.setdefault(_meaning(control, share), []).append(short(figure))
    if len(said) == 1:
        return next(iter(said))
    return " ".join(f"{listed(names)}: {meaning}" for meaning, names in said.items())


def _meaning(control: Control, share: float) -> str:
    return control.explains if share >= MOST else control.fails if share <= LITTLE else control.partly


def rounded(share: float) -> str:
    """A share of the gain in whole percent."""
    return f"{round(100 * share)} %"


def controls_summary(runs: Runs, comparisons: list[Comparison]) -> str:
    """All controls in one or two sentences."""
    figures = gain_to_explain(comparisons)
    if not figures:
        return "There is no shown gain of the 3-tower over dml that the controls would have to explain."
    untested = any(c.figure in figures and not c.shown for c in comparisons)
    made = [(control, control_shares(runs, control, figures)) for control in CONTROLS]
    parts = [
        f"{control.arm} {listed([f'{rounded(share)} on {short(figure)}' for figure, share in shares.items()])}"
        for control, shares in made
        if shares
    ]
    if not parts:
        return "No control has been run yet."
    culprits = [control.arm for control, shares in made if any(share >= MOST for share in shares.values())]
    explained = (
        f"At least one figure's gain is explained by: {'; '.join(culprits)}."
        if culprits
        else "None of them explains the gain."
    )
    gain = "gain over dml (seen in every seed, but these are too few for a test)" if untested else "gain over dml"
    return f"Of the 3-tower's {gain} the controls reach: {'; '.join(parts)}. {explained}"
