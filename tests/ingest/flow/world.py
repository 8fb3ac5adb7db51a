"""Ingesters around real flows, in a simulated world: Kafka, Redis, workers, and every fault that they must survive."""

from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from tests.ingest.flow import oracle
from tests.ingest.flow.catalog import PARTITIONS, REPLAYS, RULES
from tests.ingest.flow.workers import Workers

from fourtower_ingest.flow.flow import Flow
from fourtower_ingest.parsing import parse_event
from fourtower_ingest.settings import FlowSettings
from fourtower_ingest.wire import Done, Lost, Started, Topology, Written

SETTINGS = FlowSettings(
    batch=4,
    linger_ms=100,
    batches_in_flight=3,
    most_items=45,
    start_deadline_s=20,
    verify_deadline_s=5,
    visibility_timeout_s=30,
    retry_after_s=0.5,
    patch_base_timeout_s=5000,
    most_age_s=100_000,
    breaker_pause_s=0.5,
    invalid_window=10_000,
    settled_products=4,
)


class Faults(NamedTuple):
    """How often what goes wrong."""

    crash: float = 0.03
    silent: float = 0.3
    """Of crashes: those that nobody reports."""
    vanishing: float = 0.03
    twice: float = 0.05
    incomplete: float = 0.03
    garbled: float = 0.02
    publishing: float = 0.05
    burying: float = 0.2
    committing: float = 0.2
    rebalance: float = 0.02
    wipe: float = 0.01
    ill: float = 0.01
    restart: float = 0.005


USUAL = Faults()
NONE = Faults(*[0.0] * len(Faults._fields))


@dataclass
class Member:
    """An ingester process."""

    name: str
    flow: Flow
    positions: dict = field(default_factory=dict)
    letters: list = field(default_factory=list)
    wiped: bool = False
    sent: dict = field(default_factory=dict)
    """Attempts that were not answered: their products, and until when the flow must wait for them."""


