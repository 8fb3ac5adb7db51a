"""Facets: how many of the found products have which values, or lie in which ranges, of an attribute."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from fourtower_search.query.refinements import FacetRequest, plain_edge
from fourtower_search.ranking.candidates import Candidate
from fourtower_search.schema import AttributeType, CatalogSchema

_DAY = 86_400_000
_CALENDAR = (1000, 60_000, 300_000, 900_000, 3_600_000, 21_600_000, _DAY, 7 * _DAY, 30 * _DAY, 90 * _DAY)
"""Round widths of time, in milliseconds; beyond them, of 365 days."""


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value and how many products have it."""

    value: str | bool
    count: int


@dataclass(frozen=True, slots=True)
class FacetRange:
    """How many products have a value from `lo` up to, but without, `hi`; the last range includes `hi`.

    None is no bound. Times are milliseconds since 1970 in UTC.
    """

    lo: float | None
    hi: float | None
    count: int


@dataclass(frozen=True, slots=True)
class Facet:
    """Counts over all found products, not just a page of them; of a group only the shown variant counts."""

    attribute: str
    type: AttributeType
    values: tuple[FacetValue, ...] = ()
    """Of strings and bools, the most frequent first; a product with several strings counts for each."""
    ranges: tuple[FacetRange, ...] = ()
    """Of numbers and times, rising."""
    total: int = 0
    """Products that were counted."""
    missing: int = 0
    """Those among them without the attribute."""
    others: int = 0
    """Values beyond the asked number of them."""
    truncated: bool = False
    """More products may match than were looked at; a larger depth counts more."""


def count_facets(
    candidates: Sequence[Candidate], requests: Iterable[FacetRequest], schema: CatalogSchema, *, truncated: bool
) -> dict[str, Facet]:
    """Each asked facet, by attribute."""
    return {
        request.attribute: _facet(candidates, request, schema.attributes[request.attribute].type, truncated)
        for request in requests
    }


def _facet(candidates: Sequence[Candidate], request: FacetRequest, kind: AttributeType, truncated: bool) -> Facet:
    total = len(candidates)
    if kind in ("int", "float", "time"):
        numbers = [number for each in candidates if (number := each.value(request.attribute)) is not None]
        ranges = _ranges([number for number in numbers if isinstance(number, int | float)], request, kind)
        return Facet(request.attribute, kind, (), ranges, total, total - len(numbers), 0, truncated)
    found = [value for each in candidates if (value := each.value(request.attribute)) is not None]
    counts = Counter(item for value in found for item in (set(value) if isinstance(value, tuple) else {value}))
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    values = tuple(
        FacetValue(value, count) for value, count in ranked[: request.limit] if isinstance(value, str | bool)
    )
    others = len(ranked) - len(values)
    return Facet(request.attribute, kind, values, (), total, total - len(found), others, truncated)


def _ranges(numbers: Sequence[float], request: FacetRequest, kind: AttributeType) -> tuple[FacetRange, ...]:
    if request.edges is not None:
        bounds: list[float | None] = [None, *map(plain_edge, request.edges), None]
    else:
        bounds = [*round_edges(numbers, request.ranges, kind)]
    inner = [bound for bound in bounds[1:-1] if bound is not None]
    counts = Counter(bisect_right(inner, number) for number in numbers)
    return tuple(FacetRange(lo, hi, counts[n]) for n, (lo, hi) in enumerate(pairwise(bounds)))


def round_edges(numbers: Sequence[float], ranges: int, kind: AttributeType) -> list[float]:
    """Edges of about so many ranges of equal, round width that hold all numbers; none for no numbers."""
    if not numbers:
        return []
    low, high = min(numbers), max(numbers)
    width = _round_width((float(high) - float(low)) / ranges, kind)
    if not 0 < width < math.inf or not math.isfinite(low / width):
        return [low, high]
    first, last = math.floor(low / width), math.floor(high / width) + 1
    edges = [n * width for n in range(first, last + 1)] if last - first <= 2 * ranges + 2 else []
    rising = all(before < after for before, after in pairwise(edges))
    # Where numbers are so large that their last digits are coarser than a range, none can be drawn.
    return edges if len(edges) > 1 and rising and edges[0] <= low and high <= edges[-1] else [low, high]


def _round_width(least: float, kind: AttributeType) -> float:
    """The smallest round width that is at least this; 0 for 0."""
    if kind == "time" and 0 < least <= _CALENDAR[-1]:
        return next(width for width in _CALENDAR if width >= least)
    unit = 365 * _DAY if kind == "time" else 1
    scaled = least / unit
    if not 0 < scaled < math.inf:
        return 0.0
    power = 10.0 ** math.floor(math.log10(scaled))
    width = next((step * power for step in (1, 2, 5, 10) if step * power >= scaled), 10 * power)
    return max(width, 1.0) * unit if kind != "float" else width
