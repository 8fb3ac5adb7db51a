"""Hits that are checked against what is stored now, for engines that can bring deleted rows back for a while."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Literal

from fourtower_search.index.convergence import Stored, outdated
from fourtower_search.index.store import PAGE, Hit

Freshness = Literal["fast", "verified"]
"""`fast` takes an engine's hits as they are; `verified` costs another, strong read and leaves outdated rows out."""


def verified(
    fetch: Callable[[int], list[list[Hit]]], read: Callable[[Collection[str]], Mapping[str, Stored]], *, limit: int
) -> list[list[Hit]]:
    """Up to `limit` current hits of each query; asks for more rows where outdated ones took their place."""
    asked = limit
    while True:
        answers = fetch(asked)
        current = _current(read({hit.product_id for hits in answers for hit in hits}))
        kept = [[hit for hit in hits if hit.key in current] for hits in answers]
        if asked >= PAGE or not any(_short(hits, left, asked, limit) for hits, left in zip(answers, kept, strict=True)):
            return [hits[:limit] for hits in kept]
        asked = min(2 * asked, PAGE)


def _current(stored: Mapping[str, Stored]) -> set[str]:
    keys = {row.key for product in stored.values() for row in product.rows}
    return keys.difference(*(outdated(product) for product in stored.values()))


def _short(hits: list[Hit], kept: list[Hit], asked: int, limit: int) -> bool:
    return len(kept) < limit and len(hits) >= asked
