"""How far consumer groups are behind the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fourtower_ingest.log import Partition

if TYPE_CHECKING:
    from fourtower_ingest.broker.admin import LogAdmin


class Position(NamedTuple):
    """Where a group stands."""

    lag: int
    """Records between what it has committed and the log's end."""
    begun: bool
    """Whether it has committed anything, or there is nothing that it could."""
    committed: Mapping[Partition, int]
    """Of each partition that is read; its beginning where nothing was committed."""


def position_of(admin: LogAdmin, topics: Sequence[str], group: str) -> Position:
    """Look where a group stands: its offsets first and the ends after them, so that it is never ahead.

    Raises:
        BrokerUnavailable: the brokers did not answer.
        TopicMismatch: a topic is missing.
    """
    committed = admin.committed(group)
    begins, ends = admin.begins(topics), admin.ends(topics)
    return position(begins, ends, committed)


def position(
    begins: Mapping[Partition, int], ends: Mapping[Partition, int], committed: Mapping[Partition, int]
) -> Position:
    """The same from the numbers; what was deleted from the log before it was read is no lag."""
    reached = {each: max(committed.get(each, 0), begins.get(each, 0)) for each in ends}
    lag = sum(max(0, end - reached[each]) for each, end in ends.items())
    return Position(lag, not lag or any(each in committed for each in ends), reached)
