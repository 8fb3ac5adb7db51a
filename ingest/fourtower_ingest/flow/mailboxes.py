"""The items of each product: one at a time is at the head, and may be sent; newer records wait behind it."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator

from fourtower_ingest.flow.items import Held, Item, State
from fourtower_ingest.log import Partition


class Lane:
    """The items of one product, in the order in which they run.

    Behind the head come the single records of an item that could not be indexed as a whole, then the patches among
    these that found no product, then the mailbox.
    """

    __slots__ = ("aside", "head", "mailbox", "reruns")

    def __init__(self, head: Item) -> None:
        self.head = head
        self.reruns: deque[Item] = deque()
        self.aside: list[Item] = []
        self.mailbox: list[Item] = []

    def put(self, held: Held) -> Item | None:
        """Take in a newer record; returns the head where it waited for just that."""
        if self._quiet and self.head.takes(held):
            self.head.add(held)
        else:
            self._put_behind(held)
        return self.head if self.head.state is State.PARKED else None

    def advance(self) -> Item | None:
        """The head is finished; returns the next one, if there is one."""
        if self.reruns:
            self.head = self.reruns.popleft()
        elif self.aside:
            self.head = _together(self.aside)
            self.aside = []
        elif self.mailbox:
            self.head = self.mailbox.pop(0)
        else:
            return None
        return self.head

    def split(self) -> Item:
        """The head can't be indexed as a whole: run its records singly, before all others; returns the first."""
        self.reruns.extendleft(reversed(self.head.singly()))
        self.head = self.reruns.popleft()
        return self.head

    def set_aside(self) -> None:
        """The head is a single patch without a product: it waits until the other records have run."""
        self.aside.append(self.head)

    def recall(self) -> None:
        """There is a product now: the patches set aside run next, for a newer one would make them stale."""
        self.reruns.extendleft(reversed(self.aside))
        self.aside = []

    def absorb(self) -> bool:
        """Fold the mailbox into the head, record by record; returns whether any could be."""
        before = len(self.head.held)
        waiting = [held for item in self.mailbox for held in item.held]
        self.mailbox = []
        for held in waiting:
            self.put(held)
        return len(self.head.held) > before

    def drop(self, partitions: frozenset[Partition]) -> list[Held]:
        """Forget records of these partitions, and items without any record left, except the head; returns them."""
        gone = [held for item in self._items() for held in item.drop(partitions)]
        if gone:
            self.reruns = deque(item for item in self.reruns if item.held)
            self.aside = [item for item in self.aside if item.held]
            self.mailbox = [item for item in self.mailbox if item.held]
        return gone

    @property
    def _quiet(self) -> bool:
        """Whether a newer record would overtake nothing but the head."""
        return not (self.mailbox or self.reruns or self.aside)

    def _put_behind(self, held: Held) -> None:
        if self.mailbox and self.mailbox[-1].takes(held):
            self.mailbox[-1].add(held)
        else:
            self.mailbox.append(Item(held))

    def _items(self) -> Iterator[Item]:
        yield self.head
        yield from self.reruns
        yield from self.aside
        yield from self.mailbox


class Mailboxes:
    """The lanes of all products."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}

    def __len__(self) -> int:
        return len(self._lanes)

    def put(self, held: Held) -> Item | None:
        """Take in a record; returns the item that can be sent because of it, if any."""
        lane = self._lanes.get(held.event.product_id)
        if lane is not None:
            return lane.put(held)
        item = Item(held)
        self._lanes[item.product_id] = Lane(item)
        return item

    def lane(self, item: Item) -> Lane:
        """The lane of an item that has not left it."""
        return self._lanes[item.product_id]

    def split(self, item: Item) -> Item:
        """This head can't be indexed as a whole; returns the first of its single records, which is the head now."""
        return self.lane(item).split()

    def advance(self, item: Item) -> Item | None:
        """This head is finished; returns the next one of its product."""
        following = self.lane(item).advance()
        if following is None:
            del self._lanes[item.product_id]
        return following

    def drop(self, partitions: frozenset[Partition]) -> tuple[list[Held], list[Item]]:
        """Forget records of these partitions; returns them, and the heads that have no record left."""
        gone: list[Held] = []
        emptied: list[Item] = []
        for lane in self._lanes.values():
            gone += lane.drop(partitions)
            if lane.head.forsaken:
                emptied.append(lane.head)
        return gone, emptied

    def heads(self) -> Collection[Item]:
        """The head of every product."""
        return [lane.head for lane in self._lanes.values()]


def _together(patches: Iterable[Item]) -> Item:
    """Patches of one product that all found none, as an item again."""
    patches = list(patches)
    item = Item.of(held for patch in patches for held in patch.held)
    item.base_since = min((patch.base_since for patch in patches if patch.base_since is not None), default=None)
    item.attempts = max(patch.attempts for patch in patches)
    return item
