"""What is owed: every record from its delivery until its offset is done, and what became of those before."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable

from fourtower_ingest.flow.stats import Finished
from fourtower_ingest.flow.tracker import Trackers
from fourtower_ingest.log import Partition, Record

MOST_FINISHED = 10_000
"""Remembered for whoever writes metrics and logs."""


class Ledger:
    """Knows all records that are held, and is the only one who says that a record is done."""

    def __init__(self) -> None:
        self.trackers = Trackers()
        self.records = 0
        self.size = 0
        """Bytes."""
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self._finished: deque[Finished] = deque(maxlen=MOST_FINISHED)

    def take(self, record: Record, now: float) -> bool:
        """A record was delivered; False where nothing needs to be done for it, here or now."""
        if not self.trackers.add(record.place, now):
            return False
        self.records += 1
        self.size += record.size
        return True

    def finish(self, record: Record, status: str, code: str = "", *, product_id: str = "") -> None:
        """Its effect is certain: its offset is done."""
        self.trackers.done(record.place)
        self._release(record)
        self.outcomes[status, code] += 1
        self._finished.append(Finished(record.place, product_id, status, code, record.timestamp_ms))

    def forget(self, partitions: Collection[Partition], held: Iterable[Record]) -> dict[Partition, int]:
        """These partitions and their records are not ours any more; returns what may be committed for them."""
        for record in held:
            self._release(record)
        return self.trackers.forget(partitions)

    def take_finished(self) -> list[Finished]:
        """What was done since the last call."""
        taken = list(self._finished)
        self._finished.clear()
        return taken

    def _release(self, record: Record) -> None:
        self.records -= 1
        self.size -= record.size
