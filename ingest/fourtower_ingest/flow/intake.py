"""Takes records in: read, owed from now on, and put with the others of their product, or set aside as malformed."""

from __future__ import annotations

from fourtower_ingest.dead_letters import Letter
from fourtower_ingest.errors import MalformedEvent
from fourtower_ingest.flow.invalidity import Invalidity
from fourtower_ingest.flow.items import Event, Held
from fourtower_ingest.flow.ledger import Ledger
from fourtower_ingest.flow.mailboxes import Mailboxes
from fourtower_ingest.flow.settled import Settled
from fourtower_ingest.flow.settlement import Settlement
from fourtower_ingest.flow.waiting import Waiting
from fourtower_ingest.log import Record
from fourtower_ingest.records import TopicRules, read_record


class Intake:
    """The way in for records."""

    def __init__(
        self,
        rules: TopicRules,
        *,
        ledger: Ledger,
        mailboxes: Mailboxes,
        waiting: Waiting,
        settlement: Settlement,
        invalidity: Invalidity,
        settled: Settled,
        replay_topic: str,
    ) -> None:
        self._rules, self._replay_topic = rules, replay_topic
        self._ledger, self._mailboxes, self._waiting = ledger, mailboxes, waiting
        self._settlement, self._invalidity, self._settled = settlement, invalidity, settled

    def take(self, record: Record, now: float) -> None:
        """Take in a record, unless it is not ours, or there already."""
        if not self._ledger.take(record, now) or self._invalidity.reason:
            return  # of a topic that was given up, what is delivered is only owed
        if self._settled.repeats(record):
            self._note(record, valid=True)
            self._without_effect(record)
            return
        try:
            event = self._read(record)
        except MalformedEvent as error:
            self._malformed(record, error)
            return
        self._note(record, valid=True)
        if event is None:
            self._ledger.finish(record, "marker")
        elif self._settled.covers(event, record):
            self._without_effect(record)
        else:
            self._hold(record, event, now)

    def _hold(self, record: Record, event: Event, now: float) -> None:
        item = self._mailboxes.put(Held(record, event, now))
        if item is not None:
            self._waiting.ready(item, now)

    def _without_effect(self, record: Record) -> None:
        """The index surely holds this, or something newer, whatever else of the product is under way."""
        self._ledger.finish(record, "stale", product_id=(record.key or b"").decode())

    def _read(self, record: Record) -> Event | None:
        place = record.place
        offset = None if place.partition.topic == self._replay_topic else place.offset
        return read_record(record.value, key=record.key, headers=record.headers, offset=offset, rules=self._rules)

    def _malformed(self, record: Record, error: MalformedEvent) -> None:
        self._note(record, valid=False, complaint=f"{record.place}: {error}")
        letter = Letter(record, "parse", error.code, str(error), attempts=0)
        self._settlement.bury(letter, withhold=True)

    def _note(self, record: Record, *, valid: bool, complaint: str = "") -> None:
        """Replays are left out: that they fail again says nothing about the topic."""
        topic = record.place.partition.topic
        if topic != self._replay_topic:
            self._invalidity.seen(topic, valid=valid, complaint=complaint)
