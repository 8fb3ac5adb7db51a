"""Invents the products: which look, which words, which price, and which split each belongs to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from fourtower_encoders.synth import wording
from fourtower_encoders.synth.config import SynthConfig
from fourtower_encoders.synth.looks import Look
from fourtower_encoders.synth.palette import COLOURS
from fourtower_encoders.synth.patterns import PATTERNS
from fourtower_encoders.synth.randomness import stream
from fourtower_encoders.synth.silhouettes import CATEGORIES, SHAPES

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, Split, Split] = ("train", "val", "test")
Cell = tuple[str, str]

_BLOCK = 20
"""Groups are dealt within blocks of this many products, so that no product depends on the catalog's size."""
_GROUPS: tuple[tuple[int, ...], ...] = ((4,), (2, 2), (3,), (2, 2), (4,))
_PRICES = {
    "mug": 14, "shoe": 75, "bag": 60, "hat": 28, "shirt": 32, "lamp": 85,
    "bottle": 22, "chair": 180, "pillow": 26, "umbrella": 30, "vase": 38, "clock": 48,
}  # fmt: skip


@dataclass(frozen=True)
class SynthProduct:
    """One invented product."""

    seed: int
    index: int
    split: Split
    group: str | None
    look: Look
    views: int
    """Catalog pictures, possibly none."""
    title: str
    description: str
    brand: str
    price: float
    stock: int
    rating: float

    @property
    def product_id(self) -> str:
        """The product's key, unique among catalogs of different seeds too."""
        return f"p{self.seed}-{self.index:06d}"

    @property
    def queries(self) -> tuple[str, ...]:
        """All short queries that the product answers; of the shop's queries it answers no others."""
        return wording.queries(self.look)

    @property
    def attributes(self) -> dict[str, str | float | int | bool]:
        """The typed facts that a shop filters by."""
        return {
            "category": self.look.category,
            "pattern": self.look.pattern,
            "colour": self.look.colour,
            "brand": self.brand,
            "price": self.price,
            "rating": self.rating,
            "stock": self.stock,
            "in_stock": self.stock > 0,
        }


def make_products(config: SynthConfig) -> list[SynthProduct]:
    """Invent all products of a catalog; nothing is drawn yet."""
    return [make_product(config, index) for index in range(config.products)]


def make_product(config: SynthConfig, index: int) -> SynthProduct:
    """Invent product `index`; it is the same in a catalog of any size."""
    leader, sibling = _group_of(config.seed, index)
    split = _split(config, leader)
    look = _look(config, leader, sibling or 0, split)
    rng = stream(config.seed, index, "words")
    brand = str(rng.choice(wording.BRANDS))
    title, description = wording.copy(rng, brand, look, config.titles)
    shop = stream(config.seed, index, "shop")
    return SynthProduct(
        seed=config.seed,
        index=index,
        split=split,
        group=None if sibling is None else f"g{config.seed}-{leader:06d}",
        look=look,
        views=0 if shop.random() < config.without_image else int(shop.choice(4, p=(0.35, 0.35, 0.2, 0.1))) + 1,
        title=title,
        description=description,
        brand=brand,
        price=round(_PRICES[look.category] * float(np.exp(shop.normal(0, 0.35))), 2),
        stock=0 if shop.random() < 0.15 else int(shop.integers(1, 200)),
        rating=round(float(np.clip(shop.normal(4.1, 0.6), 1, 5)), 1),
    )


@lru_cache(maxsize=16)
def held_out_cells(seed: int, share: float) -> frozenset[Cell]:
    """The (category, pattern) cells that only the test split shows, spread evenly over rows and columns."""
    rng = stream(seed, 0, "held-out cells")
    categories, patterns = rng.permutation(CATEGORIES), rng.permutation(PATTERNS)
    rows, columns = len(categories), len(patterns)
    lap = math.lcm(rows, columns)
    diagonal = range(round(share * rows * columns))  # one step down and one across; a shift after each lap
    return frozenset((str(categories[k % rows]), str(patterns[(k + k // lap) % columns])) for k in diagonal)


@lru_cache(maxsize=16)
def _open_cells(seed: int, held_out: float) -> tuple[Cell, ...]:
    hidden = held_out_cells(seed, held_out)
    return tuple((c, p) for c in CATEGORIES for p in PATTERNS if (c, p) not in hidden)


def _group_of(seed: int, index: int) -> tuple[int, int | None]:
    """The first product of the group and the place in it; a product of its own has no place."""
    start = index - index % _BLOCK
    sizes = _GROUPS[int(stream(seed, start, "groups").integers(len(_GROUPS)))]
    leader = start + _BLOCK - sum(sizes)
    for size in sizes:
        if leader <= index < leader + size:
            return leader, index - leader
        leader += size
    return index, None


def _split(config: SynthConfig, leader: int) -> Split:
    """Variants share a split, else training would see test products in another colour."""
    draw = stream(config.seed, leader, "split").random()
    if draw < config.test_share:
        return "test"
    return "val" if draw < config.test_share + config.val_share else "train"


def _look(config: SynthConfig, leader: int, sibling: int, split: Split) -> Look:
    rng = stream(config.seed, leader, "look")
    cells = _open_cells(config.seed, 0.0 if split == "test" else config.held_out)
    category, pattern = cells[int(rng.integers(len(cells)))]
    colours = rng.permutation(list(COLOURS))
    return Look(
        category=category,
        variant=int(rng.integers(len(SHAPES[category]))),
        pattern=pattern,
        colour=str(colours[sibling]),
        scale=float(np.exp(rng.uniform(np.log(0.75), np.log(1.6)))),
        phase=(float(rng.random()), float(rng.random())),
        angle_deg=float(rng.uniform(-5, 5)),
    )
