"""An ingester process whose Kafka or Redis is killed, frozen, wiped and damaged, or not what it should be."""

from __future__ import annotations

import signal
import time
from uuid import uuid4

import pytest
from tests.ingest.process.shop import Shop
from tests.ingest.process.standin import StandIn, applied, silent
from tests.ingest.process.waiting import eventually
from tests.services.kafka import PASSWORD, USER

from fourtower_ingest.broker.producer import LogProducer
from fourtower_ingest.events import Delete
from fourtower_ingest.heartbeat import age_s
from fourtower_ingest.wire import Started


@pytest.fixture
def own_redis(new_redis):
    return new_redis()


@pytest.fixture
def frail_shop(kafka_broker, own_redis, tmp_path):
    """A shop with a Redis of its own."""
    shop = Shop(kafka_broker, own_redis, tmp_path)
    shop.create_topics()
    return shop


def test_a_wiped_redis_loses_nothing(frail_shop, own_redis):
    shop = frail_shop
    shop.publish_deletes(range(40))
    with shop.ingester(FLOW_BATCH=10) as ingester:
        with StandIn(shop.redis, lambda batch: [Started(attempt=batch.attempt)]) as worker:
            eventually(lambda: len(worker.products()) == 40, "workers have everything, and say nothing more")
        own_redis.flush()
        eventually(lambda: "was wiped" in ingester.said(), "it is noticed", within_s=3)
        with StandIn(shop.redis) as worker:
            shop.await_committed()
            assert len(set(worker.products())) == 40
        assert shop.letters() == []


def test_a_redis_that_dies_and_comes_back_empty_loses_nothing(frail_shop, own_redis):
    shop = frail_shop
    shop.publish_deletes(range(40))
    with shop.ingester(FLOW_BATCH=10) as ingester, StandIn(shop.redis, silent) as worker:
        eventually(lambda: worker.batches, "tasks were published")
        own_redis.kill()
        shop.publish_deletes(range(40, 60))
        eventually(lambda: "does not answer" in ingester.said(), "it is noticed")
        own_redis.start()
        worker.answer = applied
        shop.await_committed()
        assert shop.letters() == []
        assert ingester.end() == 0


def test_a_hanging_redis_stops_neither_the_loop_nor_the_membership(frail_shop, own_redis):
    shop = frail_shop
    shop.publish_deletes(range(100))
    with shop.ingester(FLOW_BATCH=10) as ingester, StandIn(shop.redis) as worker:
        eventually(lambda: worker.batches, "tasks were published")
        own_redis.freeze()
        shop.publish_deletes(range(100, 300))
        frozen_at = time.monotonic()
        oldest = 0.0
        while time.monotonic() - frozen_at < 8:  # longer than the session timeout of 6 s
            oldest = max(oldest, age_s(shop.heartbeat))
            time.sleep(0.05)
        assert oldest < 5
        own_redis.thaw()
        shop.await_committed()
        assert len(set(worker.products())) == 300
        assert "No longer reading" not in ingester.said(), "it stayed in its group"
        said = [line["message"] for line in ingester.lines()]
        assert len([text for text in said if "does not answer" in text]) == 1
        assert shop.letters() == []


@pytest.mark.parametrize("fault", [pytest.param("frozen", marks=pytest.mark.long), "killed"])
def test_a_kafka_that_goes_and_comes_back_loses_nothing(new_kafka, redis_server, tmp_path, fault):
    kafka = new_kafka()
    shop = Shop(kafka, redis_server, tmp_path)
    shop.create_topics()
    shop.publish_deletes(range(50))
    shop.publish_bad(3)
    with shop.ingester(FLOW_BATCH=5) as ingester, StandIn(shop.redis) as worker:
        eventually(lambda: worker.batches, "it works")
        if fault == "frozen":
            kafka.freeze()
            time.sleep(8)  # past the session timeout
            kafka.thaw()
        else:
            kafka.kill()
            eventually(lambda: age_s(shop.heartbeat) < 3, "the loop turns")
            kafka.start()
        shop.publish_deletes(range(50, 100))
        shop.publish_bad(2)
        shop.await_committed(within_s=90)
        assert set(worker.products()) == {f"p{number}" for number in range(100)}
        assert {letter.record.key for letter in shop.letters()} == {b"b0", b"b1", b"b2"}
        assert ingester.end() == 0


