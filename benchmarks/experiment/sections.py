"""The data sets of the experiment, each with its protocol told in words and what it can't show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.experiment import protocol as protocols
from benchmarks.experiment.analyse import Runs
from benchmarks.experiment.arms import ARMS, GROCERY_ARMS, GROCERY_SEEDS, PRIMARY_SEEDS, seeds
from benchmarks.experiment.findings import listed
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
    planned: Mapping[str, int] = field(default_factory=dict)
    """How many seeds each arm should have; empty where there is no plan."""

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
            "The schedule of 4-tower from 3-tower warms up and cools down twice, that of the other arms once; the arm "
            "4-tower has the same loss without that difference.",
        ),
        planned={arm.name: len(seeds(arm)) for arm in ARMS},
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
        planned=dict.fromkeys(GROCERY_ARMS, len(GROCERY_SEEDS)),
    ),
    Section(
        "synthetic-gpu",
        "GPU run",
        "The synthetic catalog again, larger and with larger towers: does the picture change with more of everything?",
        ("The same limits as on the small synthetic catalog.",),
    ),
)


def missing(section: Section, runs: Runs) -> list[str]:
    """The arms that lack seeds, as "dml (3 of 8 seeds)"."""
    found = {arm: len(by_seed) for arm, by_seed in runs.arms.items()}
    return [f"{arm} ({found.get(arm, 0)} of {n} seeds)" for arm, n in section.planned.items() if found.get(arm, 0) < n]


def protocol_lines(section: Section, runs: Runs) -> list[str]:
    """What all arms have in common, as list items."""
    protocol, counts = section.protocol, sorted({len(by_seed) for by_seed in runs.arms.values()})
    lines = [f"- **Data.** {section.about}{_catalog(protocol)}"]
    if protocol is not None:
        lines += [f"- **Towers.** {_towers(protocol)}", f"- **Budget.** {_budget(protocol)}"]
    lines += [
        f"- **Equal for all arms**, except where an arm's name says otherwise: steps, {_pictures(runs):,} pictures "
        "through the image network, optimiser and its settings, augmentation, towers, data. Arms that train in one "
        "phase see the same photos in the same order when they have the same seed.",
        "- **Chosen beforehand.** Settings were chosen on validation data; the weights of photo and words are fitted "
        "on the validation split. Test figures taken along the way serve the curves only.",
        f"- **Test.** {_queries(runs):,} photos. **Seeds:** {listed([str(count) for count in counts])} per arm.",
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
        f" {c.products:,} products, {100 * c.val_share:.0f} % of them for validation and {100 * c.test_share:.0f} % "
        f"for the test; {100 * c.held_out:.0f} % of the combinations of category and pattern are kept for the test; "
        f"pictures of {c.size} pixels; seed {c.seed}."
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
        f"{protocol.steps:,} steps with batches of {protocol.sampling.batch_size:,} photos and as many catalog "
        f"pictures; AdamW, peak learning rate {protocol.learning_rate:g} after a warm-up, then half a cosine down."
    )


def _pictures(runs: Runs) -> int:
    return min(run.images for run in runs.runs)


def _queries(runs: Runs) -> int:
    return max(len(run.hits.get(HITS[0], "")) for run in runs.runs)
