"""A live product as it is stored, put together from its rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fourtower_search.index.convergence import Stored
from fourtower_search.index.rows import Order, Row


@dataclass(frozen=True, slots=True)
class IndexedProduct:
    """The highest complete version of a product, which is no delete."""

    product_id: str
    order: Order
    rows: tuple[Row, ...]
    """One per view, by view."""


def live_products(rows: Iterable[Row]) -> Iterator[IndexedProduct]:
    """The live products among those whose rows, all of them, are given."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.product_id].append(row)
    for product_id, group in groups.items():
        order = Stored.of(group).complete
        if order is not None and not order.deleted:
            current = sorted((row for row in group if row.order == order), key=lambda row: row.view)
            yield IndexedProduct(product_id, order, tuple(current))
