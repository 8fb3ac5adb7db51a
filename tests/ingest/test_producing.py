"""Publishing a file: what is checked, what is left out, how fast; the broker is a list here."""

import io
import json
import time
from concurrent.futures import Future

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtower_ingest import producing
from fourtower_ingest.errors import BrokerUnavailable, MessageTooLarge
from fourtower_ingest.log import Partition, Place
from fourtower_ingest.producing import Publisher, readable_key
from fourtower_ingest.records import TopicRules

PATCHES, COMPACTED = TopicRules(), TopicRules(patches=False)


class Log:
    """Takes records, as a topic would; some sizes are too large, some keys never arrive."""

    def __init__(self, *, most=10**9, failing=(), acknowledging=True):
        self.records, self.sent = [], []
        self._most, self._failing, self._acknowledging = most, failing, acknowledging

    def send(self, topic, *, key, value):
        future = Future()
        self.sent.append(future)
        if len(value) > self._most:
            future.set_exception(MessageTooLarge("too large"))
        elif key in self._failing:
            future.set_exception(BrokerUnavailable("gone"))
        else:
            self.records.append((topic, key, value))
            if self._acknowledging:
                future.set_result(Place(Partition(topic, 0), len(self.records) - 1))
        return future


def event(name, version=1, op="upsert", **fields):
    product = {} if op == "delete" else {"product": {"title": "x"}}
    return json.dumps({"op": op, "product_id": name, "version": version, **product, **fields}).encode()


def publish(lines, *, rules=PATCHES, log=None, **options):
    log = log or Log()
    report = Publisher(log, "t", rules=rules, **options).publish(io.BytesIO(b"\n".join(lines)))
    return report, log


def test_each_event_is_published_as_it_is_under_its_products_id():
    lines = [event("a"), event("b", op="delete"), event("é", op="patch")]
    report, log = publish(lines)
    assert log.records == [("t", name.encode(), line) for name, line in zip("abé", lines, strict=True)]
    assert (report.published, report.left_out, report.complaints) == (3, 0, [])


def test_bad_lines_are_left_out_and_reported_with_their_number():
    report, log = publish([event("a"), b"{", b"", event("b", colour="red"), event("c")])
    assert [key for _, key, _ in log.records] == [b"a", b"c"]
    assert [(each.line, each.code) for each in report.complaints] == [(2, "not_json"), (4, "unknown_field")]
    assert str(report.complaints[0]).startswith("line 2: ")
    assert report.to_dict()["left_out"] == {"not_json": 1, "unknown_field": 1}


def test_a_compacted_topic_takes_no_patches():
    report, log = publish([event("a", op="patch"), event("b")], rules=COMPACTED)
    assert [key for _, key, _ in log.records] == [b"b"]
    assert report.codes == {"patch_refused": 1}


def test_where_the_log_decides_an_event_needs_no_version():
    line = b'{"op": "delete", "product_id": "a"}'
    assert publish([line])[0].codes == {"invalid": 1}
    assert publish([line], rules=TopicRules(version_source="offset"))[0].published == 1


def test_unchecked_lines_are_published_whatever_they_are():
    lines = [b"{", b"[]", b"\xff", b'{"product_id": 7}', b'{"product_id": "a", "op": "eat"}', b"[" * 100_000]
    report, log = publish(lines, checked=False)
    assert [value for _, _, value in log.records] == lines
    assert [key for _, key, _ in log.records] == [None, None, None, None, b"a", None]
    assert report.left_out == 0
    _, log = publish(lines, checked=False, rules=COMPACTED)
    assert {key for _, key, _ in log.records} == {b"", b"a"}, "brokers compact no record without a key"


@given(st.binary())
def test_the_key_of_any_line_is_found_or_not(raw):
    assert readable_key(raw) is None or isinstance(readable_key(raw), bytes)


def test_a_record_that_is_too_large_for_the_topic_is_left_out():
    report, log = publish([event("a"), event("b", title="x" * 500), event("c")], log=Log(most=200), checked=False)
    assert (report.published, report.codes) == (2, {"too_large": 1})
    assert report.complaints[0].line == 2
    assert len(log.records) == 2


def test_a_line_of_absurd_length_is_not_read_into_memory(monkeypatch):
    monkeypatch.setattr(producing, "MOST_LINE_BYTES", 1000)
    report, log = publish([b"x" * 5000, event("a")], checked=False)
    assert [key for _, key, _ in log.records] == [b"a"]
    assert [(each.line, each.code) for each in report.complaints] == [(1, "too_large")]


def test_brokers_that_stay_away_end_it_with_the_line():
    with pytest.raises(BrokerUnavailable, match="line 2 and what follows may not have been published: gone"):
        publish([event("a"), event("b"), event("c")], log=Log(failing=[b"b"]))


def test_only_so_many_lines_are_ahead_of_their_acknowledgements(monkeypatch):
    monkeypatch.setattr(producing, "AHEAD", 3)
    monkeypatch.setattr(producing, "WAIT_S", 0.2)
    log = Log(acknowledging=False)
    with pytest.raises(TimeoutError):
        publish([event(f"{n}") for n in range(10)], log=log)
    assert len(log.sent) == 3


def test_a_rate_is_kept():
    start = time.monotonic()
    publish([event(f"{n}") for n in range(21)], rate=50)
    assert 0.38 <= time.monotonic() - start < 10


def test_progress_adds_up_to_the_file():
    lines = [event("a"), b"{", event("b")]
    done = []
    publish(lines, progress=done.append)
    assert sum(done) == sum(len(line) + 1 for line in lines)


def test_only_the_first_complaints_are_kept_and_all_are_counted():
    report, _ = publish([b"{"] * 50)
    assert len(report.complaints) == producing.MOST_COMPLAINTS
    assert report.left_out == 50


def test_line_ends_of_windows_are_no_part_of_a_line():
    _, log = publish([event("a") + b"\r", event("b")])
    assert log.records[0][2] == event("a")
