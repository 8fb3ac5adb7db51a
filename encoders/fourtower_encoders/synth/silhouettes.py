"""The twelve categories and their silhouettes, three of each."""

from __future__ import annotations

from fourtower_encoders.synth import home, wear
from fourtower_encoders.synth.parts import Shape

SHAPES: dict[str, tuple[Shape, ...]] = {
    "mug": home.MUGS,
    "shoe": wear.SHOES,
    "bag": wear.BAGS,
    "hat": wear.HATS,
    "shirt": wear.SHIRTS,
    "lamp": home.LAMPS,
    "bottle": home.BOTTLES,
    "chair": home.CHAIRS,
    "pillow": home.PILLOWS,
    "umbrella": wear.UMBRELLAS,
    "vase": home.VASES,
    "clock": home.CLOCKS,
}
CATEGORIES: tuple[str, ...] = tuple(SHAPES)
