"""Forgets deletes that no reader of the log can need any more, and which nothing has happened to since."""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import groupby

from fourtower_search.index.rows import Order, Row
from fourtower_workers.reconciling.comparing import AT_ONCE, TIMEOUT_S, Comparison

Advance = Callable[[int], None]


def purge(comparison: Comparison, advance: Advance) -> None:
    """Forget what `is_old_grave` found, as far as a strong read still shows nothing but a delete of this topic."""
    cases, index, topic = comparison.cases, comparison.index, comparison.snapshot.topic
    while names := cases.graves(AT_ONCE):
        comparison.pace.wait(len(names))
        orders = deletes_of(comparison.rows(names), topic)
        gone = index.purge_tombstones(orders, timeout_s=TIMEOUT_S) if orders else []
        cases.purged(names, len(gone))
        advance(len(names))


def deletes_of(rows: Collection[Row], topic: str) -> dict[str, Order]:
    """The highest delete of each product of which nothing else is stored, and nothing from elsewhere."""
    of_product = groupby(sorted(rows, key=lambda row: row.product_id), key=lambda row: row.product_id)
    grouped = {name: list(own) for name, own in of_product}
    return {
        name: max(row.order for row in own)
        for name, own in grouped.items()
        if all(row.order.deleted and row.source == topic for row in own)
    }
