"""The parts of a query: words, pictures, products and vectors, each with a signed weight."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from fourtower_encoders.joint import Array, Modality
from fourtower_search.errors import InvalidQuery

MAX_TEXT = 1000
"""Characters of one text; the text tower reads far fewer."""
MAX_ID_BYTES = 256
MAX_NUMBERS = 16_384
"""Length of a vector part; anything longer is refused before it is copied."""
LIGHTEST, HEAVIEST = 1e-6, 1e6
"""Only the ratio of weights counts, so nothing is lost by bounding them, and no sum overflows."""


@dataclass(frozen=True, slots=True)
class Text:
    """Words, taken literally: only bare strings are searched for minus-words."""

    text: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not self.text.strip():
            raise InvalidQuery(f"A text part needs some words, not {self.text!r:.60}.")
        if len(self.text) > MAX_TEXT:
            raise InvalidQuery(f"A text part has {len(self.text):,} characters; {MAX_TEXT:,} are allowed.")
        check_characters(self.text)
        _check_weight(self, self.weight)

    def __str__(self) -> str:
        return _shown(self.text)


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """A picture: a file's bytes, its path, an opened Pillow image, or a URL."""

    source: bytes | str | Path | Pillow.Image = field(repr=False)
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.source, bytes | str | Path | Pillow.Image):
            raise InvalidQuery(f"An image part takes bytes, a path, a URL or a Pillow image, not {_kind(self.source)}.")
        if isinstance(self.source, bytes | str) and not self.source:
            raise InvalidQuery("An image part is empty; pass the file's bytes, its path or its URL.")
        _check_weight(self, self.weight)

    def __str__(self) -> str:
        if isinstance(self.source, str | Path) and str(self.source)[:5].lower() != "data:":
            return f"image {_shown(str(self.source))}"
        return "image"


@dataclass(frozen=True, slots=True)
class Product:
    """A product of the index, by what is stored of it."""

    product_id: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.product_id, str) or not self.product_id:
            raise InvalidQuery(f"A product part needs a product id, not {self.product_id!r:.60}.")
        check_characters(self.product_id)
        if len(self.product_id.encode()) > MAX_ID_BYTES:
            raise InvalidQuery(f"The product id {_shown(self.product_id)} is longer than {MAX_ID_BYTES} bytes.")
        _check_weight(self, self.weight)

    def __str__(self) -> str:
        return f"product {_shown(self.product_id)}"


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """An embedding of your own, [D], in the place of a picture's or a text's; it is brought to unit length."""

    values: Array = field(repr=False)
    weight: float = 1.0
    modality: Modality = "image"

    def __post_init__(self) -> None:
        if self.modality not in ("image", "text"):
            raise InvalidQuery(f"The modality of a vector is 'image' or 'text', not {self.modality!r:.60}.")
        object.__setattr__(self, "values", _unit(self.values))
        _check_weight(self, self.weight)

    def __str__(self) -> str:
        return f"{self.modality} vector"


QueryPart = Text | Image | Product | Vector


def check_characters(text: str) -> None:
    """Refuse what no tokenizer and no index can take.

    Raises:
        InvalidQuery: half a character (a lone surrogate), or NUL.
    """
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidQuery("A text or id holds NUL or half a character (a lone surrogate); send valid UTF-8.")


def _check_weight(part: QueryPart, weight: Any) -> None:
    real = isinstance(weight, numbers.Real) and not isinstance(weight, bool)
    if not real or not math.isfinite(weight) or not LIGHTEST <= abs(weight) <= HEAVIEST:
        raise InvalidQuery(
            f"The weight of {part} is {weight!r:.40}; it must be a number from {LIGHTEST:g} to {HEAVIEST:g}, "
            "negative to move away from this part."
        )
    object.__setattr__(part, "weight", float(weight))


def _unit(values: Any) -> Array:
    """A read-only copy of unit length."""
    try:
        if len(values) > MAX_NUMBERS:
            raise InvalidQuery(f"A vector part has {len(values):,} numbers; {MAX_NUMBERS:,} are allowed.")
        vector = np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidQuery(f"A vector part must be a row of numbers, not {_kind(values)}.") from error
    if vector.ndim != 1 or not vector.size or not np.isfinite(vector).all() or not vector.any():
        raise InvalidQuery(
            f"A vector part must be one row of finite numbers, not all zero (its shape: {vector.shape})."
        )
    vector /= np.abs(vector).max()  # squares of huge or tiny numbers would leave the range of floats
    unit = (vector / np.linalg.norm(vector)).astype(np.float32)
    unit.setflags(write=False)
    return unit


def _kind(value: Any) -> str:
    return type(value).__name__


def _shown(text: str) -> str:
    """Quoted, and short enough for a line."""
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
