"""Fills a new generation from the one that was live: copied where the model is the same, else encoded by workers.

Products come by ascending id, and every few thousand of them it is recorded how far that is: whoever is killed goes on
there. All writes carry versions, so live updates win, whenever they come.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from fourtower_ingest.events import Upsert
from fourtower_ingest.flow.verdicts import Fate, verdict
from fourtower_search.errors import IndexUnavailable, InvalidCatalog
from fourtower_search.index.life import Seeding
from fourtower_search.index.outcomes import Outcome
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.index.rows import ProductWrite
from fourtower_search.index.writer import Submission
from fourtower_workers.documents import product_of
from fourtower_workers.reconciling.errands import Errand
from fourtower_workers.reconciling.sending import Sending
from fourtower_workers.reindexing.copying import TIMEOUT_S, copied, whole_products
from fourtower_workers.reindexing.starting import Begun

AT_ONCE = 256
"""Products that are written together."""
BATCHES = 4
"""Slices that are read and filled in before it is recorded how far that is."""
TRIES = 5
PAUSE_S = 1.0
"""Before something is tried again; doubles from try to try."""
MOST_REFUSED = 20
"""Products that are named."""
_HOPELESS = (Fate.FAILED, Fate.PICTURE_MISSING)
_T = TypeVar("_T")


@dataclass
class Tally:
    """What became of some products."""

    copied: int = 0
    sent: int = 0
    without_pictures: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    """By product, why."""


class Filling(Protocol):
    """How products get into the new generation."""

    def fill(self, products: Sequence[ProductWrite]) -> Tally:
        """Put some products into it, and wait until it is certain what became of them."""
        ...


class Copying:
    """Writes stored rows again."""

    def __init__(self, begun: Begun, target: ProductIndex) -> None:
        self._begun, self._target = begun, target

    def fill(self, products: Sequence[ProductWrite]) -> Tally:
        """Copy products with their vectors."""
        tally, writes = Tally(), []
        for product in products:
            try:
                writes.append(copied(product, self._begun.source, self._begun.record))
            except InvalidCatalog as error:
                tally.refused[product.product_id] = str(error)
        for outcome in written(self._target, writes):
            if outcome.status == "failed":
                tally.refused[outcome.product_id] = outcome.message
            else:
                tally.copied += 1
        return tally


class Encoding:
    """Has workers encode products anew; deletes are copied."""

    def __init__(self, copying: Copying, sending: Sending) -> None:
        self._copying, self._sending = copying, sending

    def fill(self, products: Sequence[ProductWrite]) -> Tally:
        """Send products as whole events of the same version.

        Raises:
            IndexUnavailable: no worker answers, or none can do it now.
        """
        tally = self._copying.fill([product for product in products if product.order.deleted])
        live = (product for product in products if not product.order.deleted)
        for errand, report in self._sending.run(_errands(live, tally)):
            if report.status != "failed":
                tally.sent += 1
                tally.without_pictures += report.images_missing > 0
            elif not self._sending.stopped:
                if verdict([report]).fate not in _HOPELESS:
                    raise IndexUnavailable(f"Product {errand.product_id} was not indexed: {report.message}")
                tally.refused[errand.product_id] = report.message
        if self._sending.stopped:
            raise IndexUnavailable(self._sending.stopped)
        return tally


class Seeder:
    """Moves products from one generation into another, from where it was left off.

    Args:
        source: the generation that was live.
        seeding: how far it is filled.
        filling: how products get into the new one.
        note: records how far it is.
    """

    def __init__(
        self,
        source: ProductIndex,
        seeding: Seeding,
        filling: Filling,
        note: Callable[[Seeding], None],
        *,
        vectors: bool = True,
    ) -> None:
        self._source, self._filling, self._note, self._vectors = source, filling, note, vectors
        self.seeding = seeding

    def run(self, advance: Callable[[int], None]) -> Seeding:
        """Fill the generation; `advance` is told of every few products.

        Raises:
            IndexUnavailable: index or workers did not answer; what was recorded stays done.
        """
        products = whole_products(self._source, after=self.seeding.after, vectors=self._vectors)
        for some in _several(products):
            tally = self._filling.fill(some)
            self._record(_added(self.seeding, tally, after=some[-1].product_id))
            advance(len(some))
        self._record(self.seeding.model_copy(update={"done": True}))
        return self.seeding

    def _record(self, seeding: Seeding) -> None:
        persistently(lambda: self._note(seeding))
        self.seeding = seeding


def written(target: ProductIndex, writes: Sequence[ProductWrite]) -> list[Outcome]:
    """Write products, side by side, again and again while the index is away; one outcome each.

    Raises:
        IndexUnavailable: it stayed away.
    """
    left, found = list(writes), list[Outcome]()
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE_S * 2 ** (attempt - 1))
        outcomes = _applied(target, left)
        found += [outcome for outcome in outcomes if not outcome.retryable]
        again = {outcome.product_id: outcome.message for outcome in outcomes if outcome.retryable}
        left = [write for write in left if write.product_id in again]
        if not left:
            return found
    raise IndexUnavailable(f"Product {left[0].product_id} can't be written: {again[left[0].product_id]}")


def persistently(attempt: Callable[[], _T]) -> _T:
    """Try something until the index answers.

    Raises:
        IndexUnavailable: it did not, many times.
    """
    for number in range(TRIES - 1):
        try:
            return attempt()
        except IndexUnavailable:
            time.sleep(PAUSE_S * 2**number)
    return attempt()


def _applied(target: ProductIndex, writes: Sequence[ProductWrite]) -> list[Outcome]:
    def submitted(some: Sequence[ProductWrite]) -> Submission:
        stored = persistently(lambda: target.read([write.product_id for write in some], timeout_s=TIMEOUT_S))
        return target.submit(some, stored, timeout_s=TIMEOUT_S)

    under_way = [submitted(some) for some in _slices(writes)]
    return [outcome for submission in under_way for outcome in submission.verified.result()]


def _slices(writes: Sequence[ProductWrite]) -> Iterator[Sequence[ProductWrite]]:
    return (writes[start : start + AT_ONCE] for start in range(0, len(writes), AT_ONCE))


def _errands(products: Iterable[ProductWrite], tally: Tally) -> Iterator[Errand]:
    for product in products:
        try:
            event = Upsert(
                product_id=product.product_id, version=product.order.version, product=product_of(product.rows[0])
            )
        except InvalidCatalog as error:
            tally.refused[product.product_id] = str(error)
            continue
        yield Errand(product.product_id, (event.to_json().decode(),), source=product.rows[0].source)


def _several(products: Iterator[list[ProductWrite]]) -> Iterator[list[ProductWrite]]:
    """Some batches at a time, none of them empty."""
    some: list[ProductWrite] = []
    for number, batch in enumerate(products, 1):
        some += batch
        if number % BATCHES == 0 and some:
            yield some
            some = []
    if some:
        yield some


def _added(seeding: Seeding, tally: Tally, *, after: str) -> Seeding:
    told = (f"{product_id}: {reason}" for product_id, reason in sorted(tally.refused.items()))
    return seeding.model_copy(
        update={
            "after": after,
            "copied": seeding.copied + tally.copied,
            "sent": seeding.sent + tally.sent,
            "failed": seeding.failed + len(tally.refused),
            "refused": (*seeding.refused, *told)[:MOST_REFUSED],
            "without_pictures": seeding.without_pictures + tally.without_pictures,
        }
    )
