"""A topic that becomes another one while it is read, on a real Kafka."""

from __future__ import annotations

import logging
from uuid import uuid4

import pytest
from kafka import KafkaAdminClient
from kafka.admin import NewPartitions
from tests.ingest.process.waiting import eventually, next_of

from fourtower_ingest.broker.admin import LogAdmin
from fourtower_ingest.errors import TopicMismatch
from fourtower_ingest.news import Died, Inbox
from fourtower_ingest.settings import TopicSettings
from fourtower_ingest.watching import Watching


@pytest.fixture
def topic(kafka_broker):
    name = f"watched-{uuid4().hex[:8]}"
    with LogAdmin(kafka_broker.settings()) as admin:
        admin.create(name, partitions=1, replication=1, configs={})
    return name


@pytest.fixture
def client(kafka_broker):
    client = KafkaAdminClient(bootstrap_servers=kafka_broker.bootstrap)
    yield client
    client.close()


@pytest.fixture
def watch(kafka_broker, topic):
    started = []

    def watching(**changes):
        kafka, inbox = kafka_broker.settings(), Inbox()
        with LogAdmin(kafka) as admin:
            facts = admin.topic(topic)
        one = Watching(kafka, TopicSettings(updates=topic, **changes), facts, inbox, every_s=0.1)
        started.append(one)
        one.start()
        return inbox

    yield watching
    for one in started:
        one.close(10)


def test_a_topic_created_anew_ends_the_process(watch, client, topic, kafka_broker):
    inbox = watch()
    client.delete_topics([topic])

    def created() -> bool:
        with LogAdmin(kafka_broker.settings()) as admin:
            if admin.topic(topic) is None:
                admin.create(topic, partitions=1, replication=1, configs={})
                return True
        return False

    eventually(created, "it is there again")
    error = next_of(inbox, Died).error
    assert isinstance(error, TopicMismatch)
    assert "created again" in str(error) or "is gone" in str(error)


def test_a_topic_that_is_gone_ends_the_process(watch, client, topic):
    inbox = watch()
    client.delete_topics([topic])
    assert "is gone" in str(next_of(inbox, Died).error)


@pytest.mark.parametrize("source", ["event", "offset"])
def test_more_partitions_matter_where_versions_are_offsets(watch, client, topic, caplog, source):
    with caplog.at_level(logging.WARNING, logger="fourtower.watching"):
        inbox = watch(version_source=source)
        client.create_partitions({topic: NewPartitions(3)})
        if source == "offset":
            assert "had 1 partitions and has 3" in str(next_of(inbox, Died).error)
        else:
            eventually(lambda: "had 1 partitions and has 3" in caplog.text, "it is said")
            assert inbox.empty()
