"""How far a reconciliation looks: the ends of the topics and the group's committed offsets, noted before anything."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, ConfigDict

from fourtower_ingest.errors import TopicMismatch
from fourtower_ingest.log import Partition, Place

if TYPE_CHECKING:
    from fourtower_ingest.broker.admin import LogAdmin, TopicFacts
    from fourtower_ingest.settings import TopicSettings
    from fourtower_search.index.generations import GenerationRecord

FOREVER = -1


class Stretch(NamedTuple):
    """What of a partition counts."""

    topic: str
    number: int
    begin: int
    end: int
    committed: int

    @property
    def partition(self) -> Partition:
        """Which partition it is."""
        return Partition(self.topic, self.number)


class Snapshot(BaseModel):
    """The log at one moment, as the ingester's group stood then."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    taken_ms: int
    group: str
    topic: str
    topic_id: str
    """Another one after the topic was deleted and created again."""
    compacted: bool
    """By what the brokers do: a topic that also forgets old records does not know every product."""
    stretches: tuple[Stretch, ...]
    tombstones_ms: int
    """How long a delete is kept in the log at least; -1: for ever."""
    same_topic: bool = True
    """Whether the topic is the one that the index was built from, as far as that is known."""

    @property
    def whole_log(self) -> bool:
        """Whether the log has a record of every product; see `findings.classify`."""
        return self.compacted or all(stretch.begin == 0 for stretch in self.stretches)

    @property
    def records(self) -> int:
        """How many there are at most; compaction leaves holes."""
        return sum(stretch.end - stretch.begin for stretch in self.stretches)

    def ends(self) -> dict[Partition, int]:
        """Where to stop."""
        return {stretch.partition: stretch.end for stretch in self.stretches}

    def is_committed(self, place: Place) -> bool:
        """Whether the group was done with a record."""
        return place.offset < self.committed.get(place.partition, 0)

    @cached_property
    def committed(self) -> Mapping[Partition, int]:
        """The group's offsets."""
        return {stretch.partition: stretch.committed for stretch in self.stretches}


def take_snapshot(admin: LogAdmin, topics: TopicSettings, *, group: str, record: GenerationRecord) -> Snapshot:
    """Note committed offsets first and ends after them, so that nothing committed lies beyond an end.

    Raises:
        TopicMismatch: a topic is missing, the group has never committed anything, or versions are offsets of a topic
            that is not the one that the index was built from.
    """
    committed = admin.committed(group)
    begins, ends = admin.begins(topics.read), admin.ends(topics.read)
    facts = admin.topic(topics.updates)
    assert facts is not None, "its offsets are known"
    if not any(partition in committed for partition in ends) and begins != ends:
        raise TopicMismatch(
            f"The group {group} has committed nothing of {topics.updates}, so nothing can be compared; name the "
            "ingester's group (FOURTOWER_INGESTER_GROUP)."
        )
    return Snapshot(
        taken_ms=int(time.time() * 1000),
        group=group,
        topic=topics.updates,
        topic_id=facts.topic_id,
        compacted=facts.compacted,
        stretches=tuple(_stretches(begins, ends, committed)),
        tombstones_ms=kept_ms(facts, compacted=topics.compacted),
        same_topic=same_topic(record, facts, topics),
    )


def kept_ms(facts: TopicFacts, *, compacted: bool) -> int:
    """How long the log keeps a delete, in ms; -1: for ever."""
    name = "delete.retention.ms" if compacted else "retention.ms"
    return int(facts.configs.get(name, FOREVER))


def _stretches(
    begins: Mapping[Partition, int], ends: Mapping[Partition, int], committed: Mapping[Partition, int]
) -> Iterable[Stretch]:
    for partition, end in sorted(ends.items()):
        yield Stretch(*partition, begins.get(partition, 0), end, committed.get(partition, 0))


def same_topic(record: GenerationRecord, facts: TopicFacts, topics: TopicSettings) -> bool:
    """Whether a topic is the one that a generation was built from, as far as that is known.

    Raises:
        TopicMismatch: it is not, or has other partitions, and versions are offsets.
    """
    same = not record.topic_id or record.topic_id == facts.topic_id
    unmoved = not record.partition_count or record.partition_count == facts.partitions
    if topics.version_source == "offset" and not (same and unmoved):
        raise TopicMismatch(
            f"{record.collection} was built from another topic {topics.updates}, or from fewer partitions of it, and "
            "versions are offsets: they can't be compared. Build a new generation from this topic."
        )
    return same
