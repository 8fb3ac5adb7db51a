"""Which letters are sent again, where to, in which order, under which headers; with a broker see test_dlq_cli."""

from __future__ import annotations

import json
from concurrent.futures import Future

import pytest

from fourtower_ingest.dead_letters import ORIGIN_HEADER, Letter, letter_headers, marker_headers
from fourtower_ingest.errors import MessageTooLarge
from fourtower_ingest.log import Partition, Place, Record
from fourtower_ingest.replaying import Selection, cut, newest_orders, plan, read_box, send
from fourtower_ingest.settings import TopicSettings

COMPACTED = TopicSettings()
PATCHED = TopicSettings(compacted=False)
BY_OFFSET = TopicSettings(version_source="offset")
MAIN = Partition("catalog.updates", 0)
DLQ = Partition("catalog.updates.dlq", 0)


def body(version, product_id="p1", op="upsert"):
    product = {} if op == "delete" else {"product": {"title": "Mug"}}
    return json.dumps({"op": op, "product_id": product_id, "version": version, **product}).encode()


def record(offset, version, product_id="p1", *, partition=MAIN, headers=(), **how):
    return Record(Place(partition, offset), product_id.encode(), body(version, product_id, **how), headers)


def dead(record, offset, *, code="poison", died_ms=1000):
    headers = letter_headers(Letter(record, "encode", code, "It failed."))
    return Record(Place(DLQ, offset), record.key, record.value, headers, died_ms)


def planned(letters, log=(), *, topics=COMPACTED, **how):
    """Offsets of the letters and their verdicts, in the order of the plan."""
    box = read_box(letters)
    keys = {letter.record.key for letter in box.letters}
    newest = newest_orders(log, keys, set_aside=box.origins, topics=topics)
    found = plan(box.letters, newest, replayed=box.replayed, topics=topics, **how)
    return [(each.letter.place.offset, each.verdict) for each in found]


class Recorder:
    """A broker that keeps what it is sent, and refuses what is too large."""

    def __init__(self, most=10_000):
        self.sent, self.most = [], most

    def send(self, topic, *, key, value, headers=(), partition=None):
        future = Future()
        if value is not None and len(value) > self.most:
            future.set_exception(MessageTooLarge("It is too large."))
        else:
            self.sent.append((topic, key, value, headers, partition))
            future.set_result(Place(Partition(topic, partition or 0), len(self.sent)))
        return future


def sent(letters, topics, **how):
    recorder = Recorder(**how)
    outcomes = send([read for read in read_box(letters).letters], recorder, topics)
    return recorder.sent, outcomes


def test_a_letter_without_a_newer_event_is_sent():
    first = record(3, 7)
    assert planned([dead(first, 0)], [first, record(4, 6), record(5, 9, "p2")]) == [(0, "send")]


@pytest.mark.parametrize("newer", [record(4, 8), record(2, 8), record(4, 7, op="delete")])
def test_a_newer_event_of_the_product_supersedes_a_letter(newer):
    first = record(3, 7)
    assert planned([dead(first, 0)], [first, newer]) == [(0, "superseded")]


def test_a_newer_event_that_was_set_aside_itself_supersedes_nothing():
    first, second = record(3, 7), record(4, 8)
    assert planned([dead(first, 0), dead(second, 1)], [first, second]) == [(0, "send"), (1, "send")]


def test_a_newer_event_that_breaks_the_contract_supersedes_nothing():
    first = record(3, 7)
    broken = Record(Place(MAIN, 4), b"p1", body(8).replace(b"title", b"titel"))
    assert planned([dead(first, 0)], [first, broken]) == [(0, "send")]


def test_an_event_replayed_before_supersedes_a_letter_like_any_other():
    first = record(3, 7)
    replayed = record(0, 8, partition=Partition("catalog.updates.replay", 0))
    assert planned([dead(first, 0)], [first, replayed]) == [(0, "superseded")]


def test_what_would_be_refused_again_is_left_out():
    broken = Record(Place(MAIN, 3), b"p1", b"{]")
    assert planned([dead(broken, 0), dead(record(4, 1, op="patch"), 1)]) == [(0, "invalid"), (1, "invalid")]
    assert planned([dead(record(4, 1, op="patch"), 1)], topics=PATCHED) == [(1, "send")]


def test_a_letter_that_holds_only_a_beginning_is_left_out():
    record_of_7 = record(3, 7)
    headers = letter_headers(Letter(record_of_7, "parse", "too_big", "It is too big.", cut_from=9_000_000))
    assert planned([Record(Place(DLQ, 0), record_of_7.key, record_of_7.value, headers)]) == [(0, "invalid")]


def test_a_letter_that_was_replayed_is_sent_again_only_if_asked():
    letters = [dead(record(3, 7), 0), dead(record(4, 1, "p2"), 1)]
    letters.append(Record(Place(DLQ, 2), None, None, marker_headers(Place(DLQ, 0))))
    assert planned(letters) == [(0, "replayed"), (1, "send")]
    assert planned(letters, again=True) == [(0, "send"), (1, "send")]


