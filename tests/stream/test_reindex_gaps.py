"""What an operator may rely on: two commands at once, new products and other metrics, all on real processes."""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.stream.cluster import Cluster, Process, wait_until
from tests.stream.generator import KINDS, event, new_product
from tests.stream.test_reconcile import drop, mug, rows, spoil

from fourtower_search import SearchClient
from fourtower_search.index.opening import open_generation, open_generations
from fourtower_search.index.product_index import ProductIndex
from fourtower_workers.reconciling.findings import KINDS as CLASSES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
FLAT, IVF = '{"type": "FLAT"}', '{"type": "IVF_FLAT", "params": {"nlist": 16}}'
ENGINES = [
    pytest.param({"compacted": True}, id="lite"),
    pytest.param({"compacted": True, "server": True}, id="server", marks=pytest.mark.long),
]
HELD = """
import os, time
from pathlib import Path
from fourtower_search.index.milvus.generations import MilvusGenerations
from fourtower_workers.cli import main

folder, method = Path(os.environ["HELD_IN"]), os.environ["HELD_AT"]
announced, looks = MilvusGenerations.announced, []

def hold(name, until):
    step = getattr(MilvusGenerations, name)

    def held(*arguments, **named):
        (folder / f"at {name}").touch()
        while not (folder / until).exists():
            time.sleep(0.05)
        return step(*arguments, **named)

    setattr(MilvusGenerations, name, held)

def looked(*arguments, **named):
    looks.append(1)
    if len(looks) > 2:
        (folder / "looked").touch()
    return announced(*arguments, **named)

if method:
    hold(method, "go")
    hold("open", "fill")
else:
    MilvusGenerations.announced = looked
main()
"""


class HeldProcess(Process):
    """A command that stands still at one of its steps, and before it fills anything, until it is let go on.

    Without a step it does not, but tells that it waits for somebody else.
    """

    program = (sys.executable, "-c", HELD)


class Two:
    """Two `fourtower reindex` commands, the second one begun while the first is in the middle of something."""

    def __init__(self, cluster: Cluster, first: tuple[str, ...], second: tuple[str, ...], *, at: str) -> None:
        self.folder = cluster.folder / f"held-{at}-{first[-1]}"
        self.folder.mkdir()
        self.first, self.second = (
            HeldProcess(
                "reindex",
                *words,
                env=cluster.env | {"HELD_IN": str(self.folder), "HELD_AT": step},
                log=self.folder / f"{number}.log",
            )
            for number, (words, step) in enumerate(((first, at), (second, "")))
        )
        self.first.start()
        wait_until((self.folder / f"at {at}").exists, what=f"the first one comes to {at}")
        self.second.start()
        wait_until((self.folder / "looked").exists, what="the second one waits for the first one")
        assert self.first.alive
        assert self.second.alive

    def finish(self) -> tuple[int, int]:
        """Let both come to their ends, the second one first where the first one fills, and return their exit codes."""
        (self.folder / "go").touch()
        second = self._ended(self.second)
        (self.folder / "fill").touch()
        return self._ended(self.first), second

    def kill_first(self) -> int:
        """Kill the first one where it stands, and return the second one's exit code."""
        self.first.kill()
        return self._ended(self.second)

    @staticmethod
    def _ended(process: Process) -> int:
        wait_until(lambda: not process.alive, what="it ends")
        return process.stop()


class Following:
    """The ingester and the worker of the second generation."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.group = cluster, f"{cluster.env['FOURTOWER_INGESTER_GROUP']}.g2"
        words = ("--generation", "2")
        self.worker = self._process("worker", *words)
        self.ingester = self._process("ingest", *words, "--group", self.group, "--no-dead-letters")

    def _process(self, *words: str) -> Process:
        return Process(*words, env=self.cluster.env, log=self.cluster.folder / f"second-{words[0]}.log")

    def start(self) -> None:
        self.worker.start()
        self.ingester.start()

    def stop(self) -> None:
        for process in (self.ingester, self.worker):
            if process.alive:
                process.kill()

    def command(self, *words: str, code: int | None = 0) -> dict:
        return json.loads(self.cluster.fourtower(*words, "--json", code=code))

    def reconcile(self, *words: str, code: int) -> dict:
        return self.command("reconcile", "--generation", "2", "--group", self.group, *words, code=code)

    def verify(self) -> dict:
        """Verify until its group is done with every record and it passes."""

        def told() -> dict:
            return self.command("reindex", "verify", "--most-lag", "0", code=None)

        return wait_until(lambda: found if (found := told())["passed"] else None, what="it passes", timeout_s=120)

    @contextmanager
    def by_hand(self) -> Iterator[ProductIndex]:
        """Its rows."""
        generations = open_generations(self.cluster.index, alias=self.cluster.alias)
        try:
            record = next(each for each in generations.records(timeout_s=30) if each.generation == 2)
            with open_generation(generations, record) as index:
                yield index
        finally:
            generations.close()


@pytest.fixture
def following(new_cluster, request) -> Iterator[Following]:
    """A cluster that runs, and the processes of a second generation that don't yet."""
    how = dict(getattr(request, "param", {}))
    if how.pop("server", False):
        how["milvus"] = request.getfixturevalue("milvus_server")
    following = Following(new_cluster(**how))
    following.cluster.start()
    yield following
    following.stop()


