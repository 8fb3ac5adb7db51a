"""Topics and offsets as the brokers tell of them."""

import pytest
from tests.ingest.broker.members import Member, publish, until

from fourtower_ingest.broker.admin import LogAdmin
from fourtower_ingest.errors import BrokerRefused, TopicMismatch
from fourtower_ingest.log import Partition


def test_a_topic_is_what_it_was_created_as(admin):
    admin.create("described", partitions=3, replication=1, configs={"cleanup.policy": "compact", "retention.ms": "9"})
    found = admin.topic("described")
    assert (found.name, found.partitions, found.replication) == ("described", 3, 1)
    assert (found.configs["cleanup.policy"], found.configs["retention.ms"]) == ("compact", "9")
    assert found.configs["max.message.bytes"], "what nobody set is known too"


def test_a_topic_that_does_not_exist_is_none_and_is_not_created(admin):
    assert admin.topics(["no-such-topic"]) == {"no-such-topic": None}
    assert admin.topic("no-such-topic") is None


def test_a_topic_that_was_created_again_has_another_id(admin, new_topic):
    first, second = (admin.topic(new_topic()).topic_id for _ in range(2))
    assert first != second
    assert len(first) == 36


def test_an_existing_topic_is_not_created_again(admin, new_topic):
    with pytest.raises(TopicMismatch, match="already"):
        admin.create(new_topic(), partitions=1, replication=1, configs={})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"replication": 3}, "replication factor of 3"),
        ({"configs": {"no.such.setting": "1"}}, "no.such.setting"),
        ({"configs": {"retention.ms": "soon"}}, "soon"),
    ],
)
def test_what_the_brokers_will_not_create_is_said_in_their_words(admin, changes, words):
    with pytest.raises(BrokerRefused, match=words):
        admin.create("refused", **{"partitions": 1, "replication": 1, "configs": {}} | changes)


def test_a_setting_is_changed_and_the_others_stay(admin, new_topic):
    topic = new_topic(retention_ms=1000, max_message_bytes=2000)
    admin.configure(topic, {"retention.ms": "5000"})
    configs = admin.topic(topic).configs
    assert (configs["retention.ms"], configs["max.message.bytes"]) == ("5000", "2000")
    with pytest.raises(BrokerRefused, match="nonsense"):
        admin.configure(topic, {"cleanup.policy": "nonsense"})


def test_a_group_begins_where_it_is_told_and_is_forgotten(kafka, admin, new_topic):
    topic, group = new_topic(partitions=2), "placed"
    zero, one = Partition(topic, 0), Partition(topic, 1)
    admin.commit(group, {})
    assert admin.committed(group) == {}
    admin.commit(group, {zero: 3, one: 4})
    admin.commit(group, {one: 5})
    assert admin.committed(group) == {zero: 3, one: 5}
    admin.forget(group)
    assert admin.committed(group) == {}
    admin.forget(group)


def test_a_group_that_somebody_reads_as_is_left_alone(kafka, admin, new_topic):
    topic, group = new_topic(), "busy"
    place = Partition(topic, 0)
    with Member(kafka, [topic], group) as member:
        until(lambda: member.owned == {place}, what="its partition")
        for change in (lambda: admin.forget(group), lambda: admin.commit(group, {place: 1})):
            with pytest.raises(BrokerRefused, match="has members in the group busy; end its ingesters"):
                change()
    assert admin.committed(group) == {}


def test_the_members_of_a_group_are_counted(kafka, admin, new_topic, group):
    topics = [new_topic(partitions=2)]
    assert admin.members(group) == 0, "there is no such group"
    with Member(kafka, topics, group, instance="named") as member, Member(kafka, topics, group) as other:
        until(lambda: member.owned and other.owned, what="a partition for each")
        assert admin.members(group) == 2
    until(lambda: admin.members(group) == 0, what="the session of the one that keeps its place when it ends")
    admin.commit(group, {Partition(topics[0], 0): 0})
    assert admin.members(group) == 0, "it has offsets alone"


def test_ends_and_beginnings_move(kafka, admin, new_topic):
    topic = new_topic(partitions=2)
    zero, one = Partition(topic, 0), Partition(topic, 1)
    publish(kafka, topic, "abc", partition=1)
    assert admin.begins([topic]) == {zero: 0, one: 0}
    assert admin.ends([topic]) == {zero: 0, one: 3}
    admin.delete_before({one: 2})
    admin.delete_before({})
    assert admin.begins([topic]) == {zero: 0, one: 2}
    with pytest.raises(TopicMismatch, match="no-such-topic"):
        admin.ends([topic, "no-such-topic"])


def test_a_group_that_never_committed_has_no_offsets(admin, group):
    assert admin.committed(group) == {}


def test_it_answers_again_after_the_broker_has_restarted(new_kafka):
    broker = new_kafka()
    with LogAdmin(broker.settings()) as admin:
        admin.create("kept", partitions=2, replication=1, configs={})
        admin.committed("group")
        broker.stop()
        broker.start()
        assert admin.ends(["kept"]) == {Partition("kept", 0): 0, Partition("kept", 1): 0}
        assert admin.committed("group") == {}
        admin.create("later", partitions=1, replication=1, configs={})
