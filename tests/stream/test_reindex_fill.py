"""The next generation is filled beside the live one while events go on, by processes of its own; both end as the log.

Each generation is compared with the oracle through an engine's client, not through what filled it.
"""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import urllib.request
from collections.abc import Callable, Iterator
from itertools import count

import numpy as np
import pytest
from tests.services.processes import free_port
from tests.stream.background import publishing
from tests.stream.cluster import Cluster, Process, wait_until
from tests.stream.generator import CATALOG, Message, event, messages, new_product
from tests.stream.oracle import judge
from tests.stream.verdict import check_everything, read_log, vectors_of

from fourtower_encoders.embedder import Embedder
from fourtower_ingest.broker.admin import LogAdmin
from fourtower_ingest.settings import RedisSettings
from fourtower_ingest.status import processes_in, queued_in
from fourtower_ingest.wire import Topology, queue_name
from fourtower_search.index.opening import open_generation, open_generations

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
WIDER = CATALOG + '\n[attributes.maker]\ntype = "string"\n'


class Next:
    """The processes that fill a generation, started with the very commands that `reindex start` prints."""

    def __init__(self, cluster: Cluster, commands: list[str], **environment: str) -> None:
        self.port = free_port()
        env = cluster.env | environment
        words = {command.split()[1]: shlex.split(command)[1:] for command in commands}
        log = cluster.folder / "next.log"
        self.worker = Process(*words["worker"], "--nice", "5", "--metrics-port", str(self.port), env=env, log=log)
        self.ingester = Process(*words["ingest"], env=env, log=log)
        self.group = words["ingest"][words["ingest"].index("--group") + 1]

    def stop(self) -> None:
        for process in (self.ingester, self.worker):
            if process._process is not None and process.alive:
                process.kill()

    def encoded(self) -> float:
        """Texts and pictures that its workers have encoded."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        return sum(float(value) for value in re.findall(r"^fourtower_worker_encoded_total\{[^}]*\} (\S+)", text, re.M))

    def wait_until_done(self, cluster: Cluster) -> None:
        """Wait until its group is done with the log, too."""
        ends = cluster.ends()

        def done() -> bool:
            assert self.worker.alive
            assert self.ingester.alive
            with LogAdmin(cluster.broker.settings()) as admin:
                committed = {tuple(each): offset for each, offset in admin.committed(self.group).items()}
            return all(committed.get(partition, 0) == end for partition, end in ends.items())

        try:
            wait_until(done, what="the next generation is up to date", every_s=0.5)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.worker.log.read_text()[-6000:]}") from None


@pytest.fixture
def next_processes() -> Iterator[Callable[..., Next]]:
    """Makes the processes of a next generation, which are ended with the test."""
    made: list[Next] = []

    def new(*arguments, **environment) -> Next:
        made.append(Next(*arguments, **environment))
        return made[-1]

    yield new
    for processes in made:
        processes.stop()


def changes(products: dict[str, dict]) -> Iterator[Message]:
    """Products with other prices, drawn at random, without end; every tenth of them is deleted for good."""
    chance = random.Random(1)
    leaving = sorted(products)[::10]
    staying = sorted(products.keys() - set(leaving))
    for version in count(10):
        if leaving and version % 10 == 0:
            yield event("delete", leaving.pop(), version)
        else:
            name = chance.choice(staying)
            products[name]["attributes"]["price"] = float(version)
            yield event("upsert", name, version, products[name])


def check_generation(cluster: Cluster, number: int, declared: set[str], model: str = "demo") -> None:
    """A generation holds what the oracle says; pictures that were only in old events may be missing."""
    states, _ = judge(read_log(cluster.broker.bootstrap, cluster.topic))
    generations = open_generations(cluster.index, alias=cluster.alias)
    record = next(each for each in generations.records(timeout_s=30) if each.generation == number)
    with open_generation(generations, record) as index, Embedder.load(model, runtime="onnx") as towers:
        generations.close()
        stored = dict(index.iterate_stored(consistency="strong"))
        assert {name: (held.complete.version, held.complete.deleted) for name, held in stored.items()} == {
            name: (version, product is None) for name, (version, product) in states.items()
        }
        assert [name for name, held in stored.items() if len(held.rows) != len(held.current)] == []
        live = {name: product for name, (_, product) in states.items() if product is not None}
        found = index.get(list(live), vectors=True, consistency="strong")
        for name, product in live.items():
            rows = found[name].rows
            assert set(rows[0].attributes) == {key for key, value in product["attributes"].items() if value} & declared
            if not any(image["url"].startswith("data:") for image in product.get("images", ())):
                expected = vectors_of(product, towers, cluster.folder)
                np.testing.assert_allclose(np.stack([row.vector for row in rows]), expected, atol=2e-4, err_msg=name)


def test_rows_are_copied_while_events_go_on_and_nothing_is_encoded(new_cluster, next_processes):
    cluster = new_cluster(compacted=True)
    cluster.start()
    chance = random.Random(5)
    products = {f"p{number:03d}": new_product(chance) for number in range(120)}
    cluster.produce([event("upsert", name, 1, product) for name, product in products.items()])
    cluster.wait_until_done()
    (cluster.folder / "wider.toml").write_text(WIDER)
    asked = ("--catalog", str(cluster.folder / "wider.toml"), "--settings", '{"type": "FLAT"}')
    with publishing(cluster, changes(products), every_s=0.02) as published:
        begun = json.loads(cluster.fourtower("reindex", "start", *asked, "--json"))
        assert (begun["copied"], begun["sent"], begun["failed"], begun["done"]) == (120, 0, 0, True)
        processes = next_processes(cluster, begun["commands"])
        processes.worker.start()
        processes.ingester.start()
        wait_until(lambda: len(published) > 150, what="more is published")
    cluster.wait_until_done()
    processes.wait_until_done(cluster)
    assert processes.encoded() == 0
    first, second = (os.getpriority(os.PRIO_PROCESS, worker.pid) for worker in (cluster.worker, processes.worker))
    assert second == min(first + 5, 19)
    check_everything(cluster)
    check_generation(cluster, 2, {"category", "price", "stock", "tags", "maker"})
    check_status(cluster)
    assert cluster.fourtower("reindex", "drop", "2", "--yes", code=2) == "", "its processes run"
    assert processes.ingester.stop() == 0
    assert processes.worker.stop() == 0
    queue = queue_name(following(cluster))
    wait_until(
        lambda: not any(each.facts.get("queue") == queue for each in processes_in(redis(cluster))), what="they are gone"
    )
    cluster.fourtower("reindex", "drop", "2", "--yes")
    with LogAdmin(cluster.broker.settings()) as admin:
        assert admin.committed(processes.group) == {}
    assert [each["generation"] for each in status(cluster)] == [1]


def redis(cluster: Cluster) -> RedisSettings:
    return RedisSettings(url=cluster.redis.url)


def following(cluster: Cluster) -> Topology:
    return Topology(alias=cluster.alias, generation=2)


def status(cluster: Cluster) -> list[dict]:
    return json.loads(cluster.fourtower("reindex", "status", "--json"))["generations"]


def check_status(cluster: Cluster) -> None:
    first, second = status(cluster)
    assert (first["live"], second["live"]) == (True, False)
    assert first["products"] == second["products"] == 108
    assert (second["lag"], second["queued"], len(second["processes"])) == (0, 0, 2)
    assert second["differs"][0] == "catalog: +maker"


def test_another_model_encodes_anew_from_a_topic_of_patches_and_survives_a_kill(
    new_cluster, next_processes, tiny_towers
):
    cluster = new_cluster()
    cluster.start()
    flood = messages(240, seed=11)
    cluster.kcat(flood[:160])
    cluster.wait_until_done()
    start = cluster._process("reindex", "start", "--model", str(tiny_towers))
    start.start()
    commands = wait_until(lambda: printed(start), what="the commands are printed")
    processes = next_processes(cluster, commands, FOURTOWER_FLOW_PATCH_BASE_TIMEOUT_S="2")
    processes.ingester.start()
    cluster.kcat([*flood[160:], event("upsert", "late", 1, {"title": "no category"})])
    wait_until(lambda: queued_in(redis(cluster), following(cluster)), what="products wait for a worker")
    assert start.alive
    start.kill()
    assert status(cluster)[1]["seeding"]["done"] is False
    processes.worker.start()
    done = json.loads(cluster.fourtower("reindex", "start", "--json"))
    assert (done["done"], done["failed"]) == (True, 0)
    assert done["sent"] > 10
    cluster.wait_until_done()
    processes.wait_until_done(cluster)
    assert processes.encoded() > 0
    check_everything(cluster)
    check_generation(cluster, 2, {"category", "price", "stock", "tags"}, model=str(tiny_towers))
    assert "Dropped without a dead letter" in processes.ingester.log.read_text()


def printed(start: Process) -> list[str]:
    """The commands that `reindex start` names, once it has named both."""
    lines = [line.strip() for line in start.log.read_text().splitlines() if line.startswith("  fourtower ")]
    return lines if len(lines) == 2 else []
