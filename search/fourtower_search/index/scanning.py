"""Reads of any size, in pieces that an engine answers whole: a full page is never taken for everything."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from fourtower_search.errors import IndexMismatch
from fourtower_search.index.conditions import Compare, Condition, Every, OneOf
from fourtower_search.index.deadline import Deadline
from fourtower_search.index.rows import Row, Vector
from fourtower_search.index.store import Consistency, RowStore

SLICE = 1024
"""Keys or products that are asked for by name at once; with vectors, an answer has some megabytes."""


class Range(NamedTuple):
    """Product ids above `after`, up to and including `last`; None is no bound."""

    after: str | None = None
    last: str | None = None

    def condition(self, where: Condition) -> Condition:
        """Rows of these products that fulfil a condition."""
        lower = () if self.after is None else (Compare("product_id", ">", self.after),)
        upper = () if self.last is None else (Compare("product_id", "<=", self.last),)
        return Every((*lower, *upper, where))

    def split(self, product_ids: Sequence[str]) -> tuple[Range, Range]:
        """Two ranges, both with some of the given products, which are sorted and lie inside."""
        middle = product_ids[(len(product_ids) - 1) // 2]
        return Range(self.after, middle), Range(middle, self.last)


def scan(
    store: RowStore,
    where: Condition,
    *,
    after: str | None = None,
    consistency: Consistency,
    timeout_s: float,
    deadline: Deadline | None = None,
    page: int,
    widest: int = 0,
) -> Iterator[list[str]]:
    """Ids of all products above `after` of which some row fulfils a condition: each once, in ascending order.

    Up to `page` keys are asked for at once, or `widest` from where one product alone has so many. `timeout_s` applies
    to each request, a deadline to all of them. Products written meanwhile may be missed, others never.
    """
    waiting = [Range(after)]
    while waiting:
        part = waiting.pop()
        left = deadline.left() if deadline else timeout_s
        keys = store.keys(part.condition(where), limit=page, consistency=consistency, timeout_s=left)
        product_ids = sorted({product_of(key) for key in keys})
        if len(keys) < page:
            yield product_ids
        elif len(product_ids) == 1 and page < widest:
            page = widest
            waiting.append(part)
        else:
            waiting.extend(reversed(part.split(_several(product_ids, page))))


def product_of(key: str) -> str:
    """The product that a row belongs to (see `RowKey`); ids may hold any character, versions and digests no @."""
    return key.rpartition("@")[0]


def slices(items: Collection[str], size: int = SLICE) -> Iterator[list[str]]:
    """Distinct items in pieces of a size."""
    distinct = list(dict.fromkeys(items))
    for start in range(0, len(distinct), size):
        yield distinct[start : start + size]


def rows_of(
    store: RowStore,
    product_ids: Collection[str],
    *,
    vectors: bool,
    consistency: Consistency,
    deadline: Deadline,
    page: int,
) -> list[Row]:
    """All rows of some products, outdated versions and tombstones included."""
    waiting, found = list(slices(product_ids)), list[Row]()
    while waiting:
        asked = waiting.pop()
        where = OneOf("product_id", tuple(asked))
        rows = store.rows(where, limit=page, vectors=vectors, consistency=consistency, timeout_s=deadline.left())
        if len(rows) < page:
            found.extend(rows)
        else:
            half = len(_several(asked, page)) // 2
            waiting += [asked[:half], asked[half:]]
    return found


def vectors_of(store: RowStore, keys: Collection[str], *, deadline: Deadline) -> dict[str, Vector]:
    """Stored vectors by key; rows that are gone, and tombstones, are left out."""
    found: dict[str, Vector] = {}
    for asked in slices(keys):
        found |= store.vectors(asked, timeout_s=deadline.left())
    return found


def _several(product_ids: Sequence[str], page: int) -> Sequence[str]:
    if len(product_ids) < 2:
        raise IndexMismatch(
            f"Product {product_ids[0]} has {page:,} rows or more, which no write of ours leaves behind; "
            f"delete its rows from the collection and send it again."
        )
    return product_ids
