"""Dead letters on a real Kafka: acknowledged, retried while it is away, and never lost where it refuses."""

from __future__ import annotations

from functools import partial
from uuid import uuid4

import pytest
from tests.ingest.process.waiting import all_of, next_of

from fourtower_ingest.broker.admin import LogAdmin
from fourtower_ingest.broker.producer import LogProducer
from fourtower_ingest.broker.ranges import read_range
from fourtower_ingest.burying import Burying
from fourtower_ingest.dead_letters import Letter, read_letter
from fourtower_ingest.errors import MessageTooLarge
from fourtower_ingest.log import Partition, Place, Record
from fourtower_ingest.news import Buried, Died, Inbox


def letter(offset: int, value: bytes = b"{") -> Letter:
    place = Place(Partition("catalog", 0), offset)
    return Letter(Record(place, b"p1", value, (("trace", b"7"),), 5), "parse", "not_json", "It is no JSON.", 1)


@pytest.fixture
def topic(kafka_broker):
    name = f"dead-{uuid4().hex[:8]}"
    with LogAdmin(kafka_broker.settings()) as admin:
        admin.create(name, partitions=1, replication=1, configs={"max.message.bytes": "20000"})
    return name


@pytest.fixture
def burying(kafka_broker, topic):
    inbox: Inbox = Inbox()
    connect = partial(LogProducer, kafka_broker.settings(request_timeout_s=2), delivery_s=2.0, block_s=1.0)
    one = Burying(connect, topic=topic, inbox=inbox, pause_s=0.2)
    one.start()
    yield one, inbox
    one.close(10)


def test_a_letter_is_buried_when_it_lies_in_its_topic(burying, kafka_broker, topic):
    one, inbox = burying
    one.send(letter(7))
    assert next_of(inbox, Buried) == Buried(letter(7).record.place, "not_json")
    (record,) = read_range(kafka_broker.settings(), topic)
    read = read_letter(record)
    assert (read.record, read.code, read.stage, read.attempts) == (letter(7).record, "not_json", "parse", 1)


def test_letters_wait_while_kafka_is_away_and_each_is_buried_once(burying, kafka_broker, topic):
    one, inbox = burying
    one.send(letter(0))
    next_of(inbox, Buried)
    kafka_broker.freeze()
    try:
        for offset in (1, 2):
            one.send(letter(offset))
        with pytest.raises(AssertionError, match="no Buried within"):
            next_of(inbox, Buried, within_s=4)  # past the producer's own deadline
    finally:
        kafka_broker.thaw()
    one.send(letter(3))
    buried = {next_of(inbox, Buried).place.offset for _ in range(3)}
    assert buried == {1, 2, 3}
    assert not all_of(inbox)
    lying = [read_letter(record).origin.offset for record in read_range(kafka_broker.settings(), topic)]
    assert set(lying) == {0, 1, 2, 3}


def test_a_producer_is_tried_for_until_kafka_answers(new_kafka_address, kafka_broker, topic):
    inbox: Inbox = Inbox()
    settings = kafka_broker.settings(bootstrap=new_kafka_address, request_timeout_s=0.5)
    answers = iter([settings, settings])
    one = Burying(lambda: LogProducer(next(answers, kafka_broker.settings())), topic=topic, inbox=inbox, pause_s=0.1)
    one.start()
    one.send(letter(1))
    assert next_of(inbox, Buried).place.offset == 1
    assert next(answers, None) is None, "it was tried in vain twice before"
    one.close(10)


def test_of_a_record_that_is_too_large_the_beginning_is_buried(burying, kafka_broker, topic):
    one, inbox = burying
    one.send(letter(7, value=b"x" * 30_000))
    assert next_of(inbox, Buried).place.offset == 7
    (record,) = read_range(kafka_broker.settings(), topic)
    read = read_letter(record)
    assert (read.cut_from, read.record.key, read.code) == (30_003, b"p1", "not_json")
    assert b"x" * len(read.record.value) == read.record.value
    assert 10_000 < len(read.record.value) < 20_000


def test_a_topic_that_takes_not_even_that_ends_the_process_with_the_remedy(burying, kafka_broker, topic):
    one, inbox = burying
    with LogAdmin(kafka_broker.settings()) as admin:
        admin.configure(topic, {"max.message.bytes": "5000"})
    one.send(letter(7, value=b"x" * 30_000))
    error = next_of(inbox, Died).error
    assert isinstance(error, MessageTooLarge)
    assert "max.message.bytes" in str(error)


@pytest.fixture
def new_kafka_address():
    """Where nobody answers."""
    from tests.services.processes import free_port

    return f"127.0.0.1:{free_port()}"
