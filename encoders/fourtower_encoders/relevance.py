"""What counts as a right answer: categories, shared style, graded relevance, and exact attribute filters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fourtower_encoders.manifest import Product
from fourtower_encoders.metrics import Flags, Indices

PATTERN = ("pattern",)
COLOUR = ("colour", "color")
UNKNOWN = -1
EXACT = 4
"""The grade of the very product; another one has at most 3."""


@dataclass(frozen=True)
class Labels:
    """Categories and styles of the products as small integers [P]; `UNKNOWN` where one has none."""

    category: Indices
    pattern: Indices
    colour: Indices

    @classmethod
    def of(cls, products: Sequence[Product]) -> Labels:
        """Number the labels that occur."""
        return cls(
            category=_numbered([product.category for product in products]),
            pattern=_numbered([_first(product.attributes, PATTERN) for product in products]),
            colour=_numbered([_first(product.attributes, COLOUR) for product in products]),
        )

    def grades(self, targets: Indices, hits: Indices) -> Indices:
        """Graded relevance [Q, K] of hits for queries about the targets [Q].

        The very product has 4; another of its category has 1, and one more for each of pattern and
        colour that it shares; another category has 0. Unknown styles are shared by nobody.
        """
        style = 1 + same(self.pattern, targets, hits) + same(self.colour, targets, hits).astype(np.int64)
        return np.where(hits == targets[:, None], EXACT, same(self.category, targets, hits) * style)


def same(labels: Indices, targets: Indices, hits: Indices) -> Flags:
    """Which hits [Q, K] surely share the label of the query's target [Q]."""
    wanted = labels[targets][:, None]
    return np.asarray((labels[hits] == wanted) & (wanted != UNKNOWN))


def matches(products: Sequence[Product], conditions: Mapping[str, str]) -> Flags:
    """Which products [P] meet every condition of a task's `filter`.

    A condition compares an attribute (or the category) with a text; a leading "!" negates it, so a
    product that lacks the attribute meets "!zebra" but not "zebra".
    """
    met = np.ones(len(products), dtype=np.bool_)
    for name, condition in conditions.items():
        negated, wanted = condition.startswith("!"), condition.removeprefix("!")
        met &= np.array([_has(product, name, wanted) != negated for product in products], dtype=np.bool_)
    return met


def _has(product: Product, name: str, wanted: str) -> bool:
    value = product.category if name == "category" and product.category else product.attributes.get(name)
    values = value if isinstance(value, list) else [value]
    return any(_text(item) == wanted for item in values if item is not None)


def _text(value: Any) -> str:
    """A value as a filter would spell it: texts as they are, numbers and booleans as in JSON."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _first(attributes: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((_text(attributes[name]) for name in names if attributes.get(name) is not None), None)


def _numbered(values: Sequence[str | None]) -> Indices:
    numbers: dict[str, int] = {}
    return np.array(
        [UNKNOWN if value is None else numbers.setdefault(value, len(numbers)) for value in values],
        dtype=np.int64,
    )
