"""Each guard of the flow, switched off, makes the simulation go red: so the simulation would notice its loss."""

from itertools import count

import pytest
from tests.ingest.flow.simulation import simulate

from fourtower_ingest.flow.attempts import Attempts
from fourtower_ingest.flow.intake import Intake
from fourtower_ingest.flow.items import Item
from fourtower_ingest.flow.mailboxes import Lane, Mailboxes
from fourtower_ingest.flow.settlement import Settlement
from fourtower_ingest.flow.tracker import Tracker


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


GUARDS = {
    commit_what_was_read: "is committed|malformed, committed",
    trust_the_producer: "is committed|malformed, committed",
    bury_the_whole_item: "died of",
    count_the_queue: "are sent again while|died of",
    send_all_at_once: "are sent again while",
    done_when_superseded: "is committed|should be",
}


@pytest.mark.parametrize("switch_off", GUARDS, ids=lambda guard: guard.__name__)
def test_a_guard_that_is_switched_off_is_missed(monkeypatch, switch_off):
    switch_off(monkeypatch)
    with pytest.raises(AssertionError, match=GUARDS[switch_off]):
        simulate_many()


def simulate_many():
    for seed in range(60):
        simulate(seed)
