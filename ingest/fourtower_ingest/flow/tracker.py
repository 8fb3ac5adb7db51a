"""Which delivered records of each partition are not done yet, and how far its offset may be committed.

Offsets of a compacted topic have holes, so only delivered ones count. The log may be read again from an earlier
offset at any time; what was done once is then simply owed again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from heapq import heappop, heappush

from fourtower_ingest.log import Partition, Place


class Tracker:
    """The records of one partition."""

    def __init__(self) -> None:
        self._open: dict[int, float] = {}
        self._in_order: list[int] = []  # a heap; may hold offsets that are done, which leave it when they come first
        self._last = -1

    def add(self, offset: int, now: float) -> bool:
        """A record was delivered; False if it is owed already."""
        if offset in self._open:
            return False
        self._open[offset] = now
        heappush(self._in_order, offset)
        self._last = max(self._last, offset)
        return True

    def done(self, offset: int) -> None:
        """Nothing is owed for this record any more."""
        self._open.pop(offset, None)

    def next_offset(self, position: int | None = None) -> int | None:
        """What may be committed; None if nothing is known.

        Args:
            position: the next offset to be read, beyond which nothing was delivered in any case.
        """
        first = self.first()
        if first is not None:
            return first if position is None else min(first, position)
        return position if position is not None else self.beyond_last

    def first(self) -> int | None:
        """The lowest offset that is not done."""
        heap, still_open = self._in_order, self._open
        while heap and heap[0] not in still_open:
            heappop(heap)
        return heap[0] if heap else None

    @property
    def beyond_last(self) -> int | None:
        """The offset after the last record; None before the first one."""
        return None if self._last < 0 else self._last + 1

    @property
    def span(self) -> int:
        """Offsets between the first one not done and the last one delivered."""
        first = self.first()
        return 0 if first is None else self._last + 1 - first

    @property
    def oldest(self) -> float | None:
        """When the first record that is not done was delivered."""
        first = self.first()
        return None if first is None else self._open[first]


class Trackers:
    """All partitions that this process has."""

    def __init__(self) -> None:
        self._of: dict[Partition, Tracker] = {}
        self._committed: dict[Partition, int] = {}

    def __contains__(self, partition: Partition) -> bool:
        return partition in self._of

    def assign(self, partitions: Collection[Partition]) -> None:
        """These partitions are ours from now on."""
        for partition in partitions:
            self._of.setdefault(partition, Tracker())

    def forget(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """These partitions are not ours any more; returns what may be committed for them."""
        offsets = {}
        for partition in partitions:
            tracker = self._of.pop(partition, None)
            known = self._committed.pop(partition, -1)
            offset = None if tracker is None else tracker.next_offset()
            if offset is not None and offset > known:
                offsets[partition] = offset
        return offsets

    def add(self, place: Place, now: float) -> bool:
        """A record was delivered; False if its partition is not ours, or if it is owed already."""
        tracker = self._of.get(place.partition)
        return tracker is not None and tracker.add(place.offset, now)

    def done(self, place: Place) -> None:
        """Nothing is owed for this record any more."""
        tracker = self._of.get(place.partition)
        if tracker is not None:
            tracker.done(place.offset)

    def committable(self, positions: Mapping[Partition, int]) -> dict[Partition, int]:
        """The next offsets to commit, of partitions where they have risen."""
        offsets = {}
        for partition, tracker in self._of.items():
            offset = tracker.next_offset(positions.get(partition))
            if offset is not None and offset > self._committed.get(partition, -1):
                offsets[partition] = offset
        return offsets

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """The broker has these offsets."""
        for partition, offset in offsets.items():
            if partition in self._of:
                self._committed[partition] = max(offset, self._committed.get(partition, -1))

    @property
    def span(self) -> int:
        """The longest one of any partition."""
        return max((tracker.span for tracker in self._of.values()), default=0)

    @property
    def oldest(self) -> float | None:
        """When the oldest record that is not done was delivered."""
        known = (tracker.oldest for tracker in self._of.values())
        return min((at for at in known if at is not None), default=None)
