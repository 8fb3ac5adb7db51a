"""One flow and short words for what happens to it; every test says for itself what the worker answers."""

import json
from itertools import count

from fourtower_ingest.flow.flow import Flow
from fourtower_ingest.log import Partition, Place, Record
from fourtower_ingest.records import TopicRules
from fourtower_ingest.settings import FlowSettings
from fourtower_ingest.wire import Done, EventReport, Lost, Started, Topology, Written

P0, P1 = Partition("updates", 0), Partition("updates", 1)
REPLAYS = Partition("replays", 0)
APPLIED, STALE = EventReport(status="applied"), EventReport(status="stale")


def failed(code, *, retryable=False, stage="write"):
    return EventReport(status="failed", stage=stage, code=code, message=f"It is {code}.", retryable=retryable)


BAD, NO_BASE = failed("invalid_product"), failed("no_base", retryable=True, stage="plan")
UNAVAILABLE = failed("unavailable", retryable=True)


def upsert(offset, product="a", version=None, partition=P0, **fields):
    version = offset if version is None else version
    event = {"op": "upsert", "product_id": product, "version": version, "product": {"title": f"t{version}", **fields}}
    return record(offset, event, product, partition)


def patch(offset, product="a", version=None, partition=P0, **fields):
    version = offset if version is None else version
    fields = fields or {"description": f"d{version}"}
    event = {"op": "patch", "product_id": product, "version": version, "product": fields}
    return record(offset, event, product, partition)


def delete(offset, product="a", version=None, partition=P0):
    version = offset if version is None else version
    return record(offset, {"op": "delete", "product_id": product, "version": version}, product, partition)


def record(offset, event, product="a", partition=P0, headers=()):
    value = event if isinstance(event, bytes | None) else json.dumps(event).encode()
    return Record(Place(partition, offset), product.encode(), value, headers, timestamp_ms=offset)


class Bench:
    """A flow that has three partitions, at a time that only moves when told."""

    def __init__(self, *, rules=None, dead_letters_on=True, partitions=(P0, P1, REPLAYS), **settings):
        attempts = count(1)
        self.settings = FlowSettings(**{"linger_ms": 0, **settings})
        self.flow = Flow(
            self.settings,
            rules or TopicRules(),
            topology=Topology(),
            stream="s",
            source="updates",
            dead_letters_on=dead_letters_on,
            replay_topic=REPLAYS.topic,
            new_id=lambda: f"a{next(attempts)}",
        )
        self.now = 0.0
        self.flow.assigned(partitions, self.now)

    def deliver(self, *records):
        self.flow.deliver(records, self.now)

    def sent(self):
        """All that is sent now, as published: attempts with (product, versions) of what they carry."""
        return [self._published(batch) for batch in iter(lambda: self.flow.take_batch(self.now), None)]

    def send(self):
        """The one batch that is sent now: its attempt."""
        ((attempt, _),) = self.sent()
        return attempt

    def start(self, attempt):
        self.flow.heard(Started(attempt=attempt), self.now)

    def write(self, attempt):
        self.flow.heard(Written(attempt=attempt), self.now)

    def answer(self, attempt, *reports):
        self.flow.heard(Done(attempt=attempt, reports=reports), self.now)

    def lose(self, attempt):
        self.flow.heard(Lost(attempt=attempt, reason="signal 9"), self.now)

    def wait(self, seconds):
        """Time passes, and there is nothing to hear."""
        self.now += seconds
        self.flow.listened(self.now)
        self.flow.tick(self.now)

    def letters(self):
        """What is to be buried: (offset, code)."""
        return [(letter.record.place.offset, letter.code) for letter in self.flow.take_letters()]

    def bury(self, *offsets, partition=P0):
        for offset in offsets:
            self.flow.buried(Place(partition, offset), self.now)

    def committable(self, **positions):
        return {partition.number: offset for partition, offset in self.flow.committable(positions).items()}

    def ends(self):
        """What became of records: offset -> status."""
        return {finished.place.offset: finished.status for finished in self.flow.take_finished()}

    def _published(self, batch):
        self.flow.published(batch.attempt, self.now)
        events = [json.loads(document) for document in batch.events]
        return batch.attempt, [f"{event['product_id']}{event['version']}" for event in events]
