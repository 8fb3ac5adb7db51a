"""What silhouettes are made of: painted parts, and the materials that are not fabric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fourtower_encoders.synth.palette import RGB
from fourtower_encoders.synth.paths import mirror

Paint = Literal["fabric", "light", "strong", "crease"] | RGB
Form = Literal["soft", "turned", "flat"]

STEEL: RGB = (176, 182, 188)
BRASS: RGB = (198, 160, 84)
WOOD: RGB = (156, 108, 66)
LEATHER: RGB = (122, 76, 48)
RUBBER: RGB = (52, 50, 52)
CHALK: RGB = (244, 242, 238)
INK: RGB = (48, 48, 54)


@dataclass(frozen=True)
class Part:
    """One painted piece; later parts lie on top of earlier ones.

    `fabric` shows the product's pattern, `light` and `strong` its colours, `crease` only darkens
    what lies beneath. `turned` parts are shaded like something made on a lathe.
    """

    path: str
    paint: Paint = "fabric"
    form: Form = "soft"
    stroke: float | None = None
    """Width of the line to draw along the path; without it the path is filled."""
    gloss: float = 0.0
    bow: float = 0.0
    """How far rings around a turned part sag in the middle, as seen a little from above."""


@dataclass(frozen=True)
class Shape:
    """One silhouette and the word that names it more closely than its category does."""

    word: str
    parts: tuple[Part, ...]
    stands: bool = True
    """Standing things throw their shadow on the floor, others on the wall or sheet behind them."""


def line(path: str, width: float, paint: Paint = INK, gloss: float = 0.0) -> Part:
    """A painted line: a handle, a leg, a lace."""
    return Part(path, paint, stroke=width, gloss=gloss)


def crease(path: str, width: float = 1.2) -> Part:
    """A fold or seam in whatever lies beneath."""
    return Part(path, "crease", stroke=width)


def both(path: str, paint: Paint = "fabric") -> tuple[Part, Part]:
    """A part and its mirror image: sleeves, collars."""
    return Part(path, paint), Part(mirror(path), paint)
