"""What happens to a generation between its creation and its end, as recorded beside it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat


class _Recorded(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Seeding(_Recorded):
    """How far a generation was filled from the one that was live when it was created."""

    source: int = Field(ge=1)
    """The generation that is copied."""
    offsets: Mapping[str, Mapping[int, int]] = {}
    """By topic and partition, where its own consumers begin: noted before the first row was read."""
    after: str = ""
    """The last product that is done with; products come in the order of their ids."""
    copied: int = Field(default=0, ge=0)
    """Products whose rows were copied, vectors too."""
    sent: int = Field(default=0, ge=0)
    """Products that workers encoded anew."""
    failed: int = Field(default=0, ge=0)
    """Products that the new catalog or model refuses."""
    refused: tuple[str, ...] = ()
    """The first of them, each with the reason."""
    without_pictures: int = Field(default=0, ge=0)
    """Products that were encoded anew without a picture that can't be had any more."""
    done: bool = False


class Verification(_Recorded):
    """What a comparison with the live generation and the log came to."""

    at: datetime
    passed: bool
    figures: Mapping[str, FiniteFloat] = {}
    missed: tuple[str, ...] = ()
    """A sentence for each threshold that was not reached."""


class Life(_Recorded):
    """A generation's history; unlike what its rows were built with, it may change."""

    group: str = ""
    """The consumer group that fills it; empty: that of the first generation."""
    seeding: Seeding | None = None
    verification: Verification | None = None
    previous: int = Field(default=0, ge=0)
    """The generation that was live when this one became so; 0: none was, or it never did."""
    switched_at: datetime | None = None
    """When it became live."""
