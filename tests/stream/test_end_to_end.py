"""5,000 events from two clients through Kafka, ingester, Celery and workers into Milvus, against an oracle."""

from __future__ import annotations

import json

import pytest
from tests.stream.generator import event, messages
from tests.stream.oracle import judge
from tests.stream.verdict import check_everything

from fourtower_search import SearchClient

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
EVENTS = 5_000


def test_events_of_two_clients_end_as_the_oracle_says(new_cluster):
    cluster = new_cluster()
    events = messages(EVENTS, seed=7)
    half = EVENTS // 2
    cluster.start()
    # What our own command would not publish, another client must.
    first, second = [each for each in events[:half] if each.plain], events[half:]
    rest = [each for each in events[:half] if not each.plain]
    cluster.produce(first)
    cluster.kcat([*rest, *second])
    cluster.wait_until_done(timeout_s=150)
    compared = check_everything(cluster)
    assert compared["events"] == EVENTS
    assert compared["products"] > 300
    assert 100 < compared["dead"] < 200
    replay_patches(cluster)
    assert cluster.ingester.stop() == 0
    assert cluster.worker.stop() == 0


def replay_patches(cluster):
    """Give the patches that found no product one, and send them again."""
    letters = json.loads(cluster.fourtower("dlq", "list", "--code", "no_base", "--json"))
    names = {letter["product"] for letter in letters}
    assert names
    product = {"title": "late mug", "attributes": {"category": "mug"}}
    cluster.produce([event("upsert", name, 1, product) for name in names])
    cluster.wait_until_done()
    assert json.loads(cluster.fourtower("dlq", "replay", "--code", "no_base", "--json"))["sent"] == len(letters)
    cluster.wait_until_done()
    with SearchClient(cluster.index, alias=cluster.alias) as client:
        found = client.get_many(names)
    assert {name: (each.version, each.attributes["price"]) for name, each in found.items()} == dict.fromkeys(
        names, (3, 5.0)
    )
    again = json.loads(cluster.fourtower("dlq", "replay", "--code", "no_base", "--json"))
    assert (again["sent"], again["replayed"]) == (0, len(letters))


def test_a_milvus_server_ends_the_same(new_cluster, milvus_server):
    cluster = new_cluster(milvus=milvus_server)
    cluster.start()
    cluster.kcat(messages(1_500, seed=8))
    cluster.wait_until_done(timeout_s=150)
    assert check_everything(cluster)["products"] > 100


def test_the_generator_holds_all_that_can_go_wrong():
    events = messages(EVENTS, seed=7)
    assert len(events) == EVENTS
    assert events == messages(EVENTS, seed=7)
    assert events != messages(EVENTS, seed=8)
    _, dead = judge([(number, *record) for number, record in enumerate((e.key, e.value, e.headers) for e in events)])
    assert 0.02 < len(dead) / EVENTS < 0.04
    ops = [json.loads(each.value)["op"] for each in events if each.plain and each.value is not None]
    assert ops.count("patch") > ops.count("upsert") > ops.count("delete") > 50
    versions = [(each.key, json.loads(each.value)["version"]) for each in events if each.plain and each.value]
    assert len(set(versions)) < len(versions) - 100
