"""The colour pairs that products come in, and the words that name them."""

from __future__ import annotations

from dataclasses import dataclass

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class ColourPair:
    """A strong colour, which gives the pair its name, and the lighter one that patterns set against it."""

    name: str
    words: tuple[str, ...]
    """Everything that a title or a query may call it; the name comes first."""
    strong: RGB
    light: RGB


PALETTE: tuple[ColourPair, ...] = (
    ColourPair("red", ("red", "crimson"), (186, 34, 46), (250, 232, 214)),
    ColourPair("blue", ("blue", "navy"), (34, 62, 128), (206, 226, 246)),
    ColourPair("green", ("green", "emerald"), (30, 104, 66), (216, 232, 190)),
    ColourPair("yellow", ("yellow", "mustard"), (232, 172, 30), (255, 246, 206)),
    ColourPair("purple", ("purple", "violet"), (104, 52, 138), (232, 212, 244)),
    ColourPair("pink", ("pink", "rose"), (228, 94, 142), (255, 226, 230)),
    ColourPair("teal", ("teal", "turquoise"), (14, 132, 138), (246, 214, 178)),
    ColourPair("black", ("black", "charcoal"), (40, 40, 46), (242, 242, 240)),
)
COLOURS: dict[str, ColourPair] = {pair.name: pair for pair in PALETTE}
