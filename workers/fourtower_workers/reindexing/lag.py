"""How far consumer groups are behind the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from fourtower_ingest.log import Partition

if TYPE_CHECKING:
    from fourtower_ingest.broker.admin import LogAdmin
    from fourtower_search.index.generations import GenerationRecord

NOWHERE: Mapping[Partition, int] = MappingProxyType({})


class Position(NamedTuple):
    """Where a group stands."""

    lag: int
    """Records between what it has committed and the log's end."""
    begun: bool
    """Whether it has committed anything beyond where it was placed, or there is nothing that it could."""
    committed: Mapping[Partition, int]
    """Of each partition that is read; its beginning where nothing was committed."""
    members: int = 0
    """Ingesters that read as this group; not asked for where there is nothing that they could read."""
    workers: int | None = None
    """Workers that say that they fill it; None: not asked for, or Redis did not answer."""

    @property
    def unattended(self) -> str:
        """Why nobody does what is left; empty if nothing is, or somebody may."""
        if not self.lag:
            return ""
        if not self.members:
            return "has no members"
        return "has no worker" if self.workers == 0 else ""


def places_of(record: GenerationRecord) -> dict[Partition, int]:
    """Where the group of a generation was placed when its filling began; nothing where it reads the whole log."""
    seeding = record.life.seeding
    by_topic = {} if seeding is None else seeding.offsets
    return {Partition(topic, number): at for topic, own in by_topic.items() for number, at in own.items()}


def position_of(
    admin: LogAdmin, topics: Sequence[str], group: str, *, placed: Mapping[Partition, int] = NOWHERE
) -> Position:
    """Look where a group stands: its offsets first and the ends after them, so that it is never ahead.

    Args:
        admin: of the log.
        topics: that are read.
        group: whose offsets count.
        placed: the offsets that somebody else committed for it, so that it begins there.

    Raises:
        BrokerUnavailable: the brokers did not answer.
        TopicMismatch: a topic is missing.
    """
    committed = admin.committed(group)
    begins, ends = admin.begins(topics), admin.ends(topics)
    found = position(begins, ends, committed, placed=placed)
    return found._replace(members=admin.members(group)) if found.lag else found


def position(
    begins: Mapping[Partition, int],
    ends: Mapping[Partition, int],
    committed: Mapping[Partition, int],
    *,
    placed: Mapping[Partition, int] = NOWHERE,
) -> Position:
    """The same from the numbers; what was deleted from the log before it was read is no lag."""
    reached = {each: max(committed.get(each, 0), begins.get(each, 0)) for each in ends}
    lag = sum(max(0, end - reached[each]) for each, end in ends.items())
    begun = any(each in committed and committed[each] > placed.get(each, -1) for each in ends)
    return Position(lag, begun or not lag, reached)
