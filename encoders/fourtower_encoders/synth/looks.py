"""What a product looks like: everything that a renderer and the shop's words need to know of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Look:
    """One appearance; two products of one look are the same picture."""

    category: str
    variant: int
    """Which of the category's silhouettes."""
    pattern: str
    colour: str
    scale: float
    """Size of the pattern; 1 means one tile per photo width."""
    phase: tuple[float, float]
    """Where on the endless cloth the product was cut, in tiles."""
    angle_deg: float
