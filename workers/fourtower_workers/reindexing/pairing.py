"""Compares two generations product by product, and draws a sample of the second one's rows on the way.

Both receive updates meanwhile. So what seems to differ is looked at twice, the second time strongly, and products of
which the log has had any record since the beginning are left out. Deletes are compared like products: without them, an
older event that comes late would bring a product back.
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
from fourtower_search.index.rows import Order
from fourtower_search.index.scanning import slices

Difference = Literal["missing", "extra", "version", "delete", "forgotten", "picture"]
"""`missing`: live only in the live generation. `extra`: only in the other one. `version`: they hold another version of
it. `delete`: both hold it deleted, by another version. `forgotten`: only the live generation knows that it was deleted.
`picture`: a picture that the live generation has is missing."""
DIFFERENCES: tuple[Difference, ...] = get_args(Difference)
AT_ONCE = 1_000
MOST_SUSPECTS = 200_000
"""With more of them, nothing is looked at twice: something is wrong for certain. Of forgotten deletes, so many are
looked at, drawn at random: any number of them can have been forgotten for good reason."""
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
    purged: int = 0
    """Deletes that only the live generation still knows, and nobody needs any more."""

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


@dataclass
class Suspects:
    """What seems to differ at a first look."""

    seed: int
    found: dict[str, Difference] = field(default_factory=dict)
    overflow: Counter[Difference] = field(default_factory=Counter)
    """What there was no room for."""

    def __post_init__(self) -> None:
        self.forgotten = Sample(MOST_SUSPECTS, self.seed)

    def add(self, product_id: str, kind: Difference) -> None:
        """Note one of them."""
        if kind == "forgotten":
            self.forgotten.offer(product_id)
        elif len(self.found) < MOST_SUSPECTS:
            self.found[product_id] = kind
        else:
            self.overflow[kind] += 1

    def to_look_at(self) -> dict[str, Difference]:
        """Those that deserve a second look."""
        return self.found | dict.fromkeys(self.forgotten.items, "forgotten")


class Judged(NamedTuple):
    """What became of the suspects."""

    left: Mapping[str, Difference]
    moving: int = 0
    purged: int = 0


@dataclass(frozen=True)
class Pairer:
    """Two generations, and how they are compared.

    Args:
        live: what searches use.
        following: what shall be live next.
        moved: the products of which the log has had a record since before the comparison; asked at its end.
        recent: those of which it has had one within the time for which it keeps deletes, or longer ago.
        sample: how many rows are drawn.
        seed: of the draw.
        moment_s: between two looks.
    """

    live: ProductIndex
    following: ProductIndex
    moved: Callable[[], Iterable[str]]
    recent: Callable[[], Iterable[str]]
    sample: int = 200
    seed: int = 0
    moment_s: float = 2.0

    def compare(self, advance: Advance) -> Pairing:
        """Read both from end to end."""
        suspects, counts, sample = Suspects(self.seed), Counter[str](), Sample(self.sample, self.seed)
        for product_id, both in self._pairs(advance):
            counts["live"] += is_live(both.live)
            counts["following"] += is_live(both.following)
            for row in both.following.current if is_live(both.following) else ():
                sample.offer(row.key)
            if (kind := difference(both)) is not None:
                suspects.add(product_id, kind)
        judged = Judged(suspects.found) if suspects.overflow else self._judged(suspects.to_look_at())
        found = Counter(judged.left.values()) + suspects.overflow
        return Pairing(
            counts["live"],
            counts["following"],
            judged.moving,
            {kind: found[kind] for kind in DIFFERENCES},
            dict(list(judged.left.items())[:LISTED]),
            tuple(sample.items),
            judged.purged,
        )

    def _pairs(self, advance: Advance) -> Iterator[tuple[str, Both]]:
        sides = (self.live.iterate_stored(timeout_s=TIMEOUT_S), self.following.iterate_stored(timeout_s=TIMEOUT_S))
        for number, (product_id, both) in enumerate(aligned(*sides), start=1):
            if not number % AT_ONCE:
                advance(AT_ONCE)
            yield product_id, both

    def _judged(self, suspects: Mapping[str, Difference]) -> Judged:
        """What is left of suspects after a second look, and once the log was asked about them."""
        confirmed = self._confirmed(suspects)
        moving = _those(confirmed, self.moved)
        left = {name: kind for name, kind in confirmed.items() if name not in moving}
        forgotten = {name for name, kind in left.items() if kind == "forgotten"}
        purged = forgotten - _those(forgotten, self.recent)
        return Judged({name: kind for name, kind in left.items() if name not in purged}, len(moving), len(purged))

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
    return _of_live(both) if live else _of_deleted(both.live.complete, both.following.complete)


def is_live(stored: Stored) -> bool:
    """Whether searches find a product."""
    return stored.complete is not None and not stored.complete.deleted


def _of_live(both: Both) -> Difference | None:
    assert both.live.complete is not None
    assert both.following.complete is not None
    # Digests differ where one of them was built from whole products and the other one from changes.
    if both.live.complete.version != both.following.complete.version:
        return "version"
    lost = _without_picture(both.following) - _without_picture(both.live)
    return "picture" if lost else None


def _of_deleted(live: Order | None, following: Order | None) -> Difference | None:
    """Of a product that neither of them shows; that the live one has forgotten a delete is no fault of the other."""
    if live is None:
        return None
    if following is None:
        return "forgotten"
    return "delete" if live.version != following.version else None


def _those(wanted: Collection[str], named: Callable[[], Iterable[str]]) -> set[str]:
    """The wanted ones among the products that are named; nobody is asked about none."""
    return {name for name in named() if name in wanted} if wanted else set()


def _marked(found: Iterable[tuple[str, Stored]], side: int) -> Iterator[tuple[str, int, Stored]]:
    return ((name, side, stored) for name, stored in found)


def _without_picture(stored: Stored) -> set[int]:
    return {row.view for row in stored.current if row.image_missing}
