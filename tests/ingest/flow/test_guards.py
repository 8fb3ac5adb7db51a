"""Each guard of the flow, switched off, makes the simulation go red: so the simulation would notice its loss."""

from itertools import count

import pytest
from tests.ingest.flow.catalog import USUAL
from tests.ingest.flow.simulation import FEW_VERSIONS, simulate

from fourtower_ingest.events import Patch
from fourtower_ingest.flow import settled, settlement
from fourtower_ingest.flow.attempts import Attempts
from fourtower_ingest.flow.intake import Intake
from fourtower_ingest.flow.items import Item
from fourtower_ingest.flow.letters import Letters
from fourtower_ingest.flow.mailboxes import Lane, Mailboxes
from fourtower_ingest.flow.sending import Sending
from fourtower_ingest.flow.settled import Settled
from fourtower_ingest.flow.settlement import Settlement
from fourtower_ingest.flow.tracker import Tracker
from fourtower_ingest.wire import Written


def commit_what_was_read(patch):
    """Commits pass records that are not done."""
    patch.setattr(Tracker, "next_offset", lambda self, position=None: position or self.beyond_last)


def trust_the_producer(patch):
    """A dead letter counts before the broker acknowledged it."""

    def bury(self, letter, *, product_id="", withhold=False):
        self._letters.write(letter)
        self._ledger.finish(letter.record, "dead_letter", letter.code)
        return False

    patch.setattr(Settlement, "bury", bury)
    buried, forget = Letters.buried, Letters.forget  # otherwise their records would be done twice
    patch.setattr(Letters, "buried", lambda self, place: buried(self, place) and None)
    patch.setattr(Letters, "forget", lambda self, partitions: forget(self, partitions) and [])


def bury_the_whole_item(patch):
    """An item that fails is not taken apart: good records die with the bad one."""
    patch.setattr(Settlement, "_at_fault", lambda self, item: True)


def count_the_queue(patch):
    """Time in the queue counts as if a worker had the task."""
    patch.setattr(Attempts, "_taken_up", lambda self, attempt: attempt.published_at)


def send_all_at_once(patch):
    """Every record is sent at once, whatever else of its product is in flight."""
    numbers = count()

    def put(self, held):
        item = Item(held)
        item.product_id += f"#{next(numbers)}"
        self._lanes[item.product_id] = Lane(item)
        return item

    patch.setattr(Mailboxes, "put", put)


def done_when_superseded(patch):
    """A record is done when a newer one takes its place, not when that one is applied."""
    take = Intake.take

    def taken(self, record, now):
        take(self, record, now)
        for item in (item for lane in self._mailboxes._lanes.values() for item in lane._items()):
            for held in [held for held in item.held if not any(held.event is event for event in item.series)]:
                self._ledger.finish(held.record, "superseded")
                item.held.remove(held)

    patch.setattr(Intake, "take", taken)


def believe_what_was_written(patch):
    """What a worker wrote is taken for certain, before it was verified."""
    hear = Sending.heard

    def heard(self, message, now):
        attempt = self._attempts.under_way(message.attempt)
        if isinstance(message, Written) and attempt is not None:
            for item, series in attempt.parcels:
                self._settlement._settled.settle(item.product_id, series, [held.record for held in item.held])
        hear(self, message, now)

    patch.setattr(Sending, "heard", heard)


def believe_what_failed(patch):
    """Events that are done with others of which some failed are taken for certain, with these."""
    patch.setattr(settlement, "certain", lambda reports: True)
    patch.setattr(Settled, "doubt", lambda self, product_id: None)


def take_versions_for_events(patch):
    """Of two events of one version the second is taken for the first."""
    patch.setattr(settled, "_is_below", lambda event, rank: event.version <= rank // 2)


def take_patches_for_products(patch):
    """A patch is taken for the last word of its version."""
    rank = settled._rank
    patch.setattr(settled, "_rank", lambda event: rank(event) + isinstance(event, Patch))


GUARDS = {
    commit_what_was_read: "is committed|malformed, committed",
    trust_the_producer: "is committed|malformed, committed",
    bury_the_whole_item: "died of",
    count_the_queue: "are sent again while|died of",
    send_all_at_once: "are sent again while",
    done_when_superseded: "is committed|should be",
    believe_what_was_written: "is committed|should be",
    believe_what_failed: "is committed|should be",
    take_versions_for_events: "is committed|should be",
    take_patches_for_products: "is committed|should be",
}


@pytest.mark.parametrize("switch_off", GUARDS, ids=lambda guard: guard.__name__)
def test_a_guard_that_is_switched_off_is_missed(monkeypatch, switch_off):
    switch_off(monkeypatch)
    with pytest.raises(AssertionError, match=GUARDS[switch_off]):
        simulate_many()


def simulate_many():
    for mix in (USUAL, FEW_VERSIONS):
        for seed in range(60):
            simulate(seed, mix=mix)
