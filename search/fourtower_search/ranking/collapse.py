"""Collapses variants: of each group of products, one stands for all."""

from __future__ import annotations

from collections.abc import Sequence

from fourtower_search.query.refinements import PickBy
from fourtower_search.ranking.candidates import Candidate, by_score


def collapse_groups(candidates: Sequence[Candidate], by: PickBy | None = None) -> list[Candidate]:
    """One candidate per group, best first; a product without a group is one of its own.

    The chosen variant keeps its own score: it is ranked by what is shown, not by a better-fitting sibling.

    Args:
        candidates: scored products.
        by: the attribute that chooses; variants without it come last, equals are told apart by score. None: by score.
    """
    groups: dict[tuple[bool, str], list[Candidate]] = {}
    for each in by_score(candidates):
        groups.setdefault(_group(each), []).append(each)
    return by_score(_shown(members, by) for members in groups.values())


def _group(candidate: Candidate) -> tuple[bool, str]:
    """A group named like some product is still another thing than that product."""
    group_id = candidate.row.group_id
    return (True, group_id) if group_id else (False, candidate.product_id)


def _shown(members: Sequence[Candidate], by: PickBy | None) -> Candidate:
    """The first member, they come best first, or the first of those with the best value."""
    chosen = members[0] if by is None else min(members, key=lambda each: _place(each, by))
    return chosen._replace(variants=tuple(each.product_id for each in members if each is not chosen))


def _place(candidate: Candidate, by: PickBy) -> tuple[bool, float]:
    number = candidate.number(by.attribute)
    if number is None:
        return (True, 0.0)
    return (False, number if by.direction == "asc" else -number)
