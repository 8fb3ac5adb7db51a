"""Reading a stretch of a topic without a group: it begins and ends where it should, and knows holes."""

import threading

import pytest
from tests.ingest.broker.members import publish

from fourtower_ingest.broker.producer import LogProducer
from fourtower_ingest.broker.ranges import read_range
from fourtower_ingest.errors import TopicMismatch
from fourtower_ingest.log import Partition, Place


def keys(records):
    return [record.key.decode() for record in records]


def test_an_empty_topic_has_no_records(kafka, new_topic):
    assert list(read_range(kafka, new_topic(partitions=3))) == []


def test_all_records_of_all_partitions_come(kafka, new_topic):
    topic = new_topic(partitions=3)
    places = publish(kafka, topic, map(str, range(500)))
    found = list(read_range(kafka, topic))
    assert sorted(record.place for record in found) == sorted(places)
    for number in range(3):
        offsets = [record.place.offset for record in found if record.place.partition.number == number]
        assert offsets == sorted(offsets)


def test_it_ends_where_the_end_was_when_it_began(kafka, new_topic):
    topic = new_topic()
    publish(kafka, topic, "abc")
    reading = read_range(kafka, topic)
    first = next(reading)
    publish(kafka, topic, "de")
    assert keys([first, *reading]) == ["a", "b", "c"]


def test_first_and_last_offsets_can_be_named(kafka, new_topic):
    topic = new_topic(partitions=2)
    publish(kafka, topic, "abcde", partition=0)
    publish(kafka, topic, "xyz", partition=1)
    part = Partition(topic, 0)
    assert sorted(keys(read_range(kafka, topic, start={part: 1}, end={part: 3}))) == ["b", "c", "x", "y", "z"]
    assert sorted(keys(read_range(kafka, topic, start={part: 99}, end={part: 100}))) == ["x", "y", "z"]
    assert keys(read_range(kafka, topic, end={part: 0, Partition(topic, 1): 1})) == ["x"]


def test_a_time_can_be_named(kafka, new_topic):
    topic = new_topic()
    with LogProducer(kafka) as producer:
        for time_ms in (1000, 2000, 3000):
            producer.send(topic, key=b"%d" % time_ms, value=b"", timestamp_ms=time_ms)
    assert keys(read_range(kafka, topic, since_ms=2000)) == ["2000", "3000"]
    assert keys(read_range(kafka, topic, since_ms=9000)) == []


def test_deleted_records_are_left_out(kafka, admin, new_topic):
    topic = new_topic()
    publish(kafka, topic, "abc")
    admin.delete_before({Partition(topic, 0): 2})
    assert [record.place for record in read_range(kafka, topic, start={Partition(topic, 0): 0})] == [
        Place(Partition(topic, 0), 2)
    ]
    admin.delete_before({Partition(topic, 0): 3})
    assert list(read_range(kafka, topic)) == []


def test_a_missing_topic_is_said(kafka):
    with pytest.raises(TopicMismatch, match="no-such-topic; create it: fourtower topics create"):
        next(read_range(kafka, "no-such-topic"))


def test_a_reader_that_leaves_early_leaves_nothing_behind(kafka, new_topic):
    topic = new_topic()
    publish(kafka, topic, "abc")
    threads = threading.active_count()
    reading = read_range(kafka, topic)
    next(reading)
    reading.close()
    assert threading.active_count() <= threads