def status(cluster: Cluster) -> list[dict]:
    return json.loads(cluster.fourtower("reindex", "status", "--json"))["generations"]


def live(cluster: Cluster) -> int:
    return next(each["generation"] for each in status(cluster) if each["live"])


@pytest.mark.long  # quick: tests/workers/reindexing/test_at_once
@pytest.mark.parametrize("following", ENGINES, indirect=True)
def test_of_two_starts_at_once_the_second_one_joins_or_is_refused(following: Following) -> None:
    cluster = following.cluster
    cluster.produce([event("upsert", f"p{number}", 1, mug(images=[])) for number in range(20)])
    cluster.wait_until_done()
    flat = ("start", "--settings", FLAT)
    two = Two(cluster, flat, ("start", "--settings", IVF), at="amend")
    assert two.finish() == (0, 2)
    assert re.search(r"Generation 2 of \w+ is\s+being\s+filled", two.second.log.read_text())
    assert [each["generation"] for each in status(cluster)] == [1, 2]
    cluster.fourtower("reindex", "drop", "2", "--yes")
    two = Two(cluster, flat, flat, at="create")
    assert two.finish() == (0, 0)
    assert "Generation 3 of" in two.first.log.read_text()
    assert re.search(r"Generation 3 of \w+ goes on being filled", two.second.log.read_text())
    live, other = status(cluster)
    assert (live["live"], live["generation"]) == (True, 1)
    assert (other["generation"], other["products"], other["seeding"]["done"]) == (3, 20, True)


@pytest.mark.parametrize("following", ENGINES, indirect=True)
def test_of_two_switches_at_once_the_second_one_follows_the_first(following: Following) -> None:
    cluster = following.cluster
    cluster.fourtower("reindex", "start", "--settings", FLAT)
    cluster.fourtower("reindex", "start", "--settings", IVF)
    two = Two(cluster, ("switch", "--unverified", "2"), ("switch", "--unverified", "3"), at="point")
    assert live(cluster) == 1
    assert two.finish() == (0, 0)
    assert live(cluster) == 3
    assert following.command("reindex", "rollback")["live"] == 2, "the one that was live just before"
    two = Two(cluster, ("switch", "--unverified", "1"), ("switch", "--unverified", "3"), at="amend")
    assert two.kill_first() == 0
    assert live(cluster) == 3
    assert following.command("reindex", "rollback")["live"] == 2, "what was killed has left nothing"


