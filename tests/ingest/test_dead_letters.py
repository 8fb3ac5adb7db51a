"""The format of dead letters: nothing of the record is lost, and nothing that others write stops a reader."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtower_ingest.dead_letters import (
    CUT_KEY,
    CUT_VALUE,
    MOST_MESSAGE,
    ORIGIN_HEADER,
    PREFIX,
    DeadLetter,
    Letter,
    Replayed,
    app_version,
    cut,
    first_place,
    letter_headers,
    marker_headers,
    read_letter,
)
from fourtower_ingest.log import Partition, Place, Record

DLQ = Partition("catalog.updates.dlq", 0)
PLACE = Place(Partition("catalog.updates", 3), 17)

names = st.text(max_size=12) | st.sampled_from([PREFIX + end for end in ("topic", "offset", "code", "x")])
contents = st.none() | st.binary(max_size=30) | st.sampled_from([b"7", b"catalog.updates", b"-1", b"9" * 40])
headers = st.lists(st.tuples(names, contents), max_size=8).map(tuple)
records = st.builds(
    Record,
    st.just(PLACE),
    st.none() | st.binary(max_size=20),
    st.none() | st.binary(max_size=60),
    headers,
    st.integers(0, 2**45),
)


def buried(letter, offset=5, died_ms=99):
    """The dead letter as the broker delivers it."""
    record = letter.record
    return Record(Place(DLQ, offset), record.key, record.value, letter_headers(letter), died_ms)


def test_a_letter_says_what_died_where_and_why():
    record = Record(PLACE, b"p1", b"{]", (("trace", b"t1"),), timestamp_ms=1234)
    read = read_letter(buried(Letter(record, "parse", "not_json", "The event is not JSON.", attempts=2)))
    assert read == DeadLetter(
        place=Place(DLQ, 5),
        record=record,
        origin=PLACE,
        died_ms=99,
        stage="parse",
        code="not_json",
        message="The event is not JSON.",
        attempts=2,
        app_version=app_version(),
    )


@given(records, st.text(max_size=40), st.integers(0, 9))
def test_key_value_and_own_headers_survive_unchanged(record, text, attempts):
    read = read_letter(buried(Letter(record, text, text, text, attempts)))
    assert isinstance(read, DeadLetter)
    own = tuple(header for header in record.headers if not header[0].startswith(PREFIX))
    assert read.record == replace(record, headers=own)
    assert (read.origin, read.attempts) == (PLACE, attempts)


@given(st.none() | st.binary(max_size=20), st.none() | st.binary(max_size=20), headers)
def test_whatever_others_write_can_be_read(key, value, garbled):
    record = Record(Place(DLQ, 8), key, value, garbled, 1)
    read = read_letter(record)
    assert isinstance(read, DeadLetter)
    assert (read.record.key, read.record.value) == (key, value)
    assert read.record.place == (read.origin or record.place)
    assert not any(name.startswith(PREFIX) for name, _ in read.record.headers)


@pytest.mark.parametrize("name", ["topic", "partition", "offset"])
@pytest.mark.parametrize("value", [None, b"", b"x\xff", b"-1", b"1" * 30])
def test_an_origin_with_a_garbled_part_is_unknown(name, value):
    if name == "topic" and value:
        value = b""
    good = letter_headers(Letter(Record(PLACE, b"p1", b"{}"), "parse", "invalid", "no"))
    headers = tuple((each, value if each == PREFIX + name else content) for each, content in good)
    read = read_letter(Record(Place(DLQ, 8), b"p1", b"{}", headers))
    assert read.origin is None
    assert read.record.place == Place(DLQ, 8)
    assert read.code == "invalid"


def test_messages_hold_nothing_that_a_terminal_obeys_and_are_bounded():
    letter = Letter(Record(PLACE, b"p1", b"{}"), "parse", "in\nvalid", "a\x1b[2J\r\nb\u202e" + "é" * 2000)
    written = dict(letter_headers(letter))
    message = written["x-dlq-message"].decode()
    assert message.startswith("a [2J b ")
    assert len(message) == MOST_MESSAGE
    assert written["x-dlq-code"] == b"in valid"


def test_a_lone_surrogate_in_a_message_stops_nothing():
    letter = Letter(Record(PLACE, b"p1", b"{}"), "parse", "invalid", "half \ud800")
    assert dict(letter_headers(letter))["x-dlq-message"] == b"half ?"


def test_a_second_death_replaces_the_first_and_keeps_where_the_record_first_lay():
    second = Place(Partition("catalog.updates.replay", 1), 4)
    own = (("trace", b"t1"), (ORIGIN_HEADER, str(PLACE).encode()), ("x-order", b"17"))
    context = letter_headers(Letter(Record(PLACE, b"p1", b"{}"), "fetch", "old", "old", 3))
    letter = Letter(Record(second, b"p1", b"{}", (*own, *context)), "write", "new", "new", 1)
    read = read_letter(buried(letter))
    assert [name for name, _ in letter_headers(letter)].count("x-dlq-code") == 1
    assert (read.code, read.attempts, read.origin) == ("new", 1, second)
    assert read.record.headers == own
    assert first_place(read) == PLACE


@pytest.mark.parametrize("garbled", [b"", b"nowhere", b"t[x]@1", b"t[1]@", b"\xff[1]@" + b"9" * 30])
def test_a_garbled_first_place_gives_way_to_the_last_one(garbled):
    read = read_letter(buried(Letter(Record(PLACE, b"p1", b"{}", ((ORIGIN_HEADER, garbled),)), "s", "c", "m")))
    assert first_place(read) == PLACE


def test_a_record_that_is_too_large_keeps_its_beginning_and_says_so():
    record = Record(PLACE, b"k" * 5_000, b"v" * 100_000, (("h", b"x" * 90_000),), 7)
    shorter = cut(Letter(record, "parse", "too_big", "It is too big.", 1))
    assert shorter.record.size < 20_000
    assert shorter.record.place == PLACE
    read = read_letter(buried(shorter))
    assert (read.cut_from, read.code, read.origin) == (195_000, "too_big", PLACE)
    assert (read.record.key, read.record.value) == (b"k" * CUT_KEY, b"v" * CUT_VALUE)
    nothing = Record(PLACE, None, None, (("h", b"x" * 90_000),))
    assert read_letter(buried(cut(Letter(nothing, "parse", "no_key", "No key.")))).cut_from == 90_000


def test_a_marker_names_a_letter_of_its_own_partition():
    marker = Record(Place(DLQ, 9), None, None, marker_headers(Place(DLQ, 5)))
    assert read_letter(marker) == Replayed(Place(DLQ, 5))


def test_a_dead_record_that_looks_like_a_marker_is_still_a_letter():
    forged = Record(PLACE, None, None, marker_headers(Place(DLQ, 5)))
    read = read_letter(buried(Letter(forged, "parse", "no_key", "The record has no key.")))
    assert isinstance(read, DeadLetter)
    assert read.code == "no_key"
