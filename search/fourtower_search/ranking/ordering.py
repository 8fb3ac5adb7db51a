"""Sorts by a declared attribute instead of by score."""

from __future__ import annotations

from collections.abc import Sequence

from fourtower_search.query.refinements import Sort
from fourtower_search.ranking.candidates import Candidate, by_score


def sort_by(candidates: Sequence[Candidate], sort: Sort | None) -> list[Candidate]:
    """By an attribute; products without it come last, equals keep the order of score and id.

    Strings sort by code point.
    """
    if sort is None:
        return list(candidates)
    ranked = by_score(candidates)
    valued = [(value, each) for each in ranked if (value := each.value(sort.attribute)) is not None]
    missing = [each for each in ranked if each.value(sort.attribute) is None]
    valued.sort(key=lambda pair: pair[0], reverse=sort.direction == "desc")
    return [each for _, each in valued] + missing
