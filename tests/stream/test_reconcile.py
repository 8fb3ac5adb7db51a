"""Each class of difference is put into a real index by hand; reconcile finds exactly these, and workers mend them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from tests.stream.background import publishing
from tests.stream.cluster import GROUP, Cluster, wait_until
from tests.stream.generator import Message, event, messages

from fourtower_search.index.opening import open_index
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.index.rows import Row
from fourtower_workers.reconciling.findings import KINDS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
PICTURES = [{"url": "images/1.png"}, {"url": "images/2.png"}]


def mug(title: str = "mug", **more) -> dict:
    return {"title": title, "images": PICTURES, "attributes": {"category": "mug"}} | more


def publish(cluster: Cluster, *events) -> None:
    cluster.produce(events)
    cluster.wait_until_done()


def reconcile(cluster: Cluster, *words: str, code: int) -> dict:
    return json.loads(cluster.fourtower("reconcile", "--json", *words, code=code))


@contextmanager
def by_hand(cluster: Cluster) -> Iterator[ProductIndex]:
    """The index, for doing to its rows what nobody should."""
    with open_index(cluster.index, alias=cluster.alias) as index:
        yield index


def rows(index: ProductIndex, product_id: str) -> tuple[Row, ...]:
    return index.get([product_id], vectors=True, consistency="strong")[product_id].rows


def drop(index: ProductIndex, *some: Row) -> None:
    index.store.delete([row.key for row in some], timeout_s=10)


def put(index: ProductIndex, *some: Row) -> None:
    index.store.upsert(some, timeout_s=10)


def older(some: tuple[Row, ...], version: int, **changes) -> tuple[Row, ...]:
    return tuple(replace(row, order=row.order._replace(version=version), **changes) for row in some)


def spoil(index: ProductIndex) -> dict[str, str]:
    """Make one product of each class."""
    source = rows(index, "r0")
    drop(index, *rows(index, "r0"))
    now = rows(index, "r1")
    put(index, *older(now, 1))
    drop(index, *now)
    put(index, *older(rows(index, "r2"), 2))
    drop(index, rows(index, "r3")[1])
    put(index, *older(source, 3, product_id="r4"))
    put(index, replace(rows(index, "r5")[0], image_missing=True, image_hash="", imputed="image"))
    put(index, replace(rows(index, "r6")[1], image_hash="0" * 32))
    put(index, *(replace(row, product_id="r7") for row in source))
    put(index, *(replace(row, product_id="r8", source="elsewhere.jsonl") for row in source))
    names = ("missing", "behind", "several_versions", "incomplete", "wrongly_live", "image_missing", "wrong_model")
    return {f"r{number}": name for number, name in enumerate(names)} | {"r7": "extra"}


def check_rows(cluster: Cluster, before: dict[str, set[str]]) -> None:
    with by_hand(cluster) as index:
        held = {name: {row.key for row in stored.rows} for name, stored in index.iterate_stored(consistency="strong")}
        assert held == before
        assert [name for name, _ in index.iterate_stored(after="r2")] == sorted(name for name in held if name > "r2")
        assert not any(row.image_missing for row in rows(index, "r5"))
        assert all(len(row.image_hash) == 32 and row.image_hash != "0" * 32 for row in rows(index, "r6"))


def snapshot_of(cluster: Cluster) -> dict[str, set[str]]:
    with by_hand(cluster) as index:
        return {name: {row.key for row in held.rows} for name, held in index.iterate_stored(consistency="strong")}


def test_every_class_is_found_and_mended_by_workers(new_cluster, tmp_path: Path):
    cluster = new_cluster(compacted=True)
    cluster.start()
    live = [event("upsert", f"r{number}", 5, mug(f"mug {number}")) for number in range(7)]
    publish(cluster, *live, event("delete", "r4", 6), event("upsert", "bad", 1, {"title": "no category"}))
    assert reconcile(cluster, code=0)["left"] == 0
    before = snapshot_of(cluster)
    with by_hand(cluster) as index:
        expected = spoil(index)
    assert set(expected.values()) == set(KINDS)
    found = reconcile(cluster, code=1)
    assert {each["product_id"]: each["class"] for each in found["findings"]} == expected
    assert (found["left"], found["foreign"], found["in_flight"]) == (8, 1, 0)
    mended = reconcile(cluster, "--repair", code=1)
    assert {each["product_id"] for each in mended["findings"] if each["state"] != "repaired"} == {"r7"}
    metrics = tmp_path / "reconcile.prom"
    assert reconcile(cluster, "--delete-extra", "--metrics-file", str(metrics), code=0)["repaired"]["extra"] == 1
    assert 'fourtower_reconcile_findings{class="extra"} 1.0' in metrics.read_text()
    assert reconcile(cluster, code=0)["old_tombstones"] == 1
    assert reconcile(cluster, "--repair", "--rate", "1000", code=0)["purged"] == 1, "the log knows nothing of r7"
    with by_hand(cluster) as index:
        drop(index, *rows(index, "r8"))
    check_rows(cluster, before)
    assert "Nothing differs." in cluster.fourtower("reconcile")
    assert reconcile(cluster, code=0)["findings"] == []


@pytest.mark.long
def test_a_day_of_a_shop_that_was_ingested_differs_in_nothing_but_pictures(new_cluster):
    cluster = new_cluster()
    cluster.start()
    cluster.kcat(messages(1_200, seed=9))
    cluster.wait_until_done(timeout_s=150)
    told = reconcile(cluster, code=1)
    assert {name for name, count in told["found"].items() if count} == {"image_missing"}
    assert told["compared"] > 100
    assert told["ahead"] == told["in_flight"] == 0
    with by_hand(cluster) as index:
        victims = [name for name, held in index.iterate_stored() if held.complete and not held.complete.deleted][::3]
        for name in victims:
            drop(index, *rows(index, name))
    assert reconcile(cluster, "--most", "0", code=1)["found"]["missing"] == len(victims)
    mended = reconcile(cluster, "--repair", "--most", "1000", "--ignore", "image_missing", code=0)
    assert mended["found"]["missing"] == mended["repaired"]["missing"] > len(victims) / 2
    assert {each["product_id"] for each in mended["findings"]} >= set(victims)
    assert mended["repaired"]["image_missing"] == 0
    left = reconcile(cluster, "--repair", code=1)["findings"]
    assert left
    assert all("pictures can't be had" in each["remark"] for each in left)


@pytest.mark.long
def test_under_load_nothing_is_found_that_is_only_under_way(new_cluster):
    cluster = new_cluster()
    cluster.start()
    names = [f"r{number}" for number in range(400)]
    publish(cluster, *(event("upsert", name, 1, mug(images=[])) for name in names))
    with publishing(cluster, changes(names), every_s=0.005) as published:
        told = []
        for _ in range(3):
            before = len(published)
            told.append(reconcile(cluster, "--repair", code=0))
            wait_until(lambda at=before: len(published) > at + 50, what="more is published")
    assert all(each["found"] == dict.fromkeys(KINDS, 0) for each in told)
    assert sum(each["in_flight"] for each in told) > 0
    assert sum(each["compared"] for each in told) > 400
    cluster.wait_until_done()
    assert reconcile(cluster, code=0)["compared"] == 400


def changes(names: list[str]) -> Iterator[Message]:
    """Ever newer patches of products, drawn at random."""
    chance = random.Random(0)
    for version in count(2):
        name = chance.choice(names)
        change = {"title": f"mug {version}"} if version % 3 else {"attributes": {"price": float(version)}}
        yield event("patch", name, version, change)


@pytest.mark.long
def test_a_killed_run_goes_on_and_a_repair_waits_for_workers(new_cluster, tmp_path: Path):
    cluster = new_cluster(compacted=True)
    cluster.start()
    publish(cluster, event("upsert", "r0", 1, mug()))
    cluster.env["FOURTOWER_INGESTER_GROUP"] = "nobody"
    assert cluster.fourtower("reconcile", code=1) == ""
    cluster.env["FOURTOWER_INGESTER_GROUP"] = GROUP + cluster.topic
    with by_hand(cluster) as index:
        drop(index, *rows(index, "r0"))
    assert cluster.worker.stop() == 0
    kill_between_two_looks(cluster, tmp_path / "state")
    process = cluster._process("reconcile", "--repair", "--state", str(tmp_path / "state"))
    process.start()
    wait_until(lambda: queued(cluster), what="the repair waits in the queue")
    assert process.alive
    cluster.worker.start()
    wait_until(lambda: not process.alive, what="the repair is done")
    assert process.stop() == 0
    said = process.log.read_text()
    assert "A run that was interrupted goes on; 1 records are folded already." in said
    assert "1 found, 0 left." in said
    assert reconcile(cluster, code=0)["left"] == 0


def kill_between_two_looks(cluster: Cluster, state: Path) -> None:
    """Kill a run that has noted its only suspect and waits before it looks again."""
    process = cluster._process("reconcile", "--state", str(state), "--rate", "0.01")
    process.start()
    journal = state / "reconcile.sqlite-wal"
    wait_until(lambda: journal.exists() and b"cursorr0" in journal.read_bytes(), what="everything is compared")
    assert process.alive
    process.kill()


def queued(cluster: Cluster) -> int:
    from fourtower_ingest.redis_client import connect, queue_key
    from fourtower_ingest.settings import RedisSettings
    from fourtower_ingest.wire import Topology

    redis = RedisSettings(url=cluster.redis.url)
    with connect(redis) as client:
        return client.llen(queue_key(redis, Topology(alias=cluster.alias)))
