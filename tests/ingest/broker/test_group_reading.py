"""A single member of a group: delivery, positions, pausing, commits, lag."""

import pytest
from tests.ingest.broker.members import publish, until

from fourtower_ingest.broker.consumer import LogConsumer
from fourtower_ingest.errors import TopicMismatch
from fourtower_ingest.log import Partition


@pytest.fixture
def join(kafka, group):
    """Joins a group; every member is closed in the end."""
    joined = []

    def member(topics, **changes):
        quiet = {"on_assigned": lambda _: None, "on_revoked": lambda _: {}, "on_lost": lambda _: None}
        joined.append(LogConsumer.join(kafka, topics, **{"group": group, **quiet, **changes}))
        return joined[-1]

    yield member
    for consumer in joined:
        consumer.close(5)


def read(consumer, count):
    """The next records, as many as that."""
    found = []

    def enough():
        found.extend(consumer.poll(0.1))
        return len(found) >= count

    until(enough, what=f"{count} records")
    return found


def test_a_group_begins_with_the_first_record_and_goes_on_behind_its_commit(kafka, new_topic, join):
    topic = new_topic()
    part = Partition(topic, 0)
    publish(kafka, topic, "abc")
    first = join([topic])
    assert [record.key for record in read(first, 3)] == [b"a", b"b", b"c"]
    first.commit({part: 2}, 10)
    first.close(5)
    assert [record.key for record in read(join([topic]), 1)] == [b"c"]


def test_positions_are_what_is_delivered_next(kafka, new_topic, join):
    topic = new_topic(partitions=2)
    publish(kafka, topic, "abcd", partition=1)
    consumer = join([topic])
    assert [record.place.offset for record in read(consumer, 4)] == [0, 1, 2, 3]
    assert consumer.positions() == {Partition(topic, 0): 0, Partition(topic, 1): 4}


def test_no_more_than_asked_for_is_delivered(kafka, new_topic, join):
    topic = new_topic()
    publish(kafka, topic, map(str, range(100)))
    consumer = join([topic])
    counts = []
    while sum(counts) < 90:
        counts.append(len(consumer.poll(1, most=7)))
    assert max(counts) <= 7


def test_a_paused_partition_is_not_delivered_and_loses_nothing(kafka, new_topic, join):
    topic = new_topic(partitions=2)
    still, moving = Partition(topic, 0), Partition(topic, 1)
    consumer = join([topic])
    until(lambda: consumer.poll(0.1) == [] and len(consumer.positions()) == 2, what="an assignment")
    consumer.pause([still])
    publish(kafka, topic, "ab", partition=0)
    publish(kafka, topic, "cd", partition=1)
    assert [record.key for record in read(consumer, 2)] == [b"c", b"d"]
    assert consumer.poll(0.5) == []
    consumer.resume([still, moving, Partition(topic, 17)])
    assert [record.key for record in read(consumer, 2)] == [b"a", b"b"]


def test_an_acknowledged_commit_is_known_and_nothing_else(kafka, admin, new_topic, join, group):
    topic = new_topic()
    part = Partition(topic, 0)
    publish(kafka, topic, "abc")
    consumer = join([topic])
    read(consumer, 3)
    assert consumer.acknowledged() == {}
    consumer.commit_later({part: 1})
    consumer.commit_later({part: 2})
    consumer.commit_later({})
    until(lambda: consumer.poll(0.05) or consumer.acknowledged() == {part: 2}, what="the acknowledgement")
    assert admin.committed(group) == {part: 2}
    consumer.commit({part: 3}, 10)
    assert consumer.acknowledged() == {part: 3}
    assert consumer.failed_commits == 0


def test_lag_is_known_without_asking(kafka, new_topic, join):
    topic = new_topic(partitions=2)
    publish(kafka, topic, map(str, range(50)), partition=0)
    consumer = join([topic])
    found = []
    while not found:
        found = consumer.poll(1, most=10)
    assert consumer.lag()[Partition(topic, 0)] == 50 - len(found)
    read(consumer, 50 - len(found))
    assert consumer.lag()[Partition(topic, 0)] == 0


def test_a_compacted_hole_moves_the_position(kafka, admin, new_topic, join):
    """What compaction took is never delivered; the position behind it may be committed all the same."""
    topic = new_topic(
        cleanup_policy="compact", min_cleanable_dirty_ratio="0.001", segment_ms=100, max_compaction_lag_ms=100
    )
    part = Partition(topic, 0)
    for _ in range(5):
        publish(kafka, topic, ["a", "b", "c"])
    until(lambda: publish(kafka, topic, ["z"]) and _first(kafka, topic) >= 6, what="compaction", seconds=60)
    consumer = join([topic])
    end = admin.ends([topic])[part]
    delivered = []
    while consumer.positions().get(part) != end:
        delivered += [record.place.offset for record in consumer.poll(0.2)]
    assert len(delivered) < end
    assert delivered == sorted(delivered)


def _first(kafka, topic):
    from fourtower_ingest.broker.ranges import read_range

    return next(read_range(kafka, topic)).place.offset


def test_a_group_reads_several_topics(kafka, new_topic, join):
    topics = [new_topic(), new_topic()]
    for topic in topics:
        publish(kafka, topic, "ab")
    assert {record.place.partition.topic for record in read(join(topics), 4)} == set(topics)


def test_a_missing_topic_is_said_before_joining(new_topic, join):
    with pytest.raises(TopicMismatch, match="no-such-topic; create it: fourtower topics create"):
        join([new_topic(), "no-such-topic"])


def test_a_member_knows_its_topics_before_it_joins(new_topic, join):
    """A client that leads its group and does not know the topic hands out nothing, for minutes."""
    topics = {new_topic(partitions=number): number for number in (1, 2, 3)}
    known = join(list(topics))._consumer._cluster
    assert {topic: len(known.partitions_for_topic(topic) or ()) for topic in topics} == topics


def test_a_callback_that_fails_fails_the_poll_with_its_own_error(new_topic, join):
    def failing(partitions):
        raise ZeroDivisionError(f"{len(partitions)} partitions")

    consumer = join([new_topic()], on_assigned=failing)
    with pytest.raises(ZeroDivisionError, match="1 partitions"):
        until(lambda: consumer.poll(0.1), what="the error")


def test_a_member_that_has_joined_is_stable(new_topic, join):
    consumer = join([new_topic()])
    assert not consumer.stable()
    until(lambda: consumer.poll(0.1) or consumer.stable(), what="a stable group")
