"""The client's partitions, offsets and records in our terms, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kafka.structs import OffsetAndMetadata, TopicPartition

from fourtower_ingest.errors import PartitionUnreadable
from fourtower_ingest.log import Partition, Place, Record


def ours(partitions: Iterable[TopicPartition]) -> frozenset[Partition]:
    """Partitions as the rest of the package names them."""
    return frozenset(Partition(topic, number) for topic, number in partitions)


def our_offsets(offsets: Mapping[TopicPartition, int]) -> dict[Partition, int]:
    """Offsets by our partitions."""
    return {Partition(topic, number): offset for (topic, number), offset in offsets.items()}


def theirs(offsets: Mapping[Partition, int]) -> dict[TopicPartition, int]:
    """Offsets by the client's partitions."""
    return {TopicPartition(*partition): offset for partition, offset in offsets.items()}


def as_committed(offsets: Mapping[Partition, int]) -> dict[TopicPartition, OffsetAndMetadata]:
    """Offsets in the form of a commit."""
    return {TopicPartition(*partition): OffsetAndMetadata(offset) for partition, offset in offsets.items()}


def as_record(record: Any) -> Record:
    """A record of the client's as one of ours."""
    return Record(
        place=Place(Partition(record.topic, record.partition), record.offset),
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
        timestamp_ms=max(0, record.timestamp),
    )


def as_unreadable(partition: TopicPartition, offset: int, error: Exception) -> PartitionUnreadable:
    """The error that tells of a partition that can't be read."""
    text = " ".join(str(error).split())[:300].rstrip(".")
    return PartitionUnreadable(Partition(*partition), offset, f"{type(error).__name__}: {text}.")
