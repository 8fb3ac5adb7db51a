"""What a synthetic catalog is: its size, its splits, how its titles are worded and its street photos disturbed."""

from __future__ import annotations

from pydantic import Field, model_validator

from fourtower_encoders.config import Frozen
from fourtower_encoders.errors import InvalidConfig

GENERATOR_VERSION = 1
"""Raised when the same configuration would no longer give the same catalog."""


class StreetStyle(Frozen):
    """How hard a street photo makes it to see the product."""

    clutter: int = Field(default=5, ge=0, le=20)
    """Pieces of clutter behind the product."""
    textured: float = Field(default=0.6, ge=0, le=1)
    """Share of the clutter that wears a pattern of the catalog, to distract."""
    occlusion: float = Field(default=0.6, ge=0, le=1)
    """Share of photos in which something hides part of the product."""
    rotation_deg: float = Field(default=25.0, ge=0, le=180)
    min_scale: float = Field(default=0.5, gt=0.1, le=1)
    max_scale: float = Field(default=0.85, gt=0.1, le=1)
    blur: float = Field(default=1.0, ge=0, le=5)
    """Strongest blur, as a standard deviation in percent of the photo's width."""
    noise: float = Field(default=8.0, ge=0, le=64)
    """Strongest sensor noise, as a standard deviation in grey levels of 255."""


class TitleStyle(Frozen):
    """How much titles, and the descriptions that follow them, say; and how often they lie."""

    colour_dropout: float = Field(default=0.15, ge=0, le=1)
    pattern_dropout: float = Field(default=0.15, ge=0, le=1)
    category_dropout: float = Field(default=0.0, ge=0, le=1)
    label_noise: float = Field(default=0.0, ge=0, le=1)
    """Share of the colour, pattern and category words that name a wrong one."""


class SynthConfig(Frozen):
    """Everything that determines a synthetic catalog; equal configurations give equal files."""

    products: int = Field(default=5000, ge=1, le=10_000_000)
    seed: int = Field(default=7, ge=0, lt=2**31)
    size: int = Field(default=128, ge=32, le=1024)
    """Width and height of every picture, in pixels."""
    photos: int = Field(default=3, ge=1, le=20)
    """Street photos per training product."""
    eval_photos: int = Field(default=1, ge=1, le=20)
    """Street photos per validation or test product."""
    val_share: float = Field(default=0.05, ge=0, le=0.9)
    test_share: float = Field(default=0.15, ge=0, le=0.9)
    held_out: float = Field(default=0.15, ge=0, le=0.5)
    """Share of the (category, pattern) cells that only the test split shows."""
    without_image: float = Field(default=0.03, ge=0, le=1)
    """Share of products that have no catalog picture."""
    tasks_per_kind: int = Field(default=300, ge=0)
    jpeg_quality: int = Field(default=90, ge=30, le=100)
    street: StreetStyle = StreetStyle()
    titles: TitleStyle = TitleStyle()

    @model_validator(mode="after")
    def _consistent(self) -> SynthConfig:
        if self.val_share + self.test_share >= 1:
            raise InvalidConfig(
                f"val_share {self.val_share} + test_share {self.test_share} leave nothing to train on; lower one."
            )
        if self.street.min_scale > self.street.max_scale:
            raise InvalidConfig(
                f"min_scale {self.street.min_scale} is above max_scale {self.street.max_scale}; swap them."
            )
        return self
