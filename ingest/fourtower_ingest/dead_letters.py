"""The format of dead letters: the record as it was, and headers that say where it lay and why it was set aside.

Whoever else writes to the topic of dead letters can't stop its readers: a header that is missing or garbled is read
as unknown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from fourtower_ingest.log import Partition, Place, Record
from fourtower_ingest.values import INT64

Headers = tuple[tuple[str, bytes | None], ...]

PREFIX = "x-dlq-"
"""Of all headers that belong to a death; those of an earlier one are replaced."""
ORIGIN_HEADER = "x-replay-of"
"""Where a replayed record lay first, as `topic[partition]@offset`; for people, it changes nothing."""
REPLAYED_HEADER = "x-replayed"
"""Marks a record that is no letter: the letter at this offset of its partition was replayed."""
MOST_MESSAGE = 500
"""Characters."""
CUT_VALUE, CUT_KEY = 16_384, 1_024
"""What is left of a record that the topic of dead letters would not take whole, in bytes."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_PLACE = re.compile(r"(.{1,249})\[(\d{1,9})\]@(\d{1,18})")


@dataclass(frozen=True, slots=True)
class Letter:
    """A record that is to be set aside, and why."""

    record: Record
    stage: str
    """Where it failed: parse, or one that a worker reports (see `wire.EventReport`)."""
    code: str
    message: str
    attempts: int = 1
    cut_from: int = 0
    """The record's size in bytes where only its beginning is kept; 0 for a whole one."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter as it was read."""

    place: Place
    """Where the letter itself lies."""
    record: Record
    """As it was before it died: its own headers, and its own place and time as far as they are known."""
    origin: Place | None
    """Where the record lay; None if the letter doesn't say."""
    died_ms: int = 0
    """When it was set aside; 0 if unknown."""
    stage: str = ""
    code: str = ""
    message: str = ""
    attempts: int = 0
    app_version: str = ""
    cut_from: int = 0
    """The record's size in bytes where only its beginning was kept; 0 for a whole one."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """A marker in the dead-letter topic: the letter at this place was sent again."""

    letter: Place


def letter_headers(letter: Letter) -> Headers:
    """The headers under which a record is published as a dead letter; its key and value stay as they are."""
    place = letter.record.place
    context = {
        "topic": place.partition.topic,
        "partition": str(place.partition.number),
        "offset": str(place.offset),
        "timestamp": str(letter.record.timestamp_ms),
        "stage": one_line(letter.stage),
        "code": one_line(letter.code),
        "message": one_line(letter.message),
        "attempts": str(letter.attempts),
        "version": app_version(),
        **({"size": str(letter.cut_from)} if letter.cut_from else {}),
    }
    named = ((PREFIX + name, value.encode("utf-8", "replace")) for name, value in context.items())
    return (*own_headers(letter.record.headers), *named)


def cut(letter: Letter) -> Letter:
    """A letter for a record that is too large to be set aside whole: its beginning, and how large it was.

    A compressed record may be far larger than what a topic takes; it must not stop the others.
    """
    record = letter.record
    key = None if record.key is None else record.key[:CUT_KEY]
    value = None if record.value is None else record.value[:CUT_VALUE]
    return replace(letter, record=replace(record, key=key, value=value, headers=()), cut_from=record.size)


def own_headers(headers: Headers) -> Headers:
    """A record's headers without those of a death."""
    return tuple((name, value) for name, value in headers if not name.startswith(PREFIX))


def marker_headers(letter: Place) -> Headers:
    """The headers of the marker that a letter was replayed; it is published to the letter's own partition."""
    return ((REPLAYED_HEADER, str(letter.offset).encode()),)


def read_letter(record: Record) -> DeadLetter | Replayed:
    """Read a record of the dead-letter topic, whatever it holds."""
    headers = dict(record.headers)  # of several with one name the last, for headers are appended
    marked = _number(headers.get(REPLAYED_HEADER))
    if marked is not None and record.value is None and record.key is None and PREFIX + "topic" not in headers:
        return Replayed(Place(record.place.partition, marked))
    origin = _origin(headers)
    before = replace(
        record,
        place=origin or record.place,
        headers=own_headers(record.headers),
        timestamp_ms=_number(headers.get(PREFIX + "timestamp")) or 0,
    )
    return DeadLetter(
        record.place,
        before,
        origin,
        record.timestamp_ms,
        stage=_text(headers.get(PREFIX + "stage")),
        code=_text(headers.get(PREFIX + "code")),
        message=_text(headers.get(PREFIX + "message")),
        attempts=_number(headers.get(PREFIX + "attempts")) or 0,
        app_version=_text(headers.get(PREFIX + "version")),
        cut_from=_number(headers.get(PREFIX + "size")) or 0,
    )


def first_place(letter: DeadLetter) -> Place | None:
    """Where the record lay before it was ever replayed."""
    named = dict(letter.record.headers).get(ORIGIN_HEADER)
    found = _PLACE.fullmatch(named.decode("utf-8", "replace")) if named else None
    if found is None:
        return letter.origin
    topic, number, offset = found.groups()
    return Place(Partition(topic, int(number)), int(offset))


@cache
def app_version() -> str:
    """The version of Fourtower that is installed."""
    try:
        return version("fourtower")
    except PackageNotFoundError:
        return "unknown"


def one_line(text: str, *, most: int = MOST_MESSAGE) -> str:
    """A text on one line, not too long, with nothing in it that a terminal would obey."""
    return _CONTROLS.sub(" ", text)[:most]


def _origin(headers: dict[str, bytes | None]) -> Place | None:
    topic = _text(headers.get(PREFIX + "topic"))
    number, offset = (_number(headers.get(PREFIX + name)) for name in ("partition", "offset"))
    if not topic or number is None or offset is None:
        return None
    return Place(Partition(topic, number), offset)


def _number(value: bytes | None) -> int | None:
    if value is None or not value.isdigit() or len(value) > 19 or int(value) not in INT64:
        return None
    return int(value)


def _text(value: bytes | None) -> str:
    return one_line((value or b"").decode("utf-8", "replace"))