class World:
    """Two ingesters share the partitions; `run` lets things happen, `settle` lets them come to an end."""

    def __init__(self, rng, logs, faults=USUAL, settings=SETTINGS):
        self.rng, self.logs, self.faults, self.settings = rng, logs, faults, settings
        self.now = 0.0
        self.workers = Workers(rng, faults)
        self.committed = dict.fromkeys(PARTITIONS, 0)
        self.graveyard = {}
        self.ids = count()
        self.members = [self._member(), self._member()]
        for number, partition in enumerate(PARTITIONS):
            self._assign(self.members[number % 2], partition)

    def run(self, steps):
        for _ in range(steps):
            self._pass(self.rng.choice([0.0, 0.05, 0.3]))
            self._misfortune()
            self._anything(self.rng.choice(self.members))

    def strike(self, seconds):
        """No worker takes anything up, for long; what they had is finished first."""
        self.workers.striking = True
        for _ in range(int(seconds / 3)):
            for _ in range(10):
                self.workers.step(self.now)
            self._pass(3.0)
            for member in self.members:
                self._publish(member)
                self._hear(member, everything=True)
        self.workers.striking = False

    def settle(self):
        """No more faults: everything comes to an end."""
        self.faults = self.workers.faults = NONE
        for _ in range(3000):
            before = self._progress()
            for member in self.members:
                self._round(member)
            for _ in range(6):
                self.workers.step(self.now)
            if all(member.flow.idle() and self._read_all(member) for member in self.members):
                break
            quiet = before == self._progress() and not self.workers.runs and not self.workers.queue
            self._pass(7.0 if quiet else 0.2)
        for member in self.members:
            self._commit(member)

    # Single steps

    def _round(self, member):
        for partition in member.positions:
            self._deliver(member, partition, 4)
        self._publish(member)
        self._hear(member, everything=True)
        self._bury(member)
        self._commit(member)

    def _anything(self, member):
        does = self.rng.choice("dddpppwwwwwwwhhhblc")
        if does == "d" and member.positions:
            self._deliver(member, self.rng.choice(sorted(member.positions)), self.rng.randint(1, 5))
        elif does == "p":
            self._publish(member)
        elif does == "w":
            self.workers.step(self.now)
        elif does in "hl":
            self._hear(member, everything=does == "l")
        elif does == "b":
            self._bury(member)
        elif does == "c":
            self._commit(member)

    def _misfortune(self):
        if self.rng.random() < self.faults.rebalance:
            partition = self.rng.choice(PARTITIONS)
            owner = self._owner(partition)
            self._take_away(owner, partition)
            self._assign(self.rng.choice(self.members), partition)
        if self.rng.random() < self.faults.restart:
            self._restart(self.rng.choice(self.members))
        if self.rng.random() < self.faults.wipe:
            self.workers.wipe()
            for member in self.members:
                member.wiped = True
        if self.rng.random() < self.faults.ill:
            self.workers.ill_until = self.now + 3

    def _pass(self, seconds):
        self.now += seconds
        for member in self.members:
            member.flow.tick(self.now)

    def _deliver(self, member, partition, most):
        if member.flow.pausing():
            return
        records = [record for record in self.logs[partition] if record.place.offset >= member.positions[partition]]
        member.flow.deliver(records[:most], self.now)
        if records:
            member.positions[partition] = records[:most][-1].place.offset + 1

    def _publish(self, member):
        while (batch := member.flow.take_batch(self.now)) is not None:
            products = {parse_event(document.encode()).product_id for document in batch.events}
            self._check_one_in_flight(member, products)
            member.sent[batch.attempt] = (products, float("inf"))
            fails = self.rng.random() < self.faults.publishing
            if not fails or self.rng.random() < 0.5:
                self.workers.queue.append(batch)
            if fails:
                self.workers.unsound.add(batch.attempt)
                member.flow.publish_failed(batch.attempt, "no answer", self.now)
            else:
                member.flow.published(batch.attempt, self.now)

    def _hear(self, member, *, everything):
        queued, unacked = len(self.workers.queue), len(self.workers.runs)
        if member.wiped:
            self.workers.unsound |= set(member.sent)
            member.flow.forgotten(self.now)
            member.wiped = False
        stream = self.workers.streams[member.name]
        for _ in range(len(stream) if everything else self.rng.randint(0, len(stream))):
            message = stream.pop(0)
            self._note(member, message)
            member.flow.heard(message, self.now)
        if everything:
            member.flow.queue_seen(queued=queued, unacked=unacked, now=self.now)
        elif not stream:
            member.flow.listened(self.now)

    def _bury(self, member):
        member.letters += member.flow.take_letters()
        for letter in list(member.letters):
            if self.rng.random() >= self.faults.burying:
                member.letters.remove(letter)
                self.graveyard[letter.record.place] = letter
                member.flow.buried(letter.record.place, self.now)

    def _commit(self, member):
        offsets = member.flow.committable(member.positions)
        if self.rng.random() >= self.faults.committing:
            self._committed(offsets)
            member.flow.committed(offsets)

    def _committed(self, offsets):
        for partition, offset in offsets.items():
            done = [r for r in self.logs[partition] if self.committed[partition] <= r.place.offset < offset]
            for record in done:
                oracle.check_done(record, self.workers.index, self.graveyard)
            self.committed[partition] = max(self.committed[partition], offset)

    # Membership

    def _member(self):
        number = next(self.ids)
        attempts = count()
        flow = Flow(
            self.settings,
            RULES,
            topology=Topology(),
            stream=f"s{number}",
            replay_topic=REPLAYS,
            new_id=lambda: f"{number}-{next(attempts)}",
        )
        self.workers.streams[f"s{number}"] = []
        return Member(f"s{number}", flow)

    def _owner(self, partition):
        return next(member for member in self.members if partition in member.positions)

    def _assign(self, member, partition):
        member.positions[partition] = self.committed[partition]
        member.flow.assigned([partition], self.now)

    def _take_away(self, member, partition):
        self.workers.unsound |= set(member.sent)
        if self.rng.random() < 0.3:
            member.flow.lost([partition])
        else:
            self._committed(member.flow.revoked([partition]))
        del member.positions[partition]

    def _restart(self, member):
        """The process is killed; another one takes its place, and what it sent runs on."""
        del self.workers.streams[member.name]
        new = self._member()
        self.members[self.members.index(member)] = new
        for partition in member.positions:
            self._assign(new, partition)

    # Checks

    def _check_one_in_flight(self, member, products):
        for attempt, (others, until) in member.sent.items():
            both = products & others
            sound = attempt not in self.workers.unsound and self.now <= until
            assert not (both and sound), f"{both} are sent again while {attempt} is under way"

    def _note(self, member, message):
        products, until = member.sent.get(message.attempt, ((), 0.0))
        if isinstance(message, Done | Lost):
            member.sent.pop(message.attempt, None)
        elif isinstance(message, Started | Written) and products:
            wait = self.settings.start_deadline_s if isinstance(message, Started) else self.settings.verify_deadline_s
            member.sent[message.attempt] = (products, min(until, self.now + wait))

    def _read_all(self, member):
        ends = {partition: records[-1].place.offset + 1 for partition, records in self.logs.items()}
        return all(position >= ends[partition] for partition, position in member.positions.items())

    def _progress(self):
        figures = [(m.flow.stats(self.now).finished, dict(m.positions), m.letters) for m in self.members]
        return repr((figures, len(self.workers.queue), self.workers.index))
