"""`fourtower dlq` against a real broker: what is listed, shown, sent again and deleted."""

from __future__ import annotations

import json
import time
import uuid

import pytest
from typer.testing import CliRunner

from fourtower_ingest.broker.admin import LogAdmin
from fourtower_ingest.broker.producer import LogProducer
from fourtower_ingest.broker.ranges import read_range
from fourtower_ingest.dead_letters import Letter, letter_headers
from fourtower_ingest.dlq_cli import parse_moment
from fourtower_ingest.log import Record
from fourtower_workers import cli


def body(version, product_id="p1", op="upsert", **product):
    event = {"op": op, "product_id": product_id, "version": version, "product": {"title": "Mug", **product}}
    return json.dumps(event).encode()


class Topics:
    """Topics of one test, and the command line over them."""

    def __init__(self, broker, monkeypatch, *, compacted):
        prefix = f"t{uuid.uuid4().hex[:8]}"
        self.updates, self.dlq, self.replays = prefix, f"{prefix}.dlq", f"{prefix}.replay"
        self.kafka = broker.settings()
        environment = {
            "FOURTOWER_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "FOURTOWER_TOPIC_UPDATES": self.updates,
            "FOURTOWER_TOPIC_DEAD_LETTERS": self.dlq,
            "FOURTOWER_TOPIC_REPLAYS": self.replays,
            "FOURTOWER_TOPIC_COMPACTED": str(compacted).lower(),
            "COLUMNS": "200",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with LogAdmin(self.kafka) as admin:
            for name in (self.updates, self.dlq, self.replays):
                admin.create(name, partitions=2, replication=1, configs={})

    def publish(self, *events, headers=()):
        """Publish to the main topic; the records as they lie there."""
        with LogProducer(self.kafka) as producer:
            sent = [
                (key, value, producer.send(self.updates, key=key, value=value, headers=headers))
                for key, value in events
            ]
            return [Record(place.result(30), key, value, tuple(headers), 77) for key, value, place in sent]

    def bury(self, *records, code="poison", topic=None):
        with LogProducer(self.kafka) as producer:
            for record in records:
                headers = letter_headers(Letter(record, "encode", code, "It \x1b[31mfailed.", 2))
                producer.send(self.dlq, key=record.key, value=record.value, headers=headers).result(30)

    def read(self, topic):
        return sorted(read_range(self.kafka, topic), key=lambda record: (record.timestamp_ms, record.place))

    def __call__(self, *words, code=0):
        done = CliRunner().invoke(cli.app, ["dlq", *words])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return done.stdout

    def json(self, *words):
        return json.loads(self(*words, "--json"))


@pytest.fixture
def compacted(kafka_broker, monkeypatch):
    return Topics(kafka_broker, monkeypatch, compacted=True)


@pytest.fixture
def patched(kafka_broker, monkeypatch):
    return Topics(kafka_broker, monkeypatch, compacted=False)


def test_letters_are_listed_shown_and_counted(compacted):
    topics = compacted
    assert topics("list") == f"No dead letters in {topics.dlq}.\n"
    records = topics.publish((b"p1", body(1)), (b"p2", b"\xff{"), headers=(("trace", b"t1"),))
    topics.bury(records[0])
    topics.bury(records[1], code="not_json")
    table = topics("list")
    assert f"2 dead letters in {topics.dlq}: 1 poison, 1 not_json" in table
    assert "\x1b[31m" not in table
    first, second = topics.json("list")
    assert (first["product"], first["code"], first["stage"], first["attempts"]) == ("p1", "poison", "encode", 2)
    assert first["origin"] == str(records[0].place)
    assert first["message"] == "It  [31mfailed."
    assert not first["replayed"]
    assert [each["product"] for each in topics.json("list", "--code", "not_json")] == ["p2"]
    assert [each["product"] for each in topics.json("list", "--product", "p1")] == ["p1"]
    assert topics.json("list", "--until", "1h") == []
    assert len(topics.json("list", "--since", "1h")) == 2
    assert "that match" in topics("list", "--code", "other")

    shown = topics("show", first["letter"])
    assert '"title": "Mug"' in shown
    assert "trace=t1" in shown
    assert topics("show", first["letter"], "--event").encode() == body(1)
    full = topics.json("show", second["letter"])
    assert (full["key"], full["event_base64"]) == ("p2", "/3s=")
    assert full["headers"] == [{"name": "trace", "value": "t1"}]


def test_a_letter_that_is_not_there_is_a_wrong_call(compacted):
    assert CliRunner().invoke(cli.app, ["dlq", "show", "0@5"]).exit_code == 2
    assert CliRunner().invoke(cli.app, ["dlq", "show", "first"]).exit_code == 2


def test_letters_of_a_compacted_topic_are_replayed_once_and_only_if_it_helps(compacted):
    topics = compacted
    superseded, _ = topics.publish((b"p1", body(1)), (b"p1", body(2)))
    broken, lonely = topics.publish((b"p2", b"{]"), (b"p3", body(4, "p3")), headers=(("trace", b"t1"),))
    topics.bury(superseded, broken, lonely)

    dry = topics("replay", "--dry-run")
    assert "superseded" in dry
    assert "1 would be sent" in dry
    assert topics.read(topics.replays) == []
    said = topics("replay")
    assert said.startswith(
        f"1 sent to {topics.replays}; 1 superseded by a newer event; 1 would be refused again.\nNot sent, for example:"
    )
    (sent,) = topics.read(topics.replays)
    assert (sent.key, sent.value) == (b"p3", body(4, "p3"))
    assert sent.headers == (("trace", b"t1"), ("x-replay-of", str(lonely.place).encode()))
    assert [each["replayed"] for each in topics.json("list", "--product", "p3")] == [True]
    assert len(topics.json("list")) == 3

    assert topics("replay", "--product", "p3") == f"0 sent to {topics.replays}; 1 replayed before.\n"
    assert len(topics.read(topics.replays)) == 1
    result = topics.json("replay", "--product", "p3", "--again")
    assert (result["sent"], result["letters"][0]["verdict"]) == (1, "send")
    assert len(topics.read(topics.replays)) == 2


def test_the_order_goes_along_where_versions_are_offsets(compacted, monkeypatch):
    monkeypatch.setenv("FOURTOWER_TOPIC_VERSION_SOURCE", "offset")
    topics = compacted
    first, second = topics.publish((b"p1", body(9)), (b"p1", body(3)))
    topics.bury(first, second)
    assert topics.json("replay")["sent"] == 2
    orders = [dict(record.headers)["x-order"] for record in topics.read(topics.replays)]
    assert orders == [str(first.place.offset).encode(), str(second.place.offset).encode()]


def test_patches_go_back_to_their_own_topic_and_partition_in_their_order(patched):
    topics = patched
    changes = [(b"p1", body(version, op="patch")) for version in range(2, 8)]
    records = topics.publish(*changes)
    topics.bury(*reversed(records), code="no_base")
    assert topics.json("replay", "--code", "no_base")["sent"] == 6
    lying = topics.read(topics.updates)
    assert [record.value for record in lying] == 2 * [value for _, value in changes]
    assert len({record.place.partition for record in lying}) == 1
    assert topics.read(topics.replays) == []


def test_a_replayed_letter_that_dies_again_can_be_replayed_again(compacted):
    topics = compacted
    (record,) = topics.publish((b"p1", body(1)))
    topics.bury(record)
    topics("replay")
    (replayed,) = topics.read(topics.replays)
    topics.bury(replayed)
    assert [each["replayed"] for each in topics.json("list")] == [True, False]
    assert topics.json("replay")["sent"] == 1
    origins = [dict(each.headers)["x-replay-of"] for each in topics.read(topics.replays)]
    assert origins == [str(record.place).encode()] * 2


def test_a_stranger_s_records_among_the_letters_stop_nothing(compacted):
    topics = compacted
    (record,) = topics.publish((b"p1", body(1)))
    with LogProducer(topics.kafka) as producer:
        strange = ((None, None, ()), (b"\xff", b"\x00", (("x-dlq-offset", b"\xff"),)), (b"k", None, (("x", None),)))
        for key, value, headers in strange:
            producer.send(topics.dlq, key=key, value=value, headers=headers).result(30)
    topics.bury(record)
    assert len(topics.json("list")) == 4
    assert [each["verdict"] for each in topics.json("replay")["letters"]].count("send") == 1
    assert "4 dead letters" in topics("list")
    for letter in topics.json("list"):
        assert topics("show", letter["letter"])


def test_purging_deletes_all_letters_or_those_before_a_time(compacted):
    topics = compacted
    records = topics.publish((b"p1", body(1)), (b"p2", body(1, "p2")))
    with LogProducer(topics.kafka) as producer:
        day_ago = int(time.time() * 1000) - 86_400_000
        for record, when in zip(records, (day_ago, None), strict=True):
            headers = letter_headers(Letter(record, "encode", "poison", "It failed."))
            sent = producer.send(topics.dlq, key=b"", value=record.value, headers=headers, timestamp_ms=when)
            sent.result(30)
    assert CliRunner().invoke(cli.app, ["dlq", "purge"]).exit_code == 2
    assert CliRunner().invoke(cli.app, ["dlq", "purge", "--all"], input="n\n").exit_code == 1
    assert len(topics.json("list")) == 2
    assert topics("purge", "--until", "1h", "--yes") == f"1 dead letters deleted from {topics.dlq}.\n"
    assert [each["origin"] for each in topics.json("list")] == [str(records[1].place)]
    assert topics.json("purge", "--all", "--yes") == {"deleted": 1}
    assert topics.json("list") == []


def test_a_missing_topic_is_one_sentence(compacted, monkeypatch):
    from fourtower_ingest.errors import TopicMismatch

    monkeypatch.setenv("FOURTOWER_TOPIC_DEAD_LETTERS", "no-such-topic")
    with pytest.raises(TopicMismatch, match="no-such-topic"):
        compacted("list")


def test_times_are_relative_or_dates():
    now = time.time() * 1000
    assert parse_moment("2h") == pytest.approx(now - 7_200_000, abs=5_000)
    assert parse_moment("2026-11-21") == 1795219200000
    assert parse_moment("2026-11-21T01:00:00+01:00") == 1795219200000
    with pytest.raises(Exception, match="no time"):
        parse_moment("yesterday")
