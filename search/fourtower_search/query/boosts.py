"""What a request may say about boosts: which attribute, how its value becomes 0..1, and how much that counts.

A score becomes `(1 - Σ weights) score + Σ weight · boost`; a product without the attribute gets its own score in the
boost's place, which changes nothing for it.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from fourtower_search.query.filtering import Where

Real = Annotated[float, Strict()]
_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)([smhdw])")
_DURATION = TypeAdapter(timedelta)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def _span(value: Any) -> Any:
    """`7d`, `12h` or ISO 8601 as a timedelta, also where validation is strict; else it is left to the field's type."""
    if not isinstance(value, str):
        return value
    if found := _SPAN.fullmatch(value):
        return timedelta(seconds=float(found[1]) * _UNITS[found[2]])
    try:
        return _DURATION.validate_python(value)
    except ValidationError:
        return value


Span = Annotated[Real | timedelta, BeforeValidator(_span)]
"""A distance: a number for numbers; for times a timedelta, ISO 8601 (`P7D`), or `7d`, `12h`, `30m`."""
Point = Literal["now"] | Real | AwareDatetime


class _Boost(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    weight: float = Field(default=0.2, ge=0, le=1)
    """Share of the final score; 0 changes nothing."""


class SaturationBoost(_Boost):
    """More is better, ever less so: `value / (value + pivot)`, 0 for nothing and for negative values."""

    kind: Literal["saturation"] = "saturation"
    attribute: str
    pivot: Real = Field(gt=0)
    """The value that is worth one half."""


class LinearBoost(_Boost):
    """From `lo`, worth 0, straight to `hi`, worth 1; `lo` above `hi` prefers small values."""

    kind: Literal["linear"] = "linear"
    attribute: str
    lo: Real
    hi: Real

    @model_validator(mode="after")
    def _apart(self) -> LinearBoost:
        if self.lo == self.hi or not math.isfinite(self.hi - self.lo):
            raise ValueError(f"lo and hi of the boost by {self.attribute} must differ, and by a finite number")
        return self


class DecayBoost(_Boost):
    """1 at the origin, `decay` at a distance of `scale` from it, less beyond."""

    kind: Literal["decay"] = "decay"
    attribute: str
    shape: Literal["gauss", "exp", "linear"] = "gauss"
    origin: Point = "now"
    scale: Span
    offset: Span = 0.0
    """Up to this distance nothing decays."""
    decay: float = Field(default=0.5, gt=0, lt=1)

    @model_validator(mode="after")
    def _positive_distances(self) -> DecayBoost:
        if not plain_distance(self.scale) > 0 or plain_distance(self.offset) < 0:
            raise ValueError(f"the scale of the boost by {self.attribute} must be above 0, its offset not below")
        return self


class FlagBoost(_Boost):
    """1 where a bool attribute is true, 0 where it is false."""

    kind: Literal["flag"] = "flag"
    attribute: str


class MatchBoost(_Boost):
    """1 for products that a filter matches, 0 for the others."""

    kind: Literal["match"] = "match"
    where: Where


AttributeBoost = SaturationBoost | LinearBoost | DecayBoost | FlagBoost
Boost = Annotated[AttributeBoost | MatchBoost, Field(discriminator="kind")]


def plain_distance(span: float | timedelta) -> float:
    """A distance as stored values measure it: times are milliseconds."""
    return span.total_seconds() * 1000 if isinstance(span, timedelta) else span


def plain_point(point: str | float | datetime, now_ms: int) -> float:
    """An origin as stored values have it."""
    if isinstance(point, datetime):
        return point.timestamp() * 1000
    return float(now_ms) if isinstance(point, str) else point
