"""Which rows of a product to write, which to remove, and what became of a write: pure functions over row states.

Stored versions only grow, and a key that was removed once is never needed again. So an old snapshot costs no more
than an extra write, a removal that arrives late does no harm, and any number of writers, crashes and repetitions end
in the highest version of each product.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from fourtower_search.index.rows import Order, ProductWrite, RowState

Verdict = Literal["applied", "stale", "incomplete"]


@dataclass(frozen=True, slots=True)
class Stored:
    """What the index holds of one product."""

    rows: tuple[RowState, ...] = ()
    """Those of the highest version first: lower ones may be removed any moment."""
    highest: Order | None = None
    """The highest version of which there is any row."""
    complete: Order | None = None
    """The highest version of which all rows are there; a delete is complete with its one row."""

    @classmethod
    def of(cls, rows: Iterable[RowState]) -> Stored:
        """Summarise all rows of one product."""
        versions: dict[Order, list[RowState]] = defaultdict(list)
        for row in rows:
            versions[row.order].append(row)
        orders = sorted(versions, reverse=True)
        return cls(
            tuple(row for order in orders for row in versions[order]),
            highest=next(iter(orders), None),
            complete=next((order for order in orders if is_complete(versions[order])), None),
        )

    @property
    def current(self) -> tuple[RowState, ...]:
        """The rows of the highest complete version."""
        return tuple(row for row in self.rows if row.order == self.complete)


def stored_by_product(product_ids: Collection[str], rows: Iterable[RowState]) -> dict[str, Stored]:
    """Group rows; products without any get an empty entry."""
    groups: dict[str, list[RowState]] = {product_id: [] for product_id in product_ids}
    for row in rows:
        groups[row.product_id].append(row)
    return {product_id: Stored.of(group) for product_id, group in groups.items()}


def is_complete(version: Collection[RowState]) -> bool:
    """Whether these rows of one version are all that it has."""
    return len({row.view for row in version}) >= max(row.row_count for row in version)


def needed(write: ProductWrite, stored: Stored) -> bool:
    """Whether rows must be written.

    An incomplete higher version doesn't make a write superfluous: its own writer may never come back.
    """
    if stored.complete is None or write.order > stored.complete:
        return True
    return write.repair and write.order == stored.complete and not _loses_a_picture(write, stored)


def outdated(stored: Stored) -> list[str]:
    """Keys of all rows below the highest complete version.

    Rows of an equal version stay, whatever their view: removing a key that may be written again would be a race.
    """
    complete = stored.complete
    return [] if complete is None else [row.key for row in stored.rows if row.order < complete]


def verdict(order: Order, stored: Stored) -> Verdict:
    """What became of a write, given everything that is stored of its product now."""
    if stored.complete is None or stored.complete < order:
        return "incomplete"
    return "applied" if stored.complete == order else "stale"


def fold(writes: Iterable[ProductWrite]) -> Mapping[str, ProductWrite]:
    """The one write per product that decides: the highest order, of equal ones a repair."""
    winners: dict[str, ProductWrite] = {}
    for write in writes:
        rival = winners.get(write.product_id)
        if rival is None or (write.order, write.repair) > (rival.order, rival.repair):
            winners[write.product_id] = write
    return winners


def _loses_a_picture(write: ProductWrite, stored: Stored) -> bool:
    had = {row.view for row in stored.current if not row.image_missing}
    return any(row.image_missing and row.view in had for row in write.rows)
