"""The shop's words: synonyms, titles, descriptions, and the short queries that a product answers."""

from __future__ import annotations

import numpy as np

from fourtower_encoders.synth.config import TitleStyle
from fourtower_encoders.synth.looks import Look
from fourtower_encoders.synth.palette import COLOURS
from fourtower_encoders.synth.patterns import PATTERNS
from fourtower_encoders.synth.silhouettes import CATEGORIES, SHAPES

CATEGORY_WORDS: dict[str, tuple[str, ...]] = {
    "mug": ("mug", "cup"),
    "shoe": ("shoe", "footwear"),
    "bag": ("bag", "holdall"),
    "hat": ("hat", "headwear"),
    "shirt": ("shirt", "top"),
    "lamp": ("lamp", "light"),
    "bottle": ("bottle", "flask"),
    "chair": ("chair", "seat"),
    "pillow": ("pillow", "cushion"),
    "umbrella": ("umbrella", "brolly"),
    "vase": ("vase", "flower vase"),
    "clock": ("clock", "timepiece"),
}
PATTERN_WORDS: dict[str, tuple[str, ...]] = {
    "zebra": ("zebra", "zebra print"),
    "leopard": ("leopard", "leopard print"),
    "dots": ("dotted", "polka dot"),
    "check": ("check", "checkerboard"),
    "plaid": ("plaid", "tartan"),
    "chevron": ("chevron", "zigzag"),
    "horizontal stripes": ("horizontal striped", "breton"),
    "vertical stripes": ("vertical striped", "pinstripe"),
    "plain": ("plain", "solid"),
    "gradient": ("gradient", "ombre"),
}
BRANDS: tuple[str, ...] = (
    "Alder & Finch", "Brightwell", "Casa Lumo", "Dunmore", "Everfold", "Fennick", "Gallivant", "Hearthly",
    "Ilmari", "Juniper Lane", "Kestrel", "Lindqvist", "Marlowe", "Northbank", "Osterley", "Pemberly",
)  # fmt: skip
_PRAISE = (
    "new", "classic", "premium", "handmade", "modern", "everyday", "original", "bestseller", "limited edition",
    "gift idea", "eco", "deluxe", "vintage style", "2 pack", "free shipping", "well reviewed",
)  # fmt: skip
_SENTENCES = (
    "Made with care in small batches.",
    "Sturdy make, soft edges, ready to give.",
    "Easy to clean and made to last.",
    "Our {category} for every day, easy to care for.",
    "Our {colour} {category} brightens any room.",
    "This {pattern} {category} goes with almost everything.",
    "One more piece of our {colour} {pattern} collection.",
)


def category_words(category: str, variant: int) -> tuple[str, ...]:
    """What a product may be called: its category's words, and its shape's own."""
    return (*CATEGORY_WORDS[category], SHAPES[category][variant].word)


def queries(look: Look) -> tuple[str, ...]:
    """All short queries that such a product answers: category, pattern and category, colour and category."""
    words = category_words(look.category, look.variant)
    adjectives = (*PATTERN_WORDS[look.pattern], *COLOURS[look.colour].words)
    return (*words, *(f"{adjective} {word}" for adjective in adjectives for word in words))


def copy(rng: np.random.Generator, brand: str, look: Look, style: TitleStyle) -> tuple[str, str]:
    """Write a title and a description; neither names more of the look than `style` lets the title name."""
    named = {
        "colour": _colour_word(rng, look, style),
        "pattern": _pattern_word(rng, look, style),
        "category": _category_word(rng, look, style),
    }
    return _title(rng, brand, [word for word in named.values() if word]), _description(rng, named)


def _title(rng: np.random.Generator, brand: str, named: list[str]) -> str:
    """The words amid one to three junk words, each with a capital."""
    junk = [brand, *(_PRAISE[k] for k in rng.permutation(len(_PRAISE))[: rng.integers(0, 3)])]
    ahead = len(junk) - int(rng.integers(0, len(junk)))  # how many of the junk words open the title
    return " ".join(word[:1].upper() + word[1:] for word in (*junk[:ahead], *named, *junk[ahead:]))


def _description(rng: np.random.Generator, named: dict[str, str]) -> str:
    """One short sentence that needs no word which the title lacks, or none in a quarter of cases."""
    missing = [f"{{{kind}}}" for kind, word in named.items() if not word]
    possible = [sentence for sentence in _SENTENCES if not any(gap in sentence for gap in missing)]
    sentence = possible[int(rng.integers(len(possible)))]
    return "" if rng.random() < 0.25 else sentence.format(**named)


def _colour_word(rng: np.random.Generator, look: Look, style: TitleStyle) -> str:
    named = _perhaps_wrong(rng, look.colour, tuple(COLOURS), style.label_noise)
    return _one_of(rng, COLOURS[named].words, style.colour_dropout)


def _pattern_word(rng: np.random.Generator, look: Look, style: TitleStyle) -> str:
    named = _perhaps_wrong(rng, look.pattern, PATTERNS, style.label_noise)
    return _one_of(rng, PATTERN_WORDS[named], style.pattern_dropout)


def _category_word(rng: np.random.Generator, look: Look, style: TitleStyle) -> str:
    named = _perhaps_wrong(rng, look.category, CATEGORIES, style.label_noise)
    words = category_words(look.category, look.variant) if named == look.category else CATEGORY_WORDS[named]
    return _one_of(rng, words, style.category_dropout)


def _perhaps_wrong(rng: np.random.Generator, true: str, known: tuple[str, ...], noise: float) -> str:
    """The true name, or with probability `noise` one of the others."""
    wrong = [name for name in known if name != true]
    other = wrong[int(rng.integers(len(wrong)))]
    return other if rng.random() < noise else true


def _one_of(rng: np.random.Generator, words: tuple[str, ...], dropout: float) -> str:
    """One of the words, or with probability `dropout` none."""
    word = words[int(rng.integers(len(words)))]
    return "" if rng.random() < dropout else word
