"""The data sets of the experiment, each with its protocol told in words and what it can't show."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.experiment import protocol as protocols
from benchmarks.experiment.analyse import Run, Runs
from benchmarks.experiment.arms import ARMS, PRIMARY_SEEDS, seeds
from benchmarks.experiment.protocol import Protocol
from benchmarks.experiment.run import HITS
from fourtower_encoders.config import HashedText, SmallResNet


@dataclass(frozen=True)
class Section:
    """One protocol's place in the document."""

    name: str
    """Of the protocol, and of its folder of results."""
    title: str
    about: str
    limits: tuple[str, ...]
    complete: bool = False
    """All arms are meant to be run here; elsewhere only some."""

    @property
    def protocol(self) -> Protocol | None:
        """The protocol of that name, if the code still has it."""
        found = (value for value in vars(protocols).values() if isinstance(value, Protocol))
        return next((protocol for protocol in found if protocol.name == self.name), None)


SECTIONS = (
    Section(
        "synthetic",
        "Synthetic catalog",
        "A catalog drawn by code (`fourtower synth`), in which every pattern and colour appears on every kind of "
        "product: they tell products apart, but never say what a product is. Photos are cluttered, tilted, half hidden "
        "and noisy; the clutter wears the same patterns. No product of the test split was seen in training, and some "
        "combinations of category and pattern appear in the test split alone.",
        (
            "The pictures are drawings and the titles come from a small vocabulary that is almost always honest. The "
            "catalog shows whether the mechanism works, not what a shop would gain.",
            "The towers are small and trained from nothing. A pretrained image network may already know what the text "
            "teaches here.",
            "The schedule of `4-tower from 3-tower` warms up and cools down twice, that of the other arms once; the arm "
            "`4-tower` has the same loss without that difference.",
        ),
        complete=True,
    ),
    Section(
        "grocery",
        "Photos from grocery shops",
        "The Grocery Store Dataset (Klasson et al., WACV 2019; MIT licence, not part of this project): photos taken in "
        "shops, to be matched with 81 catalog products that have one picture, a name and a description each. The test "
        "photos are the data set's own validation split. All 81 products are known in training. Wrong category means "
        "another coarse class: milk for juice.",
        (
            "81 texts can't teach language; here they act mostly as labels that share words. The control with free "
            "proxies is therefore the one to look at.",
            "Few test photos, some of them of the same scene: the intervals are wide.",
        ),
    ),
    Section(
        "synthetic-gpu",
        "GPU run",
        "The synthetic catalog again, larger and with larger towers: does the picture change with more of everything?",
        ("The same limits as on the small synthetic catalog.",),
    ),
)


def planned(section: Section) -> dict[str, int]:
    """How many seeds each arm should have; empty where no plan says so."""
    return {arm.name: len(seeds(arm)) for arm in ARMS} if section.complete else {}


def missing(section: Section, runs: Runs) -> list[str]:
    """The arms that lack seeds, as "dml (3 of 8 seeds)"."""
    found = {arm: len(by_seed) for arm, by_seed in runs.arms.items()}
    return [f"{arm} ({found.get(arm, 0)} of {n} seeds)" for arm, n in planned(section).items() if found.get(arm, 0) < n]


def protocol_lines(section: Section, runs: Runs) -> list[str]:
    """What all arms have in common, as list items."""
    found = {arm: len(by_seed) for arm, by_seed in runs.arms.items()}
    protocol, fewest = section.protocol, min(found.values())
    lines = [f"- **Data.** {section.about}{_catalog(protocol)}"]
    if protocol is not None:
        lines += [f"- **Towers.** {_towers(protocol)}", f"- **Budget.** {_budget(protocol)}"]
    usual = min(runs.runs, key=lambda run: run.images)
    lines += [
        f"- **Equal for all arms** (except where an arm's name says otherwise): {_steps(usual):,} steps, "
        f"{usual.images:,} pictures through the image network, optimiser and its settings, augmentation, towers, data. "
        "Arms with the same seed see the same photos in the same order.",
        "- **Chosen beforehand.** Settings were chosen on validation data; the weights of photo and words are fitted on "
        "the validation split. Test figures taken along the way serve the curves only.",
        f"- **Test.** {_queries(runs):,} photos. **Seeds:** {fewest} to {max(found.values())} per arm.",
    ]
    return lines


def statistics() -> str:
    """How the statistics were done."""
    return (
        "Differences are paired by seed. p is an exact two-sided sign-flip test over seeds, adjusted by Holm for the "
        "four comparisons of the table, a comparison without runs counting as p = 1. Intervals (95 %) are bootstrapped "
        f"over seeds, then queries. The test was planned for {len(PRIMARY_SEEDS)} seeds; everything outside the table "
        "is description."
    )


def _catalog(protocol: Protocol | None) -> str:
    if protocol is None or protocol.catalog is None:
        return ""
    c = protocol.catalog
    return (
        f" {c.products:,} products, {100 * c.val_share:.0f} % of them for validation and {100 * c.test_share:.0f} % for "
        f"the test; {100 * c.held_out:.0f} % of the combinations of category and pattern are kept for the test; pictures "
        f"of {c.size} pixels; seed {c.seed}."
    )


def _towers(protocol: Protocol) -> str:
    image, text = protocol.towers.image, protocol.towers.text
    width = f" of width {image.width}" if isinstance(image, SmallResNet) else ""
    words = "hashed words and letter triples, averaged" if isinstance(text, HashedText) else f"`{text.kind}`"
    return (
        f"Image: `{image.kind}`{width} at {protocol.towers.preprocess.size} pixels. Text: {words}. Embeddings of "
        f"{protocol.towers.dim} dimensions. Nothing is pretrained, except where an arm's name says so."
    )


def _budget(protocol: Protocol) -> str:
    return (
        f"{protocol.steps:,} steps with batches of {protocol.sampling.batch_size:,} photos and as many catalog pictures; "
        f"AdamW, peak learning rate {protocol.learning_rate:g} after a warm-up, then half a cosine down."
    )


def _steps(run: Run) -> int:
    return int(run.curve[-1]["step"]) if run.curve else 0


def _queries(runs: Runs) -> int:
    return max(len(run.hits.get(HITS[0], "")) for run in runs.runs)
