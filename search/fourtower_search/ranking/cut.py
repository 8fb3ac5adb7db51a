"""Cuts results that are not relevant enough; nothing left is an answer, too."""

from __future__ import annotations

from collections.abc import Sequence

from fourtower_search.query.refinements import Cut
from fourtower_search.ranking.candidates import Candidate


def cut_off(candidates: Sequence[Candidate], cut: Cut | None) -> list[Candidate]:
    """Leave out what the rules of a cut leave out.

    Args:
        candidates: best first.
        cut: the rules; None leaves out nothing.
    """
    kept = list(candidates)
    if cut is None:
        return kept
    if cut.min_relevance is not None:
        kept = [each for each in kept if each.relevance >= cut.min_relevance]
    if cut.of_best is not None and kept:
        least = cut.of_best * kept[0].score
        kept = [each for each in kept if each.score >= least or each is kept[0]]
    if cut.gap is not None:
        kept = kept[: _before_largest_fall(kept, cut.gap)]
    return kept


def _before_largest_fall(candidates: Sequence[Candidate], least: float) -> int:
    """How many come before the largest relative fall of the score, the first among equals; all, if it is too small."""
    falls = [_fall(candidates[n - 1].score, candidates[n].score) for n in range(1, len(candidates))]
    largest = max(falls, default=0.0)
    return falls.index(largest) + 1 if largest >= least else len(candidates)


def _fall(before: float, after: float) -> float:
    """0..1; scores that are not positive, as re-rankers may give, fall no further."""
    return min(1.0, (before - after) / before) if before > 0 else 0.0
