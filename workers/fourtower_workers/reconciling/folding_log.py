"""Reads the dead letters and then the log, and folds what was not set aside; it goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Protocol

from fourtower_ingest.dead_letters import Replayed, read_letter
from fourtower_ingest.errors import MalformedEvent
from fourtower_ingest.events import Delete, Patch, Upsert
from fourtower_ingest.log import Partition, Place, Record
from fourtower_ingest.records import read_record
from fourtower_ingest.replaying import product_of
from fourtower_ingest.settings import IngestSettings, TopicSettings
from fourtower_workers.reconciling.folded_log import Entry, FoldedLog
from fourtower_workers.reconciling.snapshot import Snapshot

AT_ONCE = 1_000
"""Records of one transaction."""
Advance = Callable[[int], None]


class Reader(Protocol):
    """What reads a stretch of a topic; the broker's `read_range` does."""

    def __call__(
        self,
        topic: str,
        *,
        start: Mapping[Partition, int] | None = None,
        end: Mapping[Partition, int] | None = None,
    ) -> Iterator[Record]:
        """Every record from some offsets on to others, or to the end as it is now."""


def reader_of(stream: IngestSettings) -> Reader:
    """What reads the log that settings describe."""
    from fourtower_ingest.broker.ranges import read_range

    return partial(read_range, stream.kafka, max_record_bytes=stream.topics.max_event_bytes)


def read_letters(log: FoldedLog, records: Iterable[Record]) -> None:
    """Remember which records are dead letters."""
    log.set_aside(_letters(records))


def fold_log(log: FoldedLog, read: Reader, snapshot: Snapshot, topics: TopicSettings, advance: Advance) -> None:
    """Fold every topic up to the snapshot's ends, from where it was left off."""
    progress, ends = log.progress(), snapshot.ends()
    advance(sum(progress[each.partition] - each.begin for each in snapshot.stretches if each.partition in progress))
    for topic in topics.read:
        wanted = {partition: end for partition, end in ends.items() if partition.topic == topic}
        records = read(topic, start=progress, end=wanted)
        while some := list(islice(records, AT_ONCE)):
            _take(log, some, snapshot, topics)
            advance(len(some))


def _take(log: FoldedLog, records: list[Record], snapshot: Snapshot, topics: TopicSettings) -> None:
    entries = []
    for record in records:
        product_id = _product_id(record)
        if product_id is not None:
            event = None if log.is_set_aside(record.place) else event_of(record, topics)
            entries.append(Entry(product_id, event, snapshot.is_committed(record.place), record.timestamp_ms))
    progress = {record.place.partition: record.place.offset + 1 for record in records}
    log.take(entries, progress, records=len(records))


def event_of(record: Record, topics: TopicSettings) -> Upsert | Patch | Delete | None:
    """The event that a record is; None where it is none, or breaks the contract."""
    partition, offset = record.place
    known = offset if partition.topic == topics.updates else None
    try:
        return read_record(record.value, key=record.key, headers=record.headers, offset=known, rules=topics.rules)
    except MalformedEvent:
        return None


def _letters(records: Iterable[Record]) -> Iterator[tuple[Place | None, str]]:
    for record in records:
        letter = read_letter(record)
        if not isinstance(letter, Replayed):
            yield letter.origin, product_of(letter.record)


def _product_id(record: Record) -> str | None:
    """The product that a record's key names, whatever else is in it."""
    try:
        return None if record.key is None else record.key.decode("utf-8")
    except UnicodeDecodeError:
        return None