@pytest.mark.parametrize(
    "following",
    [pytest.param({}, id="patches"), pytest.param({"compacted": True}, id="compacted", marks=pytest.mark.long)],
    indirect=True,
)
def test_products_that_are_new_since_the_start_are_there_once_it_passes(following: Following) -> None:
    cluster, chance = following.cluster, random.Random(4)
    old = {f"p{number}": new_product(chance) for number in range(30)}
    cluster.produce([event("upsert", name, 1, product) for name, product in old.items()])
    cluster.wait_until_done()
    following.command("reindex", "start", "--settings", FLAT)
    new = {f"n{number}": new_product(chance) for number in range(30)}
    gone = [event("delete", f"p{number}", 2) for number in range(5)]
    cluster.produce([*(event("upsert", name, 1, product) for name, product in new.items()), *gone])
    cluster.wait_until_done()
    told = following.command("reindex", "verify", code=1)
    assert not told["passed"], "nobody fills it, however little that is behind"
    assert "has committed nothing" in cluster.fourtower("reindex", "verify", code=1)
    cluster.fourtower("reindex", "switch", "--unverified", code=1)
    following.start()
    told = following.verify()
    figures = {figure["name"]: figure["next"] for figure in told["figures"]}
    assert (figures["products"], figures["differing products"], figures["records behind"]) == (55, 0, 0)
    with following.by_hand() as index:
        found = index.get([*old, *new], consistency="strong")
        assert found.keys() == (old.keys() - {f"p{number}" for number in range(5)}) | new.keys()
        assert all(found[name].rows[0].title == product["title"] for name, product in new.items())
        held = index.read([f"p{number}" for number in range(5)], consistency="strong")
        assert all(each.complete is not None and each.complete.deleted for each in held.values())
        put_back = [row for number in range(5) for row in held[f"p{number}"].rows]
        index.store.delete([row.key for row in put_back], timeout_s=10)
    told = following.command("reindex", "verify", code=1)
    assert told["differences"] == {f"p{number}": "forgotten" for number in range(5)}

    def missed(who: str) -> bool:
        return f"has no {who}" in " ".join(cluster.fourtower("reindex", "verify", code=None).split())

    following.worker.kill()
    cluster.produce([event("upsert", "n0", 2, new["n1"])])
    wait_until(lambda: missed("worker"), what="what its worker said of itself has expired")
    following.ingester.kill()
    wait_until(lambda: missed("members"), what="the brokers miss its ingester")
    told = following.command("reindex", "verify", code=1)
    assert [(figure["name"], figure["next"], figure["ok"]) for figure in told["figures"]][1:] == [
        ("records behind", 1, False)
    ]
    cluster.fourtower("reindex", "switch", "--unverified", code=1)


METRICS = [
    pytest.param({"compacted": True}, "COSINE", id="COSINE-lite"),
    pytest.param({"compacted": True}, "L2", id="L2-lite", marks=pytest.mark.long),
    pytest.param({"compacted": True, "server": True}, "COSINE", id="COSINE-server", marks=pytest.mark.long),
    pytest.param({"compacted": True, "server": True}, "L2", id="L2-server", marks=pytest.mark.long),
]


@pytest.mark.parametrize(("following", "metric"), METRICS, indirect=["following"])
def test_another_metric_is_reconciled_repaired_and_searched_like_the_first(following: Following, metric: str) -> None:
    cluster, chance = following.cluster, random.Random(8)
    shop = {f"s{number}": new_product(chance) for number in range(60)}
    for number, product in enumerate(shop.values()):
        product["images"] = [] if number % 3 == 0 else [{"url": f"images/{number}.png"}]
        if number % 5 == 1:
            product.pop("title")
    spoilt = [event("upsert", f"r{number}", 5, mug(f"mug {number}")) for number in range(7)]
    cluster.produce([*(event("upsert", name, 1, product) for name, product in shop.items()), *spoilt])
    cluster.produce([event("delete", "r4", 6)])
    cluster.wait_until_done()
    before = answers(cluster)
    following.command("reindex", "start", "--metric", metric)
    following.start()
    following.verify()
    with following.by_hand() as index:
        assert index.record is not None
        assert index.record.index.metric == metric
        expected = spoil(index)
    assert set(expected.values()) == set(CLASSES)
    found = following.reconcile(code=1)
    assert {each["product_id"]: each["class"] for each in found["findings"]} == expected
    mended = following.reconcile("--repair", "--delete-extra", code=0)
    assert {each["product_id"] for each in mended["findings"] if each["state"] == "repaired"} == expected.keys()
    with following.by_hand() as index:
        drop(index, *rows(index, "r8"), *deleted_rows(index, "r7"))
    told = following.verify()
    figures = {figure["name"]: figure["next"] for figure in told["figures"]}
    assert figures["recall@10"] > 0.95
    cluster.fourtower("reindex", "switch")
    after = answers(cluster)
    for query, hits in before.items():
        assert len(hits) > 50, query
        assert list(after[query]) == list(hits), query
        assert after[query] == pytest.approx(hits, abs=1e-4), query


def answers(cluster: Cluster) -> dict[str, dict[str, float]]:
    """What searches find, best first, with the scores."""
    picture = str(cluster.folder / "images" / "5.png")
    with SearchClient(cluster.index, alias=cluster.alias) as client:
        asked = {kind: client.search(kind, mode="vector", limit=100, depth=500) for kind in KINDS[:4]}
        asked["picture"] = client.search(image=picture, limit=100, depth=500)
        asked["both"] = client.search("red mug", image=picture, limit=100, depth=500)
        return {name: {hit.product_id: hit.score for hit in result} for name, result in asked.items()}


def deleted_rows(index: ProductIndex, product_id: str) -> tuple:
    return index.read([product_id], consistency="strong")[product_id].rows
