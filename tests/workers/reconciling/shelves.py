"""A log that is a list, and rows by hand: what reconciling is tried on without servers."""

from __future__ import annotations

from contextlib import contextmanager

from fourtower_ingest.dead_letters import Letter, letter_headers
from fourtower_ingest.log import Partition, Place, Record
from fourtower_ingest.settings import TopicSettings
from fourtower_search.index.rows import Order, Row
from fourtower_workers.halves import image_hash, text_hash, text_of
from fourtower_workers.reconciling.snapshot import Snapshot, Stretch

TOPICS = TopicSettings(updates="shop", dead_letters="shop.dlq", replays="shop.replay", compacted=True)
PATCHED = TOPICS.model_copy(update={"compacted": False})
MODEL = "m1"
DAY_MS = 86_400_000
NOW_MS = 30 * DAY_MS


class Log:
    """The records of some topics; `committed` counts those of each partition that the group is done with."""

    def __init__(self, topics=TOPICS):
        self.topics = topics
        self.records: list[Record] = []
        self.begins: dict[Partition, int] = {}
        self.committed: dict[Partition, int] = {}
        self.reads: list[tuple[str, dict]] = []
        self.same_topic = True

    def add(self, event, *, topic=None, number=0, key=None, committed=True, timestamp_ms=NOW_MS, headers=()):
        """Append an event, or bytes, and commit it or not."""
        partition = Partition(topic or self.topics.updates, number)
        value = event.to_json() if hasattr(event, "to_json") else event
        key = event.product_id.encode() if key is None else key
        record = Record(Place(partition, self.end(partition)), key, value, tuple(headers), timestamp_ms)
        self.records.append(record)
        if committed:
            self.committed[partition] = record.place.offset + 1
        return record

    def bury(self, record):
        """Make a dead letter of a record."""
        letter = Letter(record, "plan", "invalid_product", "wrong")
        self.add(
            record.value,
            topic=self.topics.dead_letters,
            key=record.key,
            headers=letter_headers(letter),
            committed=False,
        )

    def end(self, partition):
        return sum(record.place.partition == partition for record in self.records) + self.begins.get(partition, 0)

    def read(self, topic, *, start=None, end=None):
        self.reads.append((topic, dict(start or {})))
        for record in list(self.records):
            partition, offset = record.place
            if partition.topic != topic or offset < (start or {}).get(partition, 0):
                continue
            if end is None or offset < end.get(partition, 0):
                yield record

    def snapshot(self):
        partitions = {Partition(name, number) for name in self.topics.read for number in (0, 1)}
        return Snapshot(
            taken_ms=NOW_MS,
            group="shop",
            topic=self.topics.updates,
            topic_id="t1",
            compacted=self.topics.compacted,
            stretches=tuple(
                Stretch(*each, self.begins.get(each, 0), self.end(each), self.committed.get(each, 0))
                for each in sorted(partitions)
            ),
            tombstones_ms=7 * DAY_MS,
            same_topic=self.same_topic,
        )


@contextmanager
def no_bars(title, total):
    yield lambda done: None


def rows_of(event, *, model_id=MODEL, source="shop", dim=4, missing=()):
    """The rows that a worker would write for an event."""
    import numpy as np

    order = Order(*event.order)
    if event.deleted:
        return [Row(event.product_id, order, 0, 1, source=source)]
    images = event.product.images or (None,)
    text = text_hash(model_id, text_of(event.product_id, event.product))
    return [
        Row(
            product_id=event.product_id,
            order=order,
            view=view,
            row_count=len(images),
            image_hash="" if view in missing else image_hash(model_id, image),
            text_hash=text,
            image_missing=view in missing and image is not None,
            vector=np.full(dim, 0.5, dtype=np.float32),
            source=source,
        )
        for view, image in enumerate(images)
    ]
