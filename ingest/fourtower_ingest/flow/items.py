"""An item: what is sent of one product at a time, with all the records that it stands for."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from fourtower_ingest.events import Delete, Patch, Upsert
from fourtower_ingest.folding import Series, fold
from fourtower_ingest.log import Partition, Record
from fourtower_ingest.wire import MOST_EVENTS

if TYPE_CHECKING:
    from fourtower_ingest.flow.attempts import Attempt

Event = Upsert | Patch | Delete


class Held(NamedTuple):
    """A record that is owed an effect."""

    record: Record
    event: Event
    at: float
    """When it was delivered."""


class State(Enum):
    """Where an item is."""

    BEHIND = "behind"
    """Waits for another item of its product."""
    READY = "ready"
    IN_FLIGHT = "in_flight"
    RETRYING = "retrying"
    """Failed for the moment; sent again when its time has come."""
    PARKED = "parked"
    """A patch without a product; sent again when its time has come, or with the product's next record."""
    BURYING = "burying"
    """Waits for dead letters to be acknowledged: once a newer event is applied, the failure can't be found again."""


class Item:
    """Events of one product, folded, and their records.

    Its records are kept although the events were folded: the offset of each one is done only when the effect of the
    whole is certain, and if the whole can't be indexed they run again one by one.
    """

    __slots__ = (
        "alone",
        "attempt",
        "attempts",
        "base_since",
        "due",
        "effective",
        "held",
        "losses",
        "product_id",
        "rerun",
        "sent",
        "series",
        "since",
        "state",
        "tries",
        "unburied",
    )

    def __init__(self, held: Held) -> None:
        self.product_id = held.event.product_id
        self.series: Series = (held.event,)
        self.held = [held]
        self.state = State.BEHIND
        self.since = held.at
        """Since when it is ready."""
        self.due = 0.0
        """When to send it again; only while retrying or parked."""
        self.alone = False
        """Sent in a batch of its own: a worker was lost over a batch with it."""
        self.rerun = False
        """One record of an item that could not be indexed: nothing is folded into it."""
        self.attempt: Attempt | None = None
        """The one that is under way."""
        self.attempts = 0
        self.losses = 0
        """Workers lost over it while it was alone."""
        self.tries = 0
        """Failures for the moment."""
        self.base_since: float | None = None
        """Since when it is known that there is no product for its patches."""
        self.effective = False
        """Its records are done by an attempt that had been given up; the one under way is only waited for."""
        self.unburied = 0
        """Its dead letters that are not acknowledged."""
        self.sent: list[Attempt] = []
        """Attempts that may still tell what became of it."""

    @classmethod
    def of(cls, records: Iterable[Held]) -> Item:
        """An item of some records of one product, in the order of the log."""
        ordered = iter(records)
        item = cls(next(ordered))
        for held in ordered:
            item.add(held)
        return item

    @property
    def lone(self) -> bool:
        """Whether it is exactly one record, so that what became of it says all about that record."""
        return len(self.held) == 1 and len(self.series) == 1 and self.series[0] is self.held[0].event

    @property
    def forsaken(self) -> bool:
        """Whether nobody waits for it: all its records were forgotten."""
        return not (self.held or self.effective or self.unburied)

    def takes(self, held: Held) -> bool:
        """Whether a newer record can still be folded into it; however it is folded anew, it must fit into a task."""
        if self.rerun or self.state in (State.IN_FLIGHT, State.BURYING):
            return False
        return len(self.held) < MOST_EVENTS or len(fold(self.series, held.event)) == 1

    def add(self, held: Held) -> None:
        """Fold a newer record into it."""
        self.series = fold(self.series, held.event)
        self.held.append(held)

    def singly(self) -> list[Item]:
        """An item for each of its records, in their order."""
        return [self._single(held) for held in self.held]

    def _single(self, held: Held) -> Item:
        item = Item(held)
        item.rerun, item.alone, item.attempts = True, self.alone, self.attempts
        item.base_since = None if self.base_since is None else max(self.base_since, held.at)
        return item

    def drop(self, partitions: frozenset[Partition]) -> list[Held]:
        """Forget the records of these partitions; returns them.

        Their events stay in the series: whoever has the partitions now sends them, too, which does no harm.
        """
        gone = [held for held in self.held if held.record.place.partition in partitions]
        if gone:
            self.held = [held for held in self.held if held.record.place.partition not in partitions]
        return gone
