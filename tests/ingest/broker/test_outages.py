"""Brokers that are gone, frozen or restarting: nothing is held up for long, and everything goes on afterwards."""

import socket
import threading
import time
from contextlib import contextmanager

import pytest
from kafka.consumer.fetcher import Fetcher
from kafka.net.manager import KafkaConnectionManager
from tests.faults.proxy import Proxy
from tests.ingest.broker.members import Member, publish, until
from tests.services.kafka import KafkaBroker, require_kafka

from fourtower_ingest.broker.admin import LogAdmin
from fourtower_ingest.broker.consumer import LogConsumer
from fourtower_ingest.broker.producer import LogProducer
from fourtower_ingest.broker.ranges import read_range
from fourtower_ingest.broker.sending import CarefulTransactions
from fourtower_ingest.errors import BrokerUnavailable
from fourtower_ingest.log import Partition
from fourtower_ingest.settings import KafkaSettings


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    """A broker that these tests may treat badly; each leaves it running."""
    require_kafka()
    made = KafkaBroker(tmp_path_factory.mktemp("outages"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def kafka(broker):
    broker.start()
    return broker.settings(request_timeout_s=5)


@contextmanager
def frozen(broker):
    broker.freeze()
    try:
        yield
    finally:
        broker.thaw()


@contextmanager
def taking_at_most(seconds):
    start = time.monotonic()
    yield
    assert time.monotonic() - start <= seconds


def quiet():
    return {"on_assigned": lambda _: None, "on_revoked": lambda _: {}, "on_lost": lambda _: None}


def reading(kafka, topic, group, count, **changes):
    """A member that has read so many records."""
    consumer = LogConsumer.join(kafka, [topic], group=group, session_timeout_s=30, **quiet(), **changes)
    found = []
    until(lambda: found.extend(consumer.poll(0.1)) or len(found) >= count, what="records")
    return consumer


def polled(consumer, timeout_s):
    """One turn of a loop that goes on whatever the brokers do."""
    try:
        return consumer.poll(timeout_s)
    except BrokerUnavailable:
        return []


def test_a_broker_that_gives_no_id_in_time_is_asked_again(broker, kafka, new_topic, monkeypatch):
    topic, asked, ask = new_topic(), threading.Semaphore(0), CarefulTransactions.next_request_handler

    def freezing_first(self, has_incomplete_batches):
        if (handler := ask(self, has_incomplete_batches)) is not None:
            broker.freeze()
            asked.release()
        return handler

    monkeypatch.setattr(CarefulTransactions, "next_request_handler", freezing_first)
    try:
        with LogProducer(kafka.model_copy(update={"request_timeout_s": 2}), delivery_s=30) as producer:
            assert asked.acquire(timeout=20)
            transactions = producer._client._transaction_manager
            until(lambda: transactions._pending_requests or transactions.has_fatal_error(), what="the wait is over")
            monkeypatch.setattr(CarefulTransactions, "next_request_handler", ask)
            broker.thaw()
            until(lambda: _written(producer, topic), what="a record is written")
    finally:
        broker.thaw()


def _written(producer, topic):
    try:
        return producer.send(topic, key=b"a", value=b"1").result(40).offset >= 0
    except BrokerUnavailable:
        return False


def test_a_consumer_whose_coordinator_is_late_waits_and_does_not_spin(broker, kafka, new_topic, group, monkeypatch):
    topic = new_topic()
    publish(kafka, topic, "abc")
    consumer = reading(kafka, topic, group, 3)
    looks, look = [], Fetcher.fetch_records
    monkeypatch.setattr(Fetcher, "fetch_records", lambda *way, **how: looks.append(1) or look(*way, **how))
    with frozen(broker):
        end = time.monotonic() + 8  # heartbeats come every three seconds
        while time.monotonic() < end:
            polled(consumer, 0.05)
    assert len(looks) < 8 * 100, f"it looked {len(looks)} times"
    consumer.close(1)


def test_a_producer_whose_broker_is_a_black_hole_waits_and_does_not_spin(tmp_path, monkeypatch):
    require_kafka()
    far = KafkaBroker(tmp_path)
    proxy = Proxy(far.relayed_port)
    far.relay_port = proxy.port
    far.start()
    settings = far.settings(request_timeout_s=2).model_copy(update={"bootstrap": f"127.0.0.1:{proxy.port}"})
    asked, get = [], KafkaConnectionManager.get_connection
    try:
        with LogAdmin(far.settings()) as admin:
            admin.create("t", partitions=1, replication=1, configs={})
        monkeypatch.setattr(
            KafkaConnectionManager, "get_connection", lambda *way, **how: asked.append(way) or get(*way, **how)
        )
        with LogProducer(settings, delivery_s=30) as producer:
            assert producer.send("t", key=b"a", value=b"1").result(20).offset == 0
            proxy.behave(silent=True)
            asked.clear()
            sent = []
            for number in range(80):
                sent.append(producer.send("t", key=b"a", value=b"%d" % number))
                time.sleep(0.1)  # not for something to happen: this is the time in which little may
            assert len(asked) < 800, f"the connection was asked for {len(asked)} times"
            proxy.heal()
            assert max(each.result(40).offset for each in sent) >= 80
    finally:
        proxy.close()
        far.stop()


def test_a_commit_meets_a_restarting_broker_and_arrives_later(broker, kafka, admin, new_topic, group):
    topic = new_topic()
    part = Partition(topic, 0)
    publish(kafka, topic, "abc")
    consumer = reading(kafka, topic, group, 3)
    broker.kill()
    deadline = time.monotonic() + 20
    while not consumer.failed_commits:
        assert time.monotonic() < deadline
        with taking_at_most(1.5):
            consumer.commit_later({part: 3})
            polled(consumer, 0.1)
    assert consumer.acknowledged() == {}
    broker.start()

    def tick():
        consumer.commit_later({part: 3})
        polled(consumer, 0.2)
        return consumer.acknowledged() == {part: 3}

    until(tick, what="the commit")
    assert admin.committed(group) == {part: 3}
    publish(kafka, topic, "d")
    until(lambda: [record.key for record in polled(consumer, 0.2)] == [b"d"], what="the next record")
    consumer.close(5)


def test_a_frozen_broker_holds_nobody_up(broker, kafka, new_topic, group):
    topic = new_topic()
    publish(kafka, topic, "abc")
    consumer = reading(kafka, topic, group, 3)
    with frozen(broker):
        for _ in range(5):
            with taking_at_most(1.5):
                polled(consumer, 0.2)
        with taking_at_most(2.5), pytest.raises(BrokerUnavailable, match="committing"):
            consumer.commit({Partition(topic, 0): 3}, 1)
        with taking_at_most(0.5):
            consumer.commit_later({Partition(topic, 0): 3})
            consumer.positions()
            consumer.lag()
            consumer.pause([Partition(topic, 0)])
            consumer.resume([Partition(topic, 0)])
    publish(kafka, topic, "d")
    until(lambda: [record.key for record in polled(consumer, 0.2)] == [b"d"], what="the next record")
    consumer.close(5)


def test_a_member_survives_a_broker_that_freezes_for_less_than_its_session(broker, kafka, new_topic, group):
    topic = new_topic(partitions=2)
    with Member(kafka, [topic], group, session_timeout_s=20) as member:
        until(lambda: len(member.owned) == 2, what="the partitions")
        with frozen(broker):
            time.sleep(7)  # longer than a request may take
        publish(kafka, topic, map(str, range(50)))
        until(lambda: len(member.records) == 50, what="records")
        assert not member.lost
        assert len(member.assigned) == 1


def test_closing_is_bounded_even_if_the_broker_is_frozen(broker, kafka, new_topic, group):
    topic = new_topic()
    publish(kafka, topic, "abc")
    consumer = reading(kafka, topic, group, 3)
    producer = LogProducer(kafka)
    assert producer.send(topic, key=b"k", value=b"v").result(10)
    with frozen(broker):
        stuck = producer.send(topic, key=b"k", value=b"v")
        with taking_at_most(4):
            producer.close(1)
        with pytest.raises(BrokerUnavailable, match="ended"):
            stuck.result(0)
        with taking_at_most(4):
            consumer.close(1)


def test_what_is_sent_while_the_broker_restarts_arrives_once_and_in_order(broker, kafka, new_topic):
    topic = new_topic()
    with LogProducer(kafka, delivery_s=30) as producer:
        sent, starting = [], threading.Thread(target=broker.start)
        for n in range(600):
            sent.append(producer.send(topic, key=b"k", value=b"%d" % n))
            if n == 300:
                broker.kill()
                starting.start()
            time.sleep(0.001)
        places = [future.result(60) for future in sent]
        starting.join()
    found = {record.place: record.value for record in read_range(kafka, topic)}
    assert [found[place] for place in places] == [b"%d" % n for n in range(600)]
    assert len(found) == 600


@pytest.mark.parametrize("delivery_s", [2, pytest.param(4, marks=pytest.mark.long)])
def test_what_a_frozen_broker_does_not_take_fails_in_time_and_what_follows_does_not(
    broker, kafka, new_topic, delivery_s
):
    topic = new_topic()
    with LogProducer(kafka, delivery_s=delivery_s) as producer:
        assert producer.send(topic, key=b"k", value=b"first").result(10)
        for _ in range(2):
            with frozen(broker):
                for _ in range(2):
                    with taking_at_most(0.5):
                        stuck = producer.send(topic, key=b"k", value=b"stuck")
                    with taking_at_most(delivery_s * 2.5), pytest.raises(BrokerUnavailable, match=topic):
                        stuck.result(20)
            again = until(lambda: _sent(producer, topic), what="a record that is taken")
    values = [record.value for record in read_range(kafka, topic)]
    assert values[0] == b"first"
    assert values[-1] == b"again"
    assert again.offset == len(values) - 1
    assert values.count(b"again") == 2
    assert values.count(b"stuck") <= 4, "each may have been written, but only once"


def _sent(producer, topic):
    try:
        return producer.send(topic, key=b"k", value=b"again").result(10)
    except BrokerUnavailable:
        return None


def test_a_full_producer_holds_its_caller_up_for_a_bounded_time(broker, kafka, new_topic):
    topic = new_topic()
    with LogProducer(kafka, delivery_s=6, block_s=0.3, most_bytes=10_000) as producer:
        assert producer.send(topic, key=b"k", value=b"v").result(10)
        with frozen(broker):
            sent = []
            for _ in range(12):
                with taking_at_most(0.8):
                    sent.append(producer.send(topic, key=b"k", value=bytes(1000)))
            assert not sent[0].done()
            with pytest.raises(BrokerUnavailable, match="wait to be acknowledged"):
                sent[-1].result(0)
            with taking_at_most(0.8), pytest.raises(BrokerUnavailable, match=r"after 0\.3 s"):
                producer.flush(0.3)
        until(lambda: _sent(producer, topic), what="a record that is taken")


def test_nobody_at_the_address_is_said_in_time_and_leaves_nothing_behind(new_port_of_nobody, group):
    nobody = KafkaSettings(bootstrap=f"127.0.0.1:{new_port_of_nobody}", request_timeout_s=1)
    threads = threading.active_count()
    makers = (
        lambda: LogProducer(nobody),
        lambda: LogAdmin(nobody),
        lambda: LogConsumer.join(nobody, ["t"], group=group, **quiet()),
        lambda: next(read_range(nobody, "t")),
    )
    for make in makers:
        with taking_at_most(3), pytest.raises(BrokerUnavailable, match=rf"Kafka at 127\.0\.0\.1:{new_port_of_nobody}"):
            make()
    until(lambda: threading.active_count() <= threads, what="the threads to end", seconds=5)


@pytest.fixture
def new_port_of_nobody():
    """A port that is taken, but where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
