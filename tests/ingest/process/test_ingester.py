"""A real ingester process on a real Kafka and a real Redis; only the workers are stand-ins."""

from __future__ import annotations

import signal
import time

import pytest
from kafka import KafkaProducer
from tests.ingest.process.standin import StandIn, applied, report, silent
from tests.ingest.process.waiting import eventually

from fourtower_ingest.events import Delete
from fourtower_ingest.heartbeat import age_s
from fourtower_ingest.wire import Done, EventReport, Lost, Started, Written


def test_events_are_indexed_and_their_offsets_committed(shop):
    shop.publish_deletes(range(300))
    with shop.ingester() as ingester, StandIn(shop.redis) as worker:
        shop.await_committed()
        assert sorted(worker.products()) == sorted(f"p{number}" for number in range(300))
        assert {batch.source for batch in worker.batches} == {shop.name}
        assert {(batch.topology.topic_id, batch.topology.partition_count) for batch in worker.batches} == {("", 0)}
        assert ingester.end() == 0


def test_tasks_name_the_topic_where_its_offsets_are_the_versions(shop):
    shop.publish_deletes(range(5))
    with shop.ingester(TOPIC_VERSION_SOURCE="offset"), StandIn(shop.redis) as worker:
        shop.await_committed()
        with shop.admin() as admin:
            facts = admin.topic(shop.name)
        topologies = {(batch.topology.topic_id, batch.topology.partition_count) for batch in worker.batches}
        assert topologies == {(facts.topic_id, facts.partitions)}


def test_it_tells_how_it_is_and_leaves_nothing_in_redis(shop):
    shop.publish_deletes(range(20))
    with shop.ingester() as ingester, StandIn(shop.redis):
        eventually(lambda: (shop.fact("finished") or {}).get("applied") == 20, "it says so")
        assert (shop.fact("stable"), shop.fact("breaker"), shop.fact("assigned")) == (True, "closed", 4)
        assert sum(shop.fact("lag").values()) == 0
        eventually(lambda: age_s(shop.heartbeat) < 3, "the heartbeat is fresh")
        assert ingester.end() == 0
        assert shop.statuses() == []


@pytest.mark.parametrize("instance", ["", "pod-0"])
def test_what_is_in_flight_at_the_end_is_waited_for_and_committed(shop, instance):
    shop.publish_deletes(range(50))

    def late(batch):
        time.sleep(2)
        return applied(batch)

    with shop.ingester(INGESTER_INSTANCE=instance) as ingester, StandIn(shop.redis, late) as worker:
        eventually(lambda: worker.batches, "a worker has a task")
        assert ingester.end() == 0
        done = sum(len(batch.events) for batch in worker.batches)
        assert shop.lag() == 50 - done


def test_a_process_that_keeps_its_name_comes_back_without_a_rebalance(shop):
    shop.publish_deletes(range(10))

    def shared() -> bool:
        return [status.facts["assigned"] for status in shop.statuses()] == [2, 2]

    with StandIn(shop.redis), shop.ingester(INGESTER_SESSION_TIMEOUT_S=20) as other:
        with shop.ingester(INGESTER_INSTANCE="pod-0", INGESTER_SESSION_TIMEOUT_S=20) as ingester:
            eventually(shared, "both have their share")
            assert ingester.end() == 0
        before = other.said().count("eading ")
        with shop.ingester(INGESTER_INSTANCE="pod-0", INGESTER_SESSION_TIMEOUT_S=20):
            eventually(shared, "it has its share again")
            shop.await_committed()
            assert other.said().count("eading ") == before, "nothing moved"


def test_commits_reach_the_end_even_where_offsets_have_holes(shop):
    """The end of a transaction takes an offset that no record has."""
    client = KafkaProducer(bootstrap_servers=shop.kafka.bootstrap, transactional_id=shop.name, acks="all")
    client.init_transactions()
    client.begin_transaction()
    for number in range(10):
        client.send(shop.name, key=b"p1", value=Delete(product_id="p1", version=number).to_json())
    client.commit_transaction()
    client.close()
    eventually(lambda: shop.lag() == 11, "the coordinator has written the end of the transaction")
    with shop.ingester(), StandIn(shop.redis):
        shop.await_committed()


def test_an_end_without_workers_is_bounded_and_what_is_left_is_read_again(shop):
    shop.publish_deletes(range(10))
    with shop.ingester(FLOW_DRAIN_S=1) as ingester:
        eventually(lambda: shop.fact("in_flight"), "tasks are in the queue")
        began = time.monotonic()
        assert ingester.end() == 0
        assert 1 <= time.monotonic() - began < 20
        assert "10 records not done" in ingester.said()
    assert shop.lag() == 10
    with shop.ingester() as ingester, StandIn(shop.redis) as worker:
        shop.await_committed()
        assert {f"p{number}" for number in range(10)} <= set(worker.products())


def test_a_second_signal_ends_it_at_once(shop):
    shop.publish_deletes(range(10))
    with shop.ingester(FLOW_DRAIN_S=60) as ingester:
        eventually(lambda: shop.fact("in_flight"), "tasks are in the queue")
        ingester.process.send_signal(signal.SIGTERM)
        eventually(lambda: "Ending" in ingester.said(), "it drains")
        ingester.process.send_signal(signal.SIGINT)
        assert ingester.wait(within_s=20) == -signal.SIGINT