@pytest.mark.long  # `tests/stream/test_malformed.py` does it with all parts
def test_a_damaged_partition_stops_and_the_others_go_on(new_kafka, redis_server, tmp_path):
    kafka = new_kafka()
    shop = Shop(kafka, redis_server, tmp_path)
    shop.create_topics()
    _publish(shop, "good", partition=0)
    _publish(shop, "damaged", partition=0)
    kafka.stop()
    segment = kafka.segments(shop.name, 0)[0]
    data = bytearray(segment.read_bytes())
    data[-2] ^= 0x55
    segment.write_bytes(data)
    kafka.start()
    _publish(shop, "behind", partition=0)
    for number in range(20):
        _publish(shop, f"other{number}", partition=1)
    with shop.ingester() as ingester, StandIn(shop.redis) as worker:
        eventually(lambda: len(worker.products()) == 21, "all others are indexed")
        eventually(lambda: shop.fact("unreadable"), "the status says so")
        assert list(shop.fact("unreadable")) == [f"{shop.name}[0]"]
        eventually(lambda: shop.lag() == 2, "everything before it is committed")
        assert len([line for line in ingester.lines() if "can't be read from offset 1 on" in line["message"]]) == 1
        _publish(shop, "later", partition=1)
        eventually(lambda: "later" in worker.products(), "the other partition goes on")
        assert "behind" not in worker.products()
        assert ingester.end() == 0
    assert shop.lag() == 2


def _publish(shop: Shop, product_id: str, *, partition: int) -> None:
    event = Delete(product_id=product_id, version=1)
    with LogProducer(shop.kafka.settings()) as producer:
        producer.send(shop.name, key=product_id.encode(), value=event.to_json(), partition=partition).result(20)


def test_partitions_move_between_processes_without_loss(shop):
    shop.publish_deletes(range(200))
    with StandIn(shop.redis) as worker, shop.ingester(FLOW_BATCH=5) as first:
        eventually(lambda: len(worker.products()) > 20, "the first one works")
        with shop.ingester(FLOW_BATCH=5) as second:
            eventually(lambda: "Reading" in second.said(), "the second one has partitions")
            shop.publish_deletes(range(200, 400))
            eventually(lambda: len(shop.statuses()) == 2, "both tell how they are")
            first.process.send_signal(signal.SIGKILL)
            shop.publish_deletes(range(400, 450))
            shop.await_committed(within_s=60)
            assert set(worker.products()) == {f"p{number}" for number in range(450)}
            assert second.end() == 0
    assert shop.letters() == []


def test_it_waits_for_a_kafka_that_is_not_there_yet_and_ends_when_told(shop, unused_port):
    with shop.ingester(KAFKA_BOOTSTRAP=f"127.0.0.1:{unused_port}", KAFKA_REQUEST_TIMEOUT_S=1) as ingester:
        eventually(lambda: "tried again and again" in ingester.said(), "it says what it waits for")
        eventually(lambda: age_s(shop.heartbeat) < 4, "it is alive")
        assert ingester.end() == 0


def test_missing_topics_are_named_with_the_remedy(shop):
    with shop.ingester(TOPIC_UPDATES="nowhere", TOPIC_DEAD_LETTERS="nowhere.dlq") as ingester:
        assert ingester.wait() == 1
        last = ingester.said().splitlines()[-1]
    assert last.startswith("fourtower: ")
    assert "nowhere and no topic nowhere.dlq" in last
    assert "fourtower topics create" in last


def test_wrong_credentials_end_it_with_a_sentence_without_them(shop, kafka_broker):
    secrets = {
        "KAFKA_BOOTSTRAP": kafka_broker.secure_bootstrap,
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "PLAIN",
        "KAFKA_SASL_USERNAME": USER,
        "KAFKA_SSL_CA_FILE": kafka_broker.ca_file,
    }
    with shop.ingester(**secrets, KAFKA_SASL_PASSWORD="wrong-horse") as ingester:
        assert ingester.wait() == 1
        assert "FOURTOWER_KAFKA_SASL_" in ingester.said().splitlines()[-1]
        assert "wrong-horse" not in ingester.said()
    shop.publish_deletes(range(3))
    with shop.ingester(**secrets, KAFKA_SASL_PASSWORD=PASSWORD), StandIn(shop.redis):
        shop.await_committed()


def test_another_topic_of_the_same_name_is_refused_where_versions_are_offsets(shop):
    other = str(uuid4())
    with shop.ingester(TOPIC_TOPIC_ID=other, TOPIC_VERSION_SOURCE="offset") as ingester:
        assert ingester.wait() == 1
        assert "Build a new generation" in ingester.said().splitlines()[-1]
    shop.publish_deletes(range(3))
    with shop.ingester(TOPIC_TOPIC_ID=other) as ingester, StandIn(shop.redis):
        shop.await_committed()
        assert any(line["level"] == "warning" and other in line["message"] for line in ingester.lines())


def test_settings_that_can_not_be_used_end_it_as_a_wrong_call(shop):
    with shop.ingester(FLOW_BATCH=0) as ingester:
        assert ingester.wait() == 2
        assert (
            ingester.said() == "fourtower: FOURTOWER_FLOW_BATCH is '0': Input should be greater than or equal to 1.\n"
        )


@pytest.fixture
def unused_port():
    from tests.services.processes import free_port

    return free_port()
