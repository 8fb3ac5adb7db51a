"""Widens a search until it has found enough distinct products: one with twelve views must not fill the list."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from fourtower_search.index.store import PAGE, Hit

VIEWS = 2.0
"""Rows per product that the first attempt allows for, if nothing is known."""


class Widened(NamedTuple):
    """The rows of the best products."""

    hits: list[Hit]
    exhausted: bool
    """The engine had no more."""


def widen(fetch: Callable[[int], list[Hit]], depth: int, *, views: float = VIEWS, most: int = PAGE - 1) -> Widened:
    """Fetch rows, twice as many each time, until they are of `depth` distinct products or there are no more.

    Args:
        fetch: gets up to so many rows, best first.
        depth: how many products are enough; all found rows of the first `depth` are kept.
        views: rows per product that the first attempt allows for.
        most: rows that are never exceeded; a full page of the engine would say nothing about the rest.
    """
    return widen_many(lambda _, limit: [fetch(limit)], 1, depth, views=views, most=most)[0]


def widen_many(
    fetch: Callable[[Sequence[int], int], list[list[Hit]]],
    count: int,
    depth: int,
    *,
    views: float = VIEWS,
    most: int = PAGE - 1,
) -> list[Widened]:
    """The same for several searches at once: each attempt is one call for all that have not found enough.

    Args:
        fetch: gets up to so many rows for each of these searches, which are numbered from 0.
        count: how many searches there are.
        depth: see `widen`.
        views: see `widen`.
        most: see `widen`.
    """
    done: dict[int, Widened] = {}
    limit = min(max(depth, math.ceil(views * depth)), most)
    while pending := [n for n in range(count) if n not in done]:
        for n, hits in zip(pending, fetch(pending, limit), strict=True):
            products, no_more = distinct_products(hits), len(hits) < limit
            if no_more or len(products) >= depth or limit >= most:
                kept = set(products[:depth])
                rows = [hit for hit in hits if hit.product_id in kept]
                done[n] = Widened(rows, no_more and len(products) <= depth)
        limit = min(2 * limit, most)
    return [done[n] for n in range(count)]


def distinct_products(hits: Sequence[Hit]) -> list[str]:
    """Product ids in the order in which they first appear."""
    return list(dict.fromkeys([hit.product_id for hit in hits]))
