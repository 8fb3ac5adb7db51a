"""What the consumer reads: records, and where they lie in the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Partition(NamedTuple):
    """One partition of one topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.number}]"


class Place(NamedTuple):
    """Where a record lies; places of one partition compare in the order of the log."""

    partition: Partition
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}@{self.offset}"


@dataclass(frozen=True, slots=True)
class Record:
    """One record, bytes as the broker had them."""

    place: Place
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp_ms: int = 0
    """When it was published, by the producer's or the broker's clock; 0 if it was not said."""

    @property
    def size(self) -> int:
        """Bytes that keeping it costs, about."""
        return len(self.key or b"") + len(self.value or b"") + sum(len(value or b"") for _, value in self.headers)
