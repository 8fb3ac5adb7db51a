"""What a request may say about its results: which to cut, how to sort, which variant to show, what to count."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, Strict, field_validator, model_validator

Direction = Literal["asc", "desc"]
Real = Annotated[float, Strict()]
MAX_EDGES = 50


class _Refinement(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Cut(_Refinement):
    """Where to stop showing results; an empty result is an answer. Several rules all apply, in this order."""

    min_relevance: float | None = Field(default=None, ge=0, le=1)
    """Leave out what is less relevant than this."""
    of_best: float | None = Field(default=None, gt=0, le=1)
    """Leave out what scores less than this share of the best."""
    gap: float | None = Field(default=None, gt=0, lt=1)
    """Stop at the largest relative fall from one score to the next, if one is at least this large."""

    @model_validator(mode="after")
    def _some_rule(self) -> Cut:
        if self.min_relevance is None and self.of_best is None and self.gap is None:
            raise ValueError("a cut needs min_relevance, of_best or gap")
        return self


class Sort(_Refinement):
    """By a declared attribute instead of by score; products without it come last in either direction."""

    attribute: str
    direction: Direction = "asc"


class PickBy(_Refinement):
    """Which variant stands for its group: the one with the smallest (asc) or largest (desc) value."""

    attribute: str
    direction: Direction = "asc"


Pick = Literal["best", "cheapest", "in_stock"] | PickBy
_PICKS = {
    "cheapest": PickBy(attribute="price", direction="asc"),
    "in_stock": PickBy(attribute="in_stock", direction="desc"),
}


def picked_by(pick: Pick) -> PickBy | None:
    """The attribute behind a choice of variant; None: the score decides."""
    return _PICKS.get(pick) if isinstance(pick, str) else pick


class FacetRequest(_Refinement):
    """Count the found products by the values, or ranges of values, of an attribute."""

    attribute: str
    limit: int = Field(default=20, ge=1, le=500)
    """Most values that are listed, the most frequent first."""
    edges: tuple[Real | AwareDatetime, ...] | None = Field(default=None, min_length=1, max_length=MAX_EDGES)
    """Where ranges meet, rising; below the first and above the last there is one range each."""
    ranges: int = Field(default=5, ge=1, le=MAX_EDGES)
    """About how many ranges of round width, where no edges are given."""

    @field_validator("edges")
    @classmethod
    def _rising(cls, edges: tuple[float | AwareDatetime, ...] | None) -> tuple[float | AwareDatetime, ...] | None:
        if edges and len({isinstance(edge, float) for edge in edges}) > 1:
            raise ValueError("edges are all numbers or all times")
        if edges and any(not plain_edge(low) < plain_edge(high) for low, high in pairwise(edges)):
            raise ValueError("edges must rise")
        return edges


def plain_edge(edge: float | AwareDatetime) -> float:
    """An edge as stored values have it: times are milliseconds."""
    return edge if isinstance(edge, float) else edge.timestamp() * 1000
