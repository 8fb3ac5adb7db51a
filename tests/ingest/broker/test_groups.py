"""Several members of a group: partitions move with a last commit, static members come back, silent ones lose all."""

import time
from collections import Counter

import pytest
from tests.ingest.broker.members import Member, publish, until

from fourtower_ingest.broker.consumer import LogConsumer
from fourtower_ingest.errors import BrokerRefused
from fourtower_ingest.log import Partition

KEYS = [str(n) for n in range(400)]


def test_partitions_move_to_a_new_member_without_a_record_twice(kafka, new_topic, group):
    topic = new_topic(partitions=4)
    parts = {Partition(topic, number) for number in range(4)}
    publish(kafka, topic, KEYS)
    with Member(kafka, [topic], group) as first:
        until(lambda: len(first.records) == 400, what="the first half")
        assert first.owned == parts
        with Member(kafka, [topic], group) as second:
            until(lambda: len(second.owned) == len(first.owned) == 2, what="a fair share")
            assert first.owned | second.owned == parts
            assert len(first.revoked) == 1, "only what goes is revoked"
            assert len(first.revoked[0]) == 2
            publish(kafka, topic, KEYS)
            until(lambda: len(first.records) + len(second.records) == 800, what="the second half")
            assert Counter(first.places + second.places).most_common(1)[0][1] == 1
        until(lambda: first.owned == parts, what="the partitions of the member that left")
        assert not first.lost
        assert not second.lost


def test_a_member_that_lets_go_commits_what_it_may(kafka, admin, new_topic, group):
    topic = new_topic(partitions=2)
    for number in range(2):
        publish(kafka, topic, "abcde", partition=number)
    with Member(kafka, [topic], group) as first:
        until(lambda: len(first.records) == 10, what="records")
        assert admin.committed(group) == {}
        with Member(kafka, [topic], group) as second:
            until(lambda: second.owned, what="a partition")
            (gone,) = first.revoked[0]
            assert admin.committed(group) == {gone: 5}


def test_without_a_last_commit_the_next_owner_begins_again(kafka, new_topic, group):
    topic = new_topic(partitions=2)
    for number in range(2):
        publish(kafka, topic, "abcde", partition=number)
    with Member(kafka, [topic], group, commits=False) as first:
        until(lambda: len(first.records) == 10, what="records")
        with Member(kafka, [topic], group) as second:
            until(lambda: len(second.records) == 5, what="the records of one partition again")


def test_a_static_member_comes_back_to_its_partitions_and_nobody_notices(kafka, new_topic, group):
    topic = new_topic(partitions=4)
    with Member(kafka, [topic], group, instance="one", session_timeout_s=20) as one:
        two = Member(kafka, [topic], group, instance="two", session_timeout_s=20)
        until(lambda: len(one.owned) == len(two.owned) == 2, what="a fair share")
        had, changes = set(two.owned), len(one.assigned) + len(one.revoked)
        two.stop()
        publish(kafka, topic, KEYS)
        with Member(kafka, [topic], group, instance="two", session_timeout_s=20) as again:
            until(lambda: again.owned, what="the partitions")
            assert again.owned == had
            until(lambda: len(one.records) + len(again.records) == 400, what="all records")
        assert len(one.assigned) + len(one.revoked) == changes


def test_two_processes_can_not_share_a_name(kafka, new_topic, group):
    topic = new_topic()
    quiet = {"on_assigned": lambda _: None, "on_revoked": lambda _: {}, "on_lost": lambda _: None}
    first = LogConsumer.join(kafka, [topic], group=group, instance="one", session_timeout_s=6, **quiet)
    until(lambda: first.poll(0.1) or first.stable(), what="the first member")
    with Member(kafka, [topic], group, instance="one") as second:
        until(lambda: second.owned, what="the partition")
        with pytest.raises(BrokerRefused, match="FOURTOWER_INGESTER_INSTANCE"):
            until(lambda: first.poll(0.1) or first.commit_later({Partition(topic, 0): 1}), what="the error")
    first.close(5)


def test_a_member_that_was_away_too_long_loses_its_partitions_and_joins_again(kafka, new_topic, group):
    topic = new_topic(partitions=2)
    with Member(kafka, [topic], group, session_timeout_s=1.5) as member:
        until(lambda: len(member.owned) == 2, what="the partitions")
        _silence(member, 3)
        until(lambda: member.lost, what="the news")
        assert member.lost == [frozenset({Partition(topic, 0), Partition(topic, 1)})]
        until(lambda: len(member.owned) == 2, what="the partitions again")


def _silence(member, seconds):
    """Keep the client's own thread from sending heartbeats, as a frozen process would."""
    net = member.consumer._consumer._net
    net.call_soon_threadsafe(lambda: time.sleep(seconds))


def test_closing_is_quick_and_leaves_the_group(kafka, new_topic, group):
    topic, patient = new_topic(partitions=2), {"session_timeout_s": 30}
    with Member(kafka, [topic], group, **patient) as first, Member(kafka, [topic], group, **patient) as second:
        until(lambda: len(first.owned) == len(second.owned) == 1, what="a fair share")
        start = time.monotonic()
        second.stop()
        assert time.monotonic() - start < 10
        until(lambda: len(first.owned) == 2, what="all partitions", seconds=10)
