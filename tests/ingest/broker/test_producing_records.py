"""The producer against a real broker: what is written, where, and what can't be."""

import subprocess

import pytest

from fourtower_ingest.broker.producer import LogProducer
from fourtower_ingest.broker.ranges import read_range
from fourtower_ingest.errors import BrokerRefused, BrokerUnavailable, MessageTooLarge
from fourtower_ingest.log import Partition, Place

ODD = [
    (b"k", b"v", ()),
    (b"k", None, ()),
    (None, b"v", ()),
    (None, None, ()),
    (b"", b"", ()),
    (b"k", b"\x00\xff", (("a", b"1"), ("a", b"2"), ("", b""), ("null", None), ("sign\u00e9", b"\xff"))),
]


@pytest.fixture
def producer(kafka):
    with LogProducer(kafka) as made:
        yield made


def test_every_record_is_read_as_it_was_written(kafka, producer, new_topic):
    topic = new_topic()
    sent = [producer.send(topic, key=key, value=value, headers=headers, timestamp_ms=5) for key, value, headers in ODD]
    places = [future.result(10) for future in sent]
    assert places == [Place(Partition(topic, 0), offset) for offset in range(len(ODD))]
    found = list(read_range(kafka, topic))
    assert [(record.key, record.value, record.headers) for record in found] == ODD
    assert [record.place for record in found] == places
    assert {record.timestamp_ms for record in found} == {5}


def test_odd_records_between_many_others_keep_their_order(kafka, producer, new_topic):
    topic = new_topic()
    records = [(b"%d" % n, b"x" * (n % 700), (("n", None if n % 3 else b"n"),)) for n in range(3000)]
    for key, value, headers in records:
        producer.send(topic, key=key, value=value, headers=headers)
    producer.flush(20)
    found = [(record.key, record.value, record.headers) for record in read_range(kafka, topic)]
    assert found == records


def test_a_partition_can_be_named(producer, new_topic):
    topic = new_topic(partitions=3)
    assert producer.send(topic, key=b"k", value=b"v", partition=2).result(10) == Place(Partition(topic, 2), 0)
    with pytest.raises(BrokerRefused, match="no partition 3"):
        producer.send(topic, key=b"k", value=b"v", partition=3).result(10)


def test_kcat_puts_a_product_into_the_same_partition(kafka_broker, producer, new_topic):
    topic = new_topic(partitions=7)
    keys = [f"product-{n}" for n in range(60)] + ["schl\u00fcssel", "a", "\u00e9" * 90]
    ours = {key: producer.send(topic, key=key.encode(), value=b"ours").result(10).partition.number for key in keys}
    lines = "".join(f"{key}\ttheirs\n" for key in keys)
    kcat = ["kcat", "-b", kafka_broker.bootstrap, "-t", topic]
    partitioner = ["-X", "topic.partitioner=murmur2_random"]
    subprocess.run([*kcat, "-P", "-K", "\t", *partitioner], input=lines, text=True, check=True, timeout=60)
    shown = subprocess.run(
        [*kcat, "-C", "-e", "-q", "-f", "%k\t%p\t%s\n"], capture_output=True, text=True, check=True, timeout=60
    )
    rows = [line.split("\t") for line in shown.stdout.splitlines()]
    theirs = {key: int(partition) for key, partition, value in rows if value == "theirs"}
    assert theirs == ours
    assert len(set(ours.values())) == 7


def test_a_record_beyond_the_topics_limit_is_refused_and_the_others_are_not(kafka, producer, new_topic):
    topic = new_topic(max_message_bytes=10_000)
    sent = [producer.send(topic, key=b"k", value=b"x" * size) for size in (100, 20_000, 200)]
    assert sent[0].result(20)
    with pytest.raises(MessageTooLarge, match=r"max\.message\.bytes"):
        sent[1].result(20)
    assert sent[2].result(20)
    assert [len(record.value) for record in read_range(kafka, topic)] == [100, 200]


def test_a_refused_record_does_not_end_the_producer(kafka, producer, new_topic):
    """A compacted topic takes no record without a key; other topics, and later records, go on."""
    compacted, plain = new_topic(cleanup_policy="compact"), new_topic()
    with pytest.raises(BrokerRefused, match="writing to"):
        producer.send(compacted, key=None, value=b"v").result(20)
    for topic in (compacted, plain, compacted):
        assert producer.send(topic, key=b"k", value=b"v").result(20)
    assert len(list(read_range(kafka, compacted))) == 2


def test_a_record_that_no_broker_would_take_is_refused_at_once(producer, new_topic):
    with pytest.raises(MessageTooLarge, match="can be sent at all"):
        producer.send(new_topic(), key=b"k", value=bytes(65 * 2**20)).result(0)


def test_an_unknown_topic_holds_its_caller_up_for_a_bounded_time(kafka):
    with (
        LogProducer(kafka, block_s=0.3) as producer,
        pytest.raises(BrokerUnavailable, match="writing to no-such-topic"),
    ):
        producer.send("no-such-topic", key=b"k", value=b"v").result(0)


@pytest.mark.parametrize("name", ["", "a b", "x" * 300])
def test_a_name_that_no_topic_can_have_is_refused(kafka, name):
    with LogProducer(kafka, block_s=0.3) as producer, pytest.raises(BrokerRefused):
        producer.send(name, key=b"k", value=b"v").result(5)


def test_a_closed_producer_takes_nothing_more(kafka, new_topic):
    topic = new_topic()
    producer = LogProducer(kafka)
    sent = producer.send(topic, key=b"k", value=b"v")
    producer.close()
    assert sent.result(0).offset == 0
    with pytest.raises(BrokerUnavailable, match="closed"):
        producer.send(topic, key=b"k", value=b"v").result(0)
    producer.close()


def test_a_future_can_not_be_called_back(producer, new_topic):
    sent = producer.send(new_topic(), key=b"k", value=b"v")
    assert not sent.cancel()
    assert sent.result(10)


def test_a_callback_that_fails_does_not_stop_the_producer(producer, new_topic, caplog):
    topic = new_topic()
    sent = producer.send(topic, key=b"k", value=b"v")
    sent.add_done_callback(lambda _: 1 / 0)
    assert sent.result(10)
    assert producer.send(topic, key=b"k", value=b"v").result(10)
    producer.flush(5)