def test_dead_letters_are_acknowledged_before_their_offsets_are_committed(shop):
    shop.publish_deletes(range(40))
    shop.publish_bad(5)
    with shop.ingester() as ingester, StandIn(shop.redis):
        shop.await_committed()
        letters = shop.letters()
        assert sorted(letter.record.key for letter in letters) == [f"b{number}".encode() for number in range(5)]
        assert {(letter.code, letter.record.value) for letter in letters} == {("not_json", b"{")}
        said = [line for line in ingester.lines() if line["message"].startswith("Set aside")]
        assert sorted(line["product_id"] for line in said) == [f"b{number}" for number in range(5)]
        assert all({"topic", "partition", "offset", "code"} <= line.keys() for line in said)


def test_a_letter_that_is_refused_ends_the_process_before_anything_is_committed(shop):
    with shop.admin() as admin:
        admin.configure(f"{shop.name}.dlq", {"max.message.bytes": "1000"})
    shop.publish([(b"b", b"{" * 5000)])
    with shop.ingester() as ingester:
        assert ingester.wait() == 1
        assert "max.message.bytes" in ingester.said().splitlines()[-1]
    assert shop.letters() == []
    assert shop.lag() == 1


def test_events_that_workers_refuse_become_dead_letters_alone(shop):
    shop.publish_deletes(range(30))

    def refusing(batch):
        reports = tuple(
            EventReport(status="failed", stage="plan", code="invalid_product", message="No such thing.")
            if '"p7"' in event
            else EventReport(status="applied")
            for event in batch.events
        )
        return [Started(attempt=batch.attempt), Done(attempt=batch.attempt, reports=reports)]

    with shop.ingester(), StandIn(shop.redis, refusing):
        shop.await_committed()
        (letter,) = shop.letters()
        assert (letter.record.key, letter.stage, letter.code) == (b"p7", "plan", "invalid_product")


def test_a_lost_worker_costs_nothing_but_time(shop):
    shop.publish_deletes(range(10))
    lost = []

    def crashing_once(batch):
        if not lost:
            lost.append(batch.attempt)
            return [Started(attempt=batch.attempt), Lost(attempt=batch.attempt, reason="killed")]
        return applied(batch)

    with shop.ingester(), StandIn(shop.redis, crashing_once) as worker:
        shop.await_committed()
        assert lost
        assert shop.letters() == []
        assert set(worker.products()) == {f"p{number}" for number in range(10)}


def test_what_was_written_but_never_confirmed_is_sent_again(shop):
    shop.publish_deletes(range(5))
    forgetful = []

    def answer(batch):
        forgetful.append(batch.attempt)
        if len(forgetful) == 1:
            return [Started(attempt=batch.attempt), Written(attempt=batch.attempt)]
        return applied(batch)

    with shop.ingester(FLOW_VERIFY_DEADLINE_S=1), StandIn(shop.redis, answer):
        shop.await_committed()
        assert len(forgetful) >= 2


def test_a_task_that_vanishes_unstarted_is_sent_again(shop):
    """As when a worker is killed between taking a task from the queue and noting that it has it."""
    shop.publish_deletes(range(3))
    with shop.ingester() as ingester:
        with StandIn(shop.redis, silent) as worker:
            eventually(lambda: worker.batches, "it is gone")
            eventually(lambda: len(worker.batches) > 1, "it is sent again")
        with StandIn(shop.redis):
            shop.await_committed()
        assert ingester.process.poll() is None


def test_an_index_that_is_away_holds_everything_and_dead_letters_nothing(shop):
    shop.publish_deletes(range(200))
    away = [True]

    def answer(batch):
        if away[0]:
            failed = report(batch, status="failed", stage="write", code="unavailable", message="Gone.", retryable=True)
            return [Started(attempt=batch.attempt), failed]
        return applied(batch)

    with shop.ingester(FLOW_BATCH=10, FLOW_BREAKER_PAUSE_S=0.2) as ingester, StandIn(shop.redis, answer):
        eventually(lambda: shop.fact("breaker") in ("open", "half_open"), "the breaker is open")
        eventually(lambda: shop.fact("pausing"), "nothing more is read")
        away[0] = False
        shop.await_committed()
        assert shop.letters() == []
        eventually(lambda: shop.fact("breaker") == "closed", "the breaker is closed")
        assert len([line for line in ingester.lines() if "Nothing more is sent" in line["message"]]) >= 1


def test_no_more_is_read_than_may_be_held(shop):
    shop.publish_deletes(range(3000))
    with shop.ingester(FLOW_MOST_ITEMS=100), StandIn(shop.redis, silent) as worker:
        eventually(lambda: shop.fact("pausing"), "it pauses")
        read = shop.fact("records")
        assert 100 <= read <= 1200
        worker.answer = applied
        shop.await_committed(within_s=60)
        assert set(worker.products()) == {f"p{number}" for number in range(3000)}


def test_a_topic_that_turns_invalid_ends_the_process_and_is_not_drained_into_dead_letters(shop):
    shop.publish_bad(400)
    with shop.ingester(FLOW_INVALID_WINDOW=40, FLOW_DRAIN_S=5) as ingester:
        assert ingester.wait() == 1
        assert "fourtower: " in ingester.said().splitlines()[-1]
    assert len(shop.letters()) < 400
    assert shop.lag() > 0