def test_letters_go_in_the_order_in_which_their_records_first_lay():
    replays = Partition("catalog.updates.replay", 0)
    twice = record(9, 1, partition=replays, headers=((ORIGIN_HEADER, b"catalog.updates[0]@2"),))
    letters = [dead(record(5, 3), 0), dead(record(4, 2), 1), dead(twice, 2)]
    assert planned(letters) == [(2, "send"), (1, "send"), (0, "send")]


def test_versions_that_are_offsets_are_compared_by_first_place():
    replays = Partition("catalog.updates.replay", 0)
    first, second = record(3, 0), record(4, 0)
    assert planned([dead(first, 0)], [first, second], topics=BY_OFFSET) == [(0, "superseded")]
    assert planned([dead(second, 0)], [first, second], topics=BY_OFFSET) == [(0, "send")]
    replayed = record(90, 0, partition=replays, headers=(("x-order", b"2"),))
    assert planned([dead(first, 0)], [first, replayed], topics=BY_OFFSET) == [(0, "send")]


def test_a_letter_of_unknown_place_has_no_version_where_versions_are_offsets():
    lost = Record(Place(DLQ, 0), b"p1", body(1), (("x-dlq-offset", b"garbled"),))
    assert planned([lost], topics=BY_OFFSET) == [(0, "invalid")]
    assert planned([lost]) == [(0, "send")]


def test_a_record_is_sent_as_it_was():
    own = (("trace", b"t1"), ("x-version", b"3"))
    (topic, key, value, headers, partition), marker = sent([dead(record(3, 7, headers=own), 5)], COMPACTED)[0]
    assert (topic, key, value, partition) == ("catalog.updates.replay", b"p1", body(7), None)
    assert headers == (*own, (ORIGIN_HEADER, b"catalog.updates[0]@3"))
    assert marker == ("catalog.updates.dlq", None, None, marker_headers(Place(DLQ, 5)), 0)


def test_the_order_goes_along_where_versions_are_offsets():
    first, *_ = sent([dead(record(3, 7), 5)], BY_OFFSET)[0]
    assert dict(first[3])["x-order"] == b"3"
    replays = Partition("catalog.updates.replay", 0)
    headers = (("x-order", b"3"), (ORIGIN_HEADER, b"catalog.updates[0]@3"))
    again, *_ = sent([dead(record(90, 7, partition=replays, headers=headers), 6)], BY_OFFSET)[0]
    assert again[3] == headers


def test_letters_of_a_topic_of_patches_go_back_to_their_own_partition():
    home = Partition("catalog.updates", 4)
    first, *_ = sent([dead(record(3, 7, op="patch", partition=home), 5)], PATCHED)[0]
    assert (first[0], first[4]) == ("catalog.updates", 4)


def test_a_letter_that_is_too_large_stops_no_other_and_is_not_marked():
    letters = [dead(record(n, 1, f"p{n}" * (50 if n == 1 else 1)), n) for n in range(3)]
    records, outcomes = sent(letters, COMPACTED, most=100)
    assert outcomes == {"sent": 2, "too_large": 1}
    assert [headers for _, key, _, headers, _ in records if key is None] == [
        marker_headers(Place(DLQ, 0)),
        marker_headers(Place(DLQ, 2)),
    ]


def test_many_letters_keep_their_order_and_each_is_counted():
    letters = [dead(record(n, n), n) for n in range(700)]
    recorder, done = Recorder(), []
    assert send(read_box(letters).letters, recorder, COMPACTED, progress=done.append) == {"sent": 700}
    assert len(done) == 700
    assert [value for _, key, value, _, _ in recorder.sent if key] == [body(n) for n in range(700)]


def test_letters_are_selected_by_code_product_and_time():
    letters = read_box(
        [dead(record(n, 1, f"p{n}"), n, code="poison" if n % 2 else "no_base", died_ms=n) for n in range(6)]
    ).letters

    def taken(**how):
        return [letter.place.offset for letter in letters if Selection(**how).takes(letter)]

    assert taken() == [0, 1, 2, 3, 4, 5]
    assert taken(codes=frozenset({"poison"})) == [1, 3, 5]
    assert taken(products=frozenset({"p2", "p3"})) == [2, 3]
    assert taken(since_ms=2, until_ms=4) == [2, 3]
    assert taken(codes=frozenset({"poison"}), products=frozenset({"p2"})) == []


def test_a_partition_is_cut_before_its_first_letter_that_is_not_older():
    other = Partition("catalog.updates.dlq", 1)
    times = [(DLQ, 0, 10), (DLQ, 1, 20), (DLQ, 2, 12), (other, 0, 30)]
    letters = [Record(Place(partition, offset), b"p1", b"{}", (), died) for partition, offset, died in times]
    assert cut(letters, 15) == (1, {DLQ: 1})
    assert cut(letters, None) == (4, {DLQ: 3, other: 1})
    assert cut(letters, 5) == (0, {})
