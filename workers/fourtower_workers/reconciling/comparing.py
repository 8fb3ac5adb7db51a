"""Compares the folded log with the index, product by product, and looks a second time before anything is believed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from fourtower_search.index.convergence import Stored
from fourtower_search.index.deadline import Deadline
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.index.rows import Row
from fourtower_search.index.scanning import rows_of
from fourtower_search.index.store import PAGE
from fourtower_workers.reconciling.cases import Cases
from fourtower_workers.reconciling.findings import Finding, Folded, classify, is_ahead, persists
from fourtower_workers.reconciling.folded_log import FoldedLog
from fourtower_workers.reconciling.pace import Pace
from fourtower_workers.reconciling.snapshot import FOREVER, Snapshot

AT_ONCE = 1_000
"""Products of one transaction, and of one second look."""
TIMEOUT_S = 60.0
Advance = Callable[[int], None]


class Pair(NamedTuple):
    """A product from both sides."""

    product_id: str
    folded: Folded | None
    stored: Stored


@dataclass(frozen=True)
class Comparison:
    """What is compared, and where it is written down."""

    index: ProductIndex
    log: FoldedLog
    cases: Cases
    snapshot: Snapshot
    pace: Pace
    moment_s: float = 2.0
    """Between two looks: long enough for a write that was just under way."""

    def first_look(self, advance: Advance) -> None:
        """Compare every product, from where it was left off, and note the suspects."""
        after = self.cases.cursor
        pairs = aligned(self.log.iterate(after=after), self.index.iterate_stored(after=after, timeout_s=TIMEOUT_S))
        for some in _several(pairs):
            self.pace.wait(len(some))
            found = [finding for pair in some if (finding := self._classified(*pair)) is not None]
            graves = [pair.product_id for pair in some if self._is_old_grave(pair)]
            ahead = sum(is_ahead(pair.folded, pair.stored) for pair in some)
            self.cases.compared(found, graves, cursor=some[-1].product_id, products=len(some), ahead=ahead)
            advance(len(some))

    def second_look(self, advance: Advance) -> None:
        """Read suspects again, strongly, and keep those that are still wrong."""
        while suspects := self.cases.suspects(AT_ONCE):
            self.pace.wait(len(suspects))
            kept = self._again(suspects)
            own = self._own([each for each in kept if each.kind == "extra"])
            findings = [each for each in kept if each.kind != "extra" or each.product_id in own]
            self.cases.confirmed(suspects, findings, foreign=len(kept) - len(findings))
            advance(len(suspects))

    def look(self, product_ids: Collection[str]) -> list[Finding]:
        """What is wrong with some products now, for certain."""
        stored = self.index.read(product_ids, consistency="strong", timeout_s=TIMEOUT_S)
        folded = self.log.get(product_ids)
        found = (self._classified(name, folded.get(name), stored[name]) for name in product_ids)
        return [finding for finding in found if finding is not None]

    def look_twice(self, product_ids: Collection[str]) -> list[Finding]:
        """The same, without what is only under way."""
        found = self.look(product_ids)
        if found:
            time.sleep(self.moment_s)
        return self._again(found)

    def rows(self, product_ids: Collection[str]) -> list[Row]:
        """All rows of some products, without vectors."""
        return rows_of(
            self.index.store,
            product_ids,
            vectors=False,
            consistency="strong",
            deadline=Deadline(TIMEOUT_S),
            page=PAGE,
        )

    def _again(self, findings: Collection[Finding]) -> list[Finding]:
        """Those of some findings that are confirmed now."""
        if not findings:
            return []
        first = {each.product_id: each for each in findings}
        return [each for each in self.look(first) if persists(first[each.product_id], each)]

    def _classified(self, product_id: str, folded: Folded | None, stored: Stored) -> Finding | None:
        return classify(product_id, folded, stored, model_id=self.index.model_id, whole_log=self.snapshot.whole_log)

    def _own(self, extra: Collection[Finding]) -> set[str]:
        """The products that came from this topic; what a file put there is none of our business."""
        names = {each.product_id for each in extra}
        return {row.product_id for row in self.rows(names) if row.source == self.snapshot.topic} if names else set()

    def _is_old_grave(self, pair: Pair) -> bool:
        return is_old_grave(pair, self.snapshot) and not self.log.has_letters(pair.product_id)


def aligned(folded: Iterable[tuple[str, Folded]], stored: Iterable[tuple[str, Stored]]) -> Iterator[Pair]:
    """Both sides product by product; each comes by ascending id."""
    left, right = iter(folded), iter(stored)
    ours, theirs = next(left, None), next(right, None)
    while ours is not None or theirs is not None:
        if theirs is None or (ours is not None and ours[0] < theirs[0]):
            assert ours is not None
            yield Pair(ours[0], ours[1], Stored())
            ours = next(left, None)
        elif ours is None or theirs[0] < ours[0]:
            yield Pair(theirs[0], None, theirs[1])
            theirs = next(right, None)
        else:
            yield Pair(ours[0], ours[1], theirs[1])
            ours, theirs = next(left, None), next(right, None)


def is_old_grave(pair: Pair, snapshot: Snapshot) -> bool:
    """Whether a product is nothing but a delete that no reader of the log can need any more.

    The log ends in a delete older than it keeps deletes, or has forgotten the product altogether. Nothing is said of
    dead letters; replayed, one could bring an older version back.
    """
    _, folded, stored = pair
    if not stored.rows or not all(row.order.deleted for row in stored.rows):
        return False
    if folded is None:
        return snapshot.same_topic
    full, waiting = folded.state
    if full is None or not full.deleted or waiting or not folded.settled or snapshot.tombstones_ms == FOREVER:
        return False
    return 0 < folded.last_ms < snapshot.taken_ms - snapshot.tombstones_ms


def _several(pairs: Iterable[Pair]) -> Iterator[list[Pair]]:
    some: list[Pair] = []
    for pair in pairs:
        some.append(pair)
        if len(some) == AT_ONCE:
            yield some
            some = []
    if some:
        yield some
