"""What must be true in the end, and of every committed offset: said in terms of log, index and dead letters only."""

from tests.ingest.flow.catalog import event_of, marked

from fourtower_ingest.events import Delete, Patch
from fourtower_ingest.folding import State, apply_all


def check_done(record, index, graveyard):
    """A record below a committed offset has had its effect, or is a dead letter."""
    if record.place in graveyard:
        return
    event = event_of(record)
    assert event is not None, f"{record.place} is malformed, committed, and no dead letter"
    stored = index.get(event.product_id)
    assert stored is not None, f"{event} at {record.place} is committed, and nothing is stored"
    if isinstance(event, Patch):
        assert stored.version >= event.version, f"{event} at {record.place} is committed without effect"
    else:
        assert stored.order >= event.order, f"{event} at {record.place} is committed without effect"


def check_end(logs, committed, index, graveyard):
    """Everything is committed, the index is the fold of the log, and the dead letters are what they should be."""
    assert committed == {partition: records[-1].place.offset + 1 for partition, records in logs.items()}
    events = [event for _, event in _well(logs, graveyard)]
    products = {event.product_id for event in events} | index.keys()
    for product_id in products:
        expected = apply_all(State(), [event for event in events if event.product_id == product_id]).full
        assert index.get(product_id) == expected, f"{product_id} is {index.get(product_id)}, should be {expected}"
    check_letters(logs, index, graveyard)


def check_letters(logs, index, graveyard):
    """Malformed records are all there; others only for what is wrong with themselves."""
    for record in (record for records in logs.values() for record in records):
        event, letter = event_of(record), graveyard.get(record.place)
        if event is None:
            assert letter is not None, f"{record.place} is malformed, and no dead letter"
        elif letter is not None:
            assert _rightly(event, letter.code, index.get(event.product_id)), f"{event} died of {letter.code}"
            assert letter.record == record


def _well(logs, graveyard):
    for records in logs.values():
        for record in records:
            event = event_of(record)
            if event is not None and record.place not in graveyard:
                yield record, event


def _rightly(event, code, stored):
    if code in ("invalid_product", "poison"):
        return marked(event, {"invalid_product": "bad", "poison": "poison"}[code])
    baseless = stored is None or (isinstance(stored, Delete) and event.version > stored.version)
    return code == "no_base" and isinstance(event, Patch) and baseless
