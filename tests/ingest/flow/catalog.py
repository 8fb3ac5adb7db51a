"""Random logs for the simulation: products whose events collide, and records that can't be indexed for some reason."""

import json
from dataclasses import replace
from typing import NamedTuple

from fourtower_ingest.errors import MalformedEvent
from fourtower_ingest.log import Partition, Place, Record
from fourtower_ingest.records import TopicRules, read_record

TOPIC, REPLAYS = "updates", "replays"
RULES = TopicRules()
PARTITIONS = (Partition(TOPIC, 0), Partition(TOPIC, 1), Partition(REPLAYS, 0))
WHOLE = ("a", "b", "c")
"""Products of upserts and deletes only, whose events may come from any partition."""
PATCHED = {"m": PARTITIONS[0], "n": PARTITIONS[1]}
"""Products with patches, whose events all come from one partition, for their order counts."""


class Mix(NamedTuple):
    """How often what is drawn."""

    bad: float = 0.08
    poison: float = 0.04
    malformed: float = 0.08
    patches: float = 0.5
    deletes: float = 0.2
    versions: int = 12
    rising: bool = False
    """Versions mostly follow the log."""
    repeats: float = 0.3
    """Records that come again, byte by byte."""


USUAL = Mix()


def logs(rng, length, mix=USUAL):
    """A log for each partition, with holes as compaction leaves them."""
    found = {}
    for partition in PARTITIONS:
        offset, records = 0, []
        for _ in range(length):
            offset += 1 if rng.random() < 0.8 else rng.randint(2, 9)
            place = Place(partition, offset)
            earlier = [*records, *_movable(found)]
            again = bool(earlier) and rng.random() < mix.repeats
            records.append(replace(rng.choice(earlier), place=place) if again else _record(rng, place, mix))
        found[partition] = records
    return found


def event_of(record):
    """The event; None if it is malformed."""
    try:
        return read_record(record.value, key=record.key, headers=record.headers, offset=None, rules=RULES)
    except MalformedEvent:
        return None


def marked(event, name):
    """Whether an event is bad, or poison."""
    return name in getattr(getattr(event, "product", None), "attributes", {})


def _movable(logs):
    """Records that may come again in any partition."""
    keys = {name.encode() for name in WHOLE}
    return [record for records in logs.values() for record in records if record.key in keys]


def _record(rng, place, mix):
    if rng.random() < mix.malformed:
        key, value = rng.choice([(None, b"{}"), (b"a", b"{"), (b"a", b'{"op": "upsert"}'), (b"a", None)])
        return Record(place, key, value)
    own = [name for name, partition in PATCHED.items() if partition == place.partition]
    product_id = rng.choice([*WHOLE, *own, *own])
    op = _op(rng, product_id, mix)
    version = rng.randint(0, mix.versions) + (place.offset if mix.rising else 0)
    fields = {"op": op, "product_id": product_id, "version": version}
    if op != "delete":
        fields["product"] = _content(rng, op, mix)
    return Record(place, product_id.encode(), json.dumps(fields).encode(), timestamp_ms=place.offset)


def _op(rng, product_id, mix):
    if product_id in PATCHED and rng.random() < mix.patches:
        return "patch"
    return "delete" if rng.random() < mix.deletes else "upsert"


def _content(rng, op, mix):
    fields = {"title": rng.choice(["mug", "cup"]), "description": rng.choice(["red", "blue"])}
    content = fields if op == "upsert" else {name: fields[name] for name in rng.sample(sorted(fields), 1)}
    marks = [name for name, share in (("bad", mix.bad), ("poison", mix.poison)) if rng.random() < share]
    # Marks are attributes, so that a patch on top of a bad product is bad, too, whichever way it gets there.
    return {**content, "attributes": {"price": rng.randint(1, 3), **dict.fromkeys(marks, 1)}}
