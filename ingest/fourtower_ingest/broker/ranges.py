"""Reads a stretch of a topic without a group: what lay in it when the reading began, then it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from kafka.structs import TopicPartition

from fourtower_ingest.broker.admin import missing_topic
from fourtower_ingest.broker.connection import connected, translated
from fourtower_ingest.broker.fetching import CarefulConsumer, reading_options
from fourtower_ingest.broker.terms import as_record, as_unreadable, theirs
from fourtower_ingest.errors import BrokerUnavailable
from fourtower_ingest.log import Partition, Record
from fourtower_ingest.settings import KafkaSettings

POLL_S = 1.0


def read_range(
    kafka: KafkaSettings,
    topic: str,
    *,
    start: Mapping[Partition, int] | None = None,
    end: Mapping[Partition, int] | None = None,
    since_ms: int | None = None,
    max_record_bytes: int = 2**20,
) -> Iterator[Record]:
    """Every record from the beginning, or from some offsets or a time on, to the end as it is now.

    Records of one partition come in their order; those of several partitions are mixed.

    Args:
        kafka: how to reach the brokers.
        topic: what to read.
        start: first offsets; a partition that is not named is read from its beginning.
        end: where to stop, if before the present end.
        since_ms: leave out what was published before, by the records' own time.
        max_record_bytes: of the largest record to expect.

    Raises:
        TopicMismatch: there is no such topic.
        BrokerUnavailable: the brokers stopped answering; nothing more comes.
        BrokerRefused: credentials, permissions or settings are wrong.
        PartitionUnreadable: a record can't be read; those before it have come.
    """
    consumer = connected(CarefulConsumer, kafka, **reading_options(max_record_bytes), group_id=None)
    try:
        with translated(kafka, f"looking for the ends of {topic}"):
            whole = _whole(consumer, topic, kafka)
            later = _since(consumer, whole, since_ms, kafka) if since_ms is not None else whole
        stretch = _narrowed(later, theirs(start or {}), theirs(end or {}))
        yield from _read(consumer, stretch, kafka)
    finally:
        consumer.close(autocommit=False, timeout_ms=1000)


Stretch = dict[TopicPartition, tuple[int, int]]
"""The first offset of each partition, and the one to stop before."""


def _whole(consumer: Any, topic: str, kafka: KafkaSettings) -> Stretch:
    numbers = consumer.partitions_for_topic(topic)
    if not numbers:
        raise missing_topic(topic, kafka)
    partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
    timeout_ms = round(kafka.request_timeout_s * 1000)
    begins = consumer.beginning_offsets(partitions, timeout_ms=timeout_ms)
    ends = consumer.end_offsets(partitions, timeout_ms=timeout_ms)
    return {partition: (begins[partition], ends[partition]) for partition in partitions}


def _since(consumer: Any, whole: Stretch, since_ms: int, kafka: KafkaSettings) -> Stretch:
    timeout_ms = round(kafka.request_timeout_s * 1000)
    found = consumer.offsets_for_times(dict.fromkeys(whole, since_ms), timeout_ms=timeout_ms)
    return {each: (found[each].offset if found.get(each) else last, last) for each, (_, last) in whole.items()}


def _narrowed(whole: Stretch, start: Mapping[TopicPartition, int], end: Mapping[TopicPartition, int]) -> Stretch:
    found = {
        each: (max(first, start.get(each, first)), min(last, end.get(each, last)))
        for each, (first, last) in whole.items()
    }
    return {each: (first, last) for each, (first, last) in found.items() if first < last}


def _read(consumer: Any, stretch: Stretch, kafka: KafkaSettings) -> Iterator[Record]:
    left = {partition: last for partition, (_, last) in stretch.items()}
    if left:
        consumer.assign(list(left))
    for partition, (first, _) in stretch.items():
        consumer.seek(partition, first)
    heard = time.monotonic()
    while left:
        with translated(kafka, "reading"):
            found = consumer.poll(timeout_ms=round(POLL_S * 1000))
        for partition, records in found.items():
            yield from (as_record(record) for record in records if record.offset < left.get(partition, 0))
        for partition, damage in consumer.damaged.items():
            if partition in left:
                raise as_unreadable(partition, *damage)
        left = _drop_finished(consumer, left)
        heard = time.monotonic() if found else heard
        if time.monotonic() - heard > kafka.request_timeout_s:
            raise BrokerUnavailable(f"Kafka at {kafka.bootstrap} sent nothing for {kafka.request_timeout_s:g} s.")


def _drop_finished(consumer: Any, left: dict[TopicPartition, int]) -> dict[TopicPartition, int]:
    """Positions tell, not records: compaction leaves holes, also at the end of a stretch."""
    positions = consumer.known_positions()
    finished = {partition for partition, last in left.items() if positions.get(partition, 0) >= last}
    consumer.pause_assigned(finished)
    return {partition: last for partition, last in left.items() if partition not in finished}
