"""Reconciling believes a log that the brokers really have compacted: what it forgot is no divergence."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from itertools import count

import pytest
from tests.stream.cluster import Cluster, wait_until
from tests.stream.generator import Message, event, null_delete, png
from tests.stream.test_reconcile import by_hand, drop, mug, put, reconcile, rows
from tests.stream.verdict import origin, read_log

from fourtower_ingest.broker.admin import LogAdmin
from fourtower_workers.reconciling.findings import KINDS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
NOTHING = dict.fromkeys(KINDS, 0)
NAMES = [f"p{number}" for number in range(12)]
EAGER = {
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.001",
    "delete.retention.ms": "100",
    "file.delete.delay.ms": "100",
}
"""A topic whose cleaner comes at once; it leaves the segment alone that is being written."""


def compact(cluster: Cluster, *, left: set[str], gone: set[str]) -> None:
    """Wait until the log holds one record of some products and none of others, and go on writing until then."""
    with LogAdmin(cluster.broker.settings()) as admin:
        admin.configure(cluster.topic, EAGER)
    versions = count(1)

    def compacted() -> bool:
        # A segment is closed with the first record that comes too late for it.
        version = next(versions)
        cluster.kcat([event("upsert", f"filler{number}", version, mug(images=[])) for number in range(12)])
        found = Counter(record.key.decode() for record in read_log(cluster.broker.bootstrap, cluster.topic))
        return all(found[name] == 1 for name in left) and not any(found[name] for name in gone)

    before = len(read_log(cluster.broker.bootstrap, cluster.topic))
    wait_until(compacted, what="the brokers have compacted the topic", every_s=1)
    assert before > len(left)


def finished(cluster: Cluster) -> None:
    """Wait until every record of the events and of the replays is done with."""
    ends = cluster.ends(cluster.topic, cluster.replays)
    wait_until(
        lambda: all(cluster.committed().get(each, 0) == end for each, end in ends.items()),
        what="all offsets are committed",
        every_s=0.5,
    )


def versions(cluster: Cluster, *names: str) -> dict[str, tuple[int, bool]]:
    """What the index holds of some products."""
    with by_hand(cluster) as index:
        stored = index.read(names, consistency="strong")
    return {
        name: (held.complete.version, held.complete.deleted)
        for name, held in stored.items()
        if held.complete is not None
    }


def check_nothing_is_found(cluster: Cluster, *words: str) -> dict:
    told = reconcile(cluster, *words, code=0)
    assert (told["found"], told["left"], told["in_flight"]) == (NOTHING, 0, 0), told["findings"]
    return told


def check_what_is_missing_comes_back(cluster: Cluster, *names: str) -> None:
    """What the log still tells is mended from it, in the version that was there before."""
    before = versions(cluster, *names)
    with by_hand(cluster) as index:
        for name in names:
            drop(index, *rows(index, name))
    told = reconcile(cluster, "--repair", code=0)
    assert (told["found"]["missing"], told["repaired"]["missing"]) == (len(names), len(names))
    assert versions(cluster, *names) == before


def check_a_delete_that_the_log_forgot_is_made_up_for(cluster: Cluster, name: str, *, like: str) -> None:
    """A backup brings back a product whose delete nobody knows any more."""
    with by_hand(cluster) as index:
        drop(index, *index.read([name], consistency="strong")[name].rows)
        put(index, *(replace(row, product_id=name) for row in rows(index, like)))
    told = reconcile(cluster, "--repair", code=1)
    assert (told["found"]["extra"], told["repaired"]["extra"], told["left"]) == (1, 0, 1)
    assert reconcile(cluster, "--delete-extra", code=0)["repaired"]["extra"] == 1
    assert versions(cluster, name)[name][1], "it is deleted"


def test_what_compaction_forgot_is_no_divergence(new_cluster):
    cluster = new_cluster(compacted=True)
    cluster.start()
    for version in (1, 2, 5):
        cluster.kcat([event("upsert", name, version, mug(f"mug {version}")) for name in NAMES])
    cluster.kcat([event("upsert", "p0", 3, mug("an older one, late")), event("delete", "p1", 6), null_delete("p2", 6)])
    cluster.kcat([null_delete("p3", 6), event("upsert", "p3", 7, mug("back again"))])
    cluster.wait_until_done()
    before = versions(cluster, *NAMES)
    assert (before["p0"], before["p1"], before["p2"], before["p3"]) == ((5, False), (6, True), (6, True), (7, False))
    compact(cluster, left=set(NAMES) - {"p2"}, gone={"p2"})
    finished(cluster)
    told = check_nothing_is_found(cluster)
    assert told["ahead"] == 1, "of p0 only the older version is left in the log"
    assert told["old_tombstones"] >= 1
    assert versions(cluster, *NAMES) == before
    assert check_nothing_is_found(cluster, "--repair", "--delete-extra")["purged"] >= 1
    after = versions(cluster, *NAMES)
    assert after == {name: held for name, held in before.items() if name in after}
    assert {name for name in before if name not in after} <= {"p1", "p2"}, "old deletes"
    check_what_is_missing_comes_back(cluster, "p5", "p3")
    check_a_delete_that_the_log_forgot_is_made_up_for(cluster, "p2", like="p5")
    check_nothing_is_found(cluster, "--repair")


def bare(op: str, name: str, product: dict | None = None) -> Message:
    """An event of a producer that knows no versions."""
    fields = {"op": op, "product_id": name} | ({} if product is None else {"product": product})
    return Message(name.encode(), json.dumps(fields).encode())


def test_where_versions_are_offsets_replayed_letters_stay_what_they_were(new_cluster):
    cluster = new_cluster(
        compacted=True,
        environment={"FOURTOWER_TOPIC_VERSION_SOURCE": "offset", "FOURTOWER_FLOW_IMAGE_POLICY": "reject"},
    )
    cluster.start()
    late = mug("late", images=[{"url": "images/late.png"}])
    for round_ in range(3):
        cluster.kcat([bare("upsert", name, mug(f"mug {round_}")) for name in NAMES])
    names = ["alone", "followed", "deleted"]
    cluster.kcat([bare("upsert", name, late) for name in names])
    letters = wait_until(lambda: dead(cluster, names), what="their picture is missing, so they are dead letters")
    (cluster.folder / "images" / "late.png").write_bytes(png(7, side=48))
    assert json.loads(cluster.fourtower("dlq", "replay", "--json"))["sent"] == 3
    cluster.kcat([bare("upsert", "followed", mug("newer")), Message(b"deleted", None), Message(b"p4", None)])
    cluster.kcat([bare("delete", "p5")])
    finished(cluster)
    before = versions(cluster, *NAMES, *names)
    assert before["alone"] == (letters["alone"], False), "the version is where it lay first"
    assert before["followed"][0] > letters["followed"]
    assert before["deleted"][1]
    compact(cluster, left={*NAMES, "alone", "followed"} - {"p4"}, gone={"deleted", "p4"})
    finished(cluster)
    check_nothing_is_found(cluster)
    assert versions(cluster, *NAMES, *names) == before
    assert check_nothing_is_found(cluster, "--repair")["purged"] >= 1
    after = versions(cluster, *NAMES, *names)
    assert {name for name in before if name not in after} <= {"p4", "p5"}
    assert after["deleted"] == before["deleted"], "the replay would bring it back"
    check_what_is_missing_comes_back(cluster, "alone", "followed", "p1")
    check_nothing_is_found(cluster, "--repair")


def dead(cluster: Cluster, names: list[str]) -> dict[str, int]:
    """Where the dead letters of some products lay, once all of them are there."""
    found = {each.key.decode(): origin(each)[2] for each in read_log(cluster.broker.bootstrap, cluster.dead_letters)}
    return found if found.keys() >= set(names) else {}
