"""The arms of the experiment: what each one trains, and which of them belong to the claim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fourtower_encoders.objective import Variant

Texts = Literal["titles", "shuffled", "categories", "proxies", "minilm"]


@dataclass(frozen=True)
class Arm:
    """One way to train; `phases` share the budget of steps equally."""

    name: str
    phases: tuple[Variant, ...]
    first: Variant | None = None
    """The losses of the first half of the steps, under one learning-rate schedule for both halves."""
    texts: Texts = "titles"
    """What the product-text tower reads: real titles, or a control in their place."""
    budget: int = 1
    """Multiple of the common number of steps."""
    primary: bool = False
    about: str = ""


ARMS: tuple[Arm, ...] = (
    Arm("dml", ("dml",), primary=True, about="image-image loss only"),
    Arm("3-tower", ("3-tower",), primary=True, about="image-image and image-text"),
    Arm(
        "4-tower from 3-tower",
        ("3-tower", "4-tower"),
        primary=True,
        about="the paper's curriculum: half the steps each",
    ),
    Arm("clip", ("clip",), about="image-text only"),
    Arm("4-tower", ("4-tower",), about="four towers from the start"),
    Arm("4-tower+composed", ("4-tower+composed",), about="and photo + words against product"),
    Arm("3-tower, titles shuffled", ("3-tower",), texts="shuffled", about="control: language that says nothing"),
    Arm(
        "3-tower, category labels",
        ("3-tower",),
        texts="categories",
        about="control: the category word instead of a title",
    ),
    Arm(
        "3-tower, free proxies",
        ("3-tower",),
        texts="proxies",
        about="control: a learnable vector per product, no language",
    ),
    Arm("dml, twice the steps", ("dml",), budget=2, about="control: only more gradient"),
    Arm(
        "4-tower after 3-tower",
        ("4-tower",),
        first="3-tower",
        about="the curriculum under one schedule; added after the primary arms had been seen",
    ),
    Arm(
        "3-tower, restarted",
        ("3-tower", "3-tower"),
        about="control: what the curriculum's second warm-up costs by itself",
    ),
    Arm("3-tower, MiniLM", ("3-tower",), texts="minilm", about="a frozen pretrained transformer reads the titles"),
)

PRIMARY_SEEDS = range(8)
OTHER_SEEDS = range(3)


def arm_named(name: str) -> Arm:
    """Look an arm up."""
    return next(arm for arm in ARMS if arm.name == name)


def seeds(arm: Arm) -> range:
    """The claim needs eight seeds to be tested; three show what a control does."""
    return PRIMARY_SEEDS if arm.primary else OTHER_SEEDS


GROCERY_ARMS = ("dml", "3-tower", "4-tower from 3-tower", "3-tower, free proxies", "3-tower, MiniLM")
"""What real photos of 81 known products can tell; here proxies transfer, for no product is new."""
GROCERY_SEEDS = PRIMARY_SEEDS
