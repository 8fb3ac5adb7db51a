"""Sends dead letters again: decides which are worth it, publishes them as they were, and remembers it.

A letter is left out if it was replayed before, if it would break the contract again, or if a newer event of its
product lies in the log. What was replayed is remembered by a marker in the dead-letter topic, next to the letter: it
lives at least as long as the letter, and needs no store of its own. Replaying twice does no harm, for the index
converges; it is only in vain.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from fourtower_ingest.dead_letters import (
    ORIGIN_HEADER,
    DeadLetter,
    Headers,
    Replayed,
    first_place,
    marker_headers,
    read_letter,
)
from fourtower_ingest.errors import MalformedEvent, MessageTooLarge
from fourtower_ingest.events import EventOrder
from fourtower_ingest.log import Partition, Place, Record
from fourtower_ingest.records import ORDER_HEADER, read_record
from fourtower_ingest.settings import TopicSettings

AHEAD = 256
"""Letters that are being sent at once."""
ACK_TIMEOUT_S = 180.0
"""The producer's own limit is shorter; this one only keeps a broken one from holding us for ever."""

Verdict = Literal["send", "replayed", "superseded", "invalid"]


class Sender(Protocol):
    """What publishes; the broker's producer does."""

    def send(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> Future[Place]:
        """Publish a record; the future ends when the broker has acknowledged it."""


@dataclass(frozen=True)
class Selection:
    """Which letters somebody is interested in; empty fields mean all."""

    codes: frozenset[str] = frozenset()
    products: frozenset[str] = frozenset()
    since_ms: int | None = None
    until_ms: int | None = None

    def takes(self, letter: DeadLetter) -> bool:
        """Whether a letter is among them; times are those of the death."""
        return (
            (not self.codes or letter.code in self.codes)
            and (not self.products or product_of(letter.record) in self.products)
            and (self.since_ms is None or letter.died_ms >= self.since_ms)
            and (self.until_ms is None or letter.died_ms < self.until_ms)
        )


@dataclass
class Box:
    """What lies in the topic of dead letters."""

    letters: list[DeadLetter] = field(default_factory=list)
    replayed: set[Place] = field(default_factory=set)
    """Letters, by their own place, that were sent again."""

    @property
    def origins(self) -> frozenset[Place]:
        """The records that are set aside, by their place in the log."""
        return frozenset(letter.origin for letter in self.letters if letter.origin is not None)


class Planned(NamedTuple):
    """A letter, and what is to be done with it."""

    letter: DeadLetter
    verdict: Verdict
    reason: str = ""


def product_of(record: Record) -> str:
    """The product that a record's key names."""
    return (record.key or b"").decode("utf-8", "replace")


def read_box(records: Iterable[Record]) -> Box:
    """Sort the dead-letter topic's records into letters and markers."""
    box = Box()
    for record in records:
        read = read_letter(record)
        if isinstance(read, Replayed):
            box.replayed.add(read.letter)
        else:
            box.letters.append(read)
    return box


def newest_orders(
    records: Iterable[Record], keys: Collection[bytes], *, set_aside: Collection[Place], topics: TopicSettings
) -> dict[bytes, EventOrder]:
    """The newest event of each product in the log, in one pass over it; broken and set-aside records don't count."""
    newest: dict[bytes, EventOrder] = {}
    for record in records:
        if record.key is None or record.key not in keys or record.place in set_aside:
            continue
        try:
            order = _order(record, topics)
        except MalformedEvent:
            continue
        if order is not None and (record.key not in newest or order > newest[record.key]):
            newest[record.key] = order
    return newest


def plan(
    letters: Iterable[DeadLetter],
    newest: Mapping[bytes, EventOrder],
    *,
    replayed: Collection[Place],
    topics: TopicSettings,
    again: bool = False,
) -> list[Planned]:
    """Decide about each letter; in the order in which the records first lay in the log, for patches need it."""
    known = () if again else replayed
    return [_planned(letter, newest, known, topics) for letter in sorted(letters, key=_first)]


def target(topics: TopicSettings) -> str:
    """Where letters are sent: a compacted topic would forget a newer event for an older one that comes later.

    A patch must go back to its own topic, whose owner sees it in order.
    """
    return topics.replays if topics.compacted else topics.updates


def replay_headers(letter: DeadLetter, topics: TopicSettings) -> Headers:
    """The record's own headers, where it first lay, and its order where that is what versions are made of."""
    headers = letter.record.headers
    names = {name for name, _ in headers}
    first = first_place(letter)
    if first is not None and ORIGIN_HEADER not in names:
        headers = (*headers, (ORIGIN_HEADER, str(first).encode()))
    if topics.version_source == "offset" and ORDER_HEADER not in names and letter.origin is not None:
        headers = (*headers, (ORDER_HEADER, str(letter.origin.offset).encode()))
    return headers


def send(
    letters: Sequence[DeadLetter],
    sender: Sender,
    topics: TopicSettings,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> Counter[str]:
    """Publish letters and mark each one as replayed once the broker has it; how many were `sent` or `too_large`.

    Raises:
        BrokerUnavailable: what was not sent yet can be replayed another time.
    """
    outcomes: Counter[str] = Counter()
    marks: deque[Future[Place]] = deque()
    for letter, sent in _sent_ahead(letters, sender, topics):
        try:
            sent.result(timeout=ACK_TIMEOUT_S)
        except MessageTooLarge:
            outcomes["too_large"] += 1
        else:
            outcomes["sent"] += 1
            marks.append(_mark(letter, sender))
        progress(1)
    for mark in marks:
        mark.result(timeout=ACK_TIMEOUT_S)
    return outcomes


def cut(records: Iterable[Record], until_ms: int | None) -> tuple[int, dict[Partition, int]]:
    """How many letters lie before a time (None: all), and the offsets before which to delete, by partition.

    A partition is cut before the first record that is not older, for nothing behind it can be deleted without it.
    """
    offsets: dict[Partition, int] = {}
    closed: set[Partition] = set()
    count = 0
    for record in records:
        partition, offset = record.place
        if partition in closed or (until_ms is not None and record.timestamp_ms >= until_ms):
            closed.add(partition)
            continue
        offsets[partition] = offset + 1
        count += isinstance(read_letter(record), DeadLetter)
    return count, offsets


def _sent_ahead(
    letters: Sequence[DeadLetter], sender: Sender, topics: TopicSettings
) -> Iterator[tuple[DeadLetter, Future[Place]]]:
    waiting: deque[tuple[DeadLetter, Future[Place]]] = deque()
    for letter in letters:
        waiting.append((letter, _send(letter, sender, topics)))
        if len(waiting) >= AHEAD:
            yield waiting.popleft()
    yield from waiting


def _send(letter: DeadLetter, sender: Sender, topics: TopicSettings) -> Future[Place]:
    topic, record = target(topics), letter.record
    # Back to the partition where the product's other events are, however its producer chose it.
    home = letter.origin.partition if letter.origin is not None else None
    partition = home.number if home is not None and home.topic == topic else None
    headers = replay_headers(letter, topics)
    return sender.send(topic, key=record.key, value=record.value, headers=headers, partition=partition)


def _mark(letter: DeadLetter, sender: Sender) -> Future[Place]:
    topic, number = letter.place.partition
    return sender.send(topic, key=None, value=None, headers=marker_headers(letter.place), partition=number)


def _planned(
    letter: DeadLetter, newest: Mapping[bytes, EventOrder], replayed: Collection[Place], topics: TopicSettings
) -> Planned:
    if letter.place in replayed:
        return Planned(letter, "replayed", "It was replayed before; --again sends it once more.")
    if letter.cut_from:
        return Planned(letter, "invalid", f"Only its beginning was kept: it had {letter.cut_from:,} bytes.")
    try:
        order = _order(letter.record, topics)
    except MalformedEvent as error:
        return Planned(letter, "invalid", f"It would be refused again: {error}")
    if order is None:
        return Planned(letter, "invalid", "A null value means nothing in this topic.")
    latest = newest.get(letter.record.key or b"")
    if latest is not None and latest > order:
        return Planned(letter, "superseded", f"The log holds version {latest.version} of the product.")
    return Planned(letter, "send")


def _order(record: Record, topics: TopicSettings) -> EventOrder | None:
    place = record.place
    offset = place.offset if place.partition.topic == topics.updates else None
    event = read_record(record.value, key=record.key, headers=record.headers, offset=offset, rules=topics.rules)
    return event.order if event is not None else None


def _first(letter: DeadLetter) -> tuple[str, int, int, Place]:
    first = first_place(letter) or letter.place
    return (*first.partition, first.offset, letter.place)
