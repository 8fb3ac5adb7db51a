"""Compares two generations product by product, and draws a sample of the second one's rows on the way.

Both receive updates meanwhile. So what seems to differ is looked at twice, the second time strongly, and products of
which the log has had any record since the beginning are left out.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import merge
from itertools import groupby
from typing import Literal, NamedTuple, get_args

from fourtower_search.index.convergence import Stored
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.index.scanning import slices

Difference = Literal["missing", "extra", "version", "picture"]
"""`missing`: live only in the live generation. `extra`: only in the other one. `version`: they hold another version of
it. `picture`: a picture that the live generation has is missing."""
DIFFERENCES: tuple[Difference, ...] = get_args(Difference)
AT_ONCE = 1_000
MOST_SUSPECTS = 200_000
"""With more of them, nothing is looked at twice: something is wrong for certain."""
LISTED = 20
TIMEOUT_S = 60.0
Advance = Callable[[int], None]


class Both(NamedTuple):
    """What two generations hold of a product."""

    live: Stored
    following: Stored


@dataclass(frozen=True)
class Pairing:
    """What a comparison came to."""

    live: int
    """Live products of the live generation."""
    following: int
    """Live products of the other one."""
    moving: int
    """Products that differ, but were written meanwhile."""
    found: Mapping[Difference, int]
    examples: Mapping[str, Difference]
    """Some products that differ."""
    sample: tuple[str, ...]
    """Keys of rows of the other generation, drawn at random."""

    @property
    def differing(self) -> int:
        """Products of which they hold something else."""
        return sum(count for kind, count in self.found.items() if kind != "picture")


@dataclass
class Sample:
    """So many of a stream's items, each as likely as any other, however long the stream is."""

    size: int
    seed: int = 0
    items: list[str] = field(default_factory=list)
    _seen: int = 0

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    def offer(self, item: str) -> None:
        """One more item of the stream."""
        self._seen += 1
        if len(self.items) < self.size:
            self.items.append(item)
        elif (place := self._chance.randrange(self._seen)) < self.size:
            self.items[place] = item


@dataclass(frozen=True)
class Pairer:
    """Two generations, and how they are compared.

    Args:
        live: what searches use.
        following: what shall be live next.
        moved: the products of which the log has had a record since before the comparison; asked at its end.
        sample: how many rows are drawn.
        seed: of the draw.
        moment_s: between two looks.
    """

    live: ProductIndex
    following: ProductIndex
    moved: Callable[[], Iterable[str]]
    sample: int = 200
    seed: int = 0
    moment_s: float = 2.0

    def compare(self, advance: Advance) -> Pairing:
        """Read both from end to end."""
        suspects: dict[str, Difference] = {}
        counts, overflow = Counter[str](), Counter[Difference]()
        sample = Sample(self.sample, self.seed)
        for product_id, both in self._pairs(advance):
            counts["live"] += is_live(both.live)
            counts["following"] += is_live(both.following)
            for row in both.following.current if is_live(both.following) else ():
                sample.offer(row.key)
            kind = difference(both)
            if kind is not None and len(suspects) < MOST_SUSPECTS:
                suspects[product_id] = kind
            elif kind is not None:
                overflow[kind] += 1
        confirmed = suspects if overflow else self._confirmed(suspects)
        moving = set() if overflow else {name for name in self.moved() if name in confirmed}
        left = {name: kind for name, kind in confirmed.items() if name not in moving}
        found = Counter(left.values()) + overflow
        return Pairing(
            counts["live"],
            counts["following"],
            len(moving),
            {kind: found[kind] for kind in DIFFERENCES},
            dict(list(left.items())[:LISTED]),
            tuple(sample.items),
        )

    def _pairs(self, advance: Advance) -> Iterator[tuple[str, Both]]:
        sides = (self.live.iterate_stored(timeout_s=TIMEOUT_S), self.following.iterate_stored(timeout_s=TIMEOUT_S))
        for number, (product_id, both) in enumerate(aligned(*sides), start=1):
            if not number % AT_ONCE:
                advance(AT_ONCE)
            yield product_id, both

    def _confirmed(self, suspects: Mapping[str, Difference]) -> dict[str, Difference]:
        """Those that differ at a second, strong look, too."""
        if not suspects:
            return {}
        time.sleep(self.moment_s)
        return {name: kind for some in slices(suspects, AT_ONCE) for name, kind in self._again(some).items()}

    def _again(self, product_ids: Collection[str]) -> dict[str, Difference]:
        live, following = (
            index.read(product_ids, consistency="strong", timeout_s=TIMEOUT_S) for index in (self.live, self.following)
        )
        found = {name: difference(Both(live[name], following[name])) for name in product_ids}
        return {name: kind for name, kind in found.items() if kind is not None}


def aligned(live: Iterable[tuple[str, Stored]], following: Iterable[tuple[str, Stored]]) -> Iterator[tuple[str, Both]]:
    """Both sides product by product; each comes by ascending id."""
    found = merge(_marked(live, 0), _marked(following, 1), key=lambda item: item[:2])
    for product_id, items in groupby(found, key=lambda item: item[0]):
        held = {side: stored for _, side, stored in items}
        yield product_id, Both(held.get(0, Stored()), held.get(1, Stored()))


def difference(both: Both) -> Difference | None:
    """In what a product differs, if it does."""
    live, following = is_live(both.live), is_live(both.following)
    if live != following:
        return "missing" if live else "extra"
    if not live:
        return None
    assert both.live.complete is not None
    assert both.following.complete is not None
    # Digests differ where one of them was built from whole products and the other one from changes.
    if both.live.complete.version != both.following.complete.version:
        return "version"
    lost = _without_picture(both.following) - _without_picture(both.live)
    return "picture" if lost else None


def is_live(stored: Stored) -> bool:
    """Whether searches find a product."""
    return stored.complete is not None and not stored.complete.deleted


def _marked(found: Iterable[tuple[str, Stored]], side: int) -> Iterator[tuple[str, int, Stored]]:
    return ((name, side, stored) for name, stored in found)


def _without_picture(stored: Stored) -> set[int]:
    return {row.view for row in stored.current if row.image_missing}
