"""The next generation becomes live under writes and searches; the command is killed between its steps, and goes back.

Afterwards both collections hold what the oracle says, and no search ever failed.
"""

from __future__ import annotations

import json
import random
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, count, islice
from pathlib import Path

import pytest
from tests.stream.background import repeating
from tests.stream.cluster import GROUP, Cluster, Process, wait_until
from tests.stream.generator import KINDS, Message, event, messages, new_product
from tests.stream.oracle import judge
from tests.stream.verdict import check_everything, check_rows, read_log

from fourtower_encoders.embedder import Embedder
from fourtower_search import SearchClient
from fourtower_search.index.opening import open_generation, open_generations

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
KILLED = """
import os, signal
from fourtower_search.index.milvus.generations import MilvusGenerations
from fourtower_workers.cli import main

moment, method = os.environ["KILL"].split()
step = getattr(MilvusGenerations, method)

def last_step(*arguments, **named):
    if moment == "after":
        step(*arguments, **named)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(MilvusGenerations, method, last_step)
main()
"""
STEPS = {"before amend": 1, "after amend": 1, "before point": 1, "after point": 2}
"""Where a switch from generation 1 to 2 is killed, and what is live then."""


class KilledProcess(Process):
    """A command that is killed, with nothing left to say, just before or just after one of its steps."""

    program = (sys.executable, "-c", KILLED)


class Reindexed:
    """A cluster and the processes that fill its second generation."""

    def __init__(self, cluster: Cluster, towers: Path | None) -> None:
        self.cluster, self.towers = cluster, towers
        group = f"{GROUP}{cluster.topic}.g2"
        words = ("--generation", "2")
        self.ingester = self._process("ingest", *words, "--group", group, "--no-dead-letters")
        self.worker = self._process("worker", *words)
        self.processes = [self.ingester, self.worker]
        self.group = group

    def _process(self, *words: str, kind: type[Process] = Process, **environment: str) -> Process:
        log = self.cluster.folder / f"second-{words[0]}.log"
        return kind(*words, env=self.cluster.env | environment, log=log)

    def start(self) -> None:
        """Begin the generation, start what it asks for, and wait until it is filled."""
        changes = ["--model", str(self.towers)] if self.towers else ["--settings", '{"type": "FLAT"}']
        filling = self._process("reindex", "start", *changes)
        filling.start()
        self.processes.append(filling)
        asked = f"fourtower ingest --generation 2 --group {self.group} --no-dead-letters"
        wait_until(lambda: asked in filling.log.read_text(), what="it says what to start")
        self.worker.start()
        self.ingester.start()
        wait_until(lambda: not filling.alive, what="it is filled", timeout_s=120)
        assert filling.stop() == 0, filling.log.read_text()

    def stop(self) -> None:
        for process in self.processes:
            if process.alive:
                process.kill()

    def command(self, *words: str, code: int = 0) -> dict:
        return json.loads(self.cluster.fourtower("reindex", *words, "--json", code=code))

    def verify(self) -> dict:
        """Verify until it passes, as an operator would who sees that it was just not up to date yet."""
        told: list[dict] = []

        def passes() -> bool:
            told.append(json.loads(self.cluster.fourtower("reindex", "verify", "--json", "--recall", "0.9", code=None)))
            return told[-1]["passed"]

        try:
            wait_until(passes, what="it passes", timeout_s=120)
        except AssertionError as error:
            raise AssertionError(f"{error}: {json.dumps(told[-1])}\n{self.worker.log.read_text()[-3000:]}") from None
        return told[-1]

    def killed_switch(self, step: str) -> None:
        process = self._process("reindex", "switch", kind=KilledProcess, KILL=step)
        process.start()
        wait_until(lambda: not process.alive, what="it was killed")
        assert process.stop() == -signal.SIGKILL, process.log.read_text()

    def live(self) -> int:
        generations = open_generations(self.cluster.index, alias=self.cluster.alias)
        try:
            return generations.current(timeout_s=30).generation
        finally:
            generations.close()

    def wait_until_done(self) -> None:
        """Wait until both groups are done with every record."""
        self.cluster.wait_until_done(timeout_s=180)
        own = self.cluster.ends()
        wait_until(lambda: self._behind(own) == 0, what="the second group is done", timeout_s=180)

    def _behind(self, ends: dict) -> int:
        from fourtower_ingest.broker.admin import LogAdmin

        with LogAdmin(self.cluster.broker.settings()) as admin:
            committed = admin.committed(self.group)
        return sum(end - committed.get(partition, 0) for partition, end in ends.items())

    def check(self) -> None:
        """Both generations are what the oracle says."""
        told = check_everything(self.cluster)
        states, _ = judge(read_log(self.cluster.broker.bootstrap, self.cluster.topic))
        generations = open_generations(self.cluster.index, alias=self.cluster.alias)
        record = next(each for each in generations.records(timeout_s=30) if each.generation == 2)
        with (
            Embedder.load(self.towers or "demo", runtime="onnx") as towers,
            open_generation(generations, record, params=towers.params) as index,
        ):
            assert check_rows(index, states, towers, self.cluster.folder) == told["rows"] > 10
        generations.close()


class Searches:
    """Searches all the time, and notes which generations answered."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.faults, self.seen = cluster, list[str](), list[str]()

    @contextmanager
    def running(self) -> Iterator[None]:
        client = SearchClient(self.cluster.index, alias=self.cluster.alias, refresh_s=0.2, timeout_s=30)
        with client, repeating(lambda: self._search(client), every_s=0.05):
            yield

    def _search(self, client: SearchClient) -> None:
        for kind in KINDS[:3]:
            try:
                self.seen.append(client.search(kind, mode="vector").generation)
            except Exception as error:
                self.faults.append(repr(error))

    def reach(self, number: int) -> None:
        name = f"{self.cluster.alias}_g{number}"
        wait_until(lambda: self.faults or name in self.seen[-3:], what=f"searches reach {name}")


@contextmanager
def writing(cluster: Cluster, events: Sequence[Message]) -> Iterator[None]:
    """Publish all the time: events, and when they are at their end, ever newer versions of a few more products."""
    stream = chain(events, endless())

    def write() -> None:
        cluster.kcat(list(islice(stream, 10)))

    with repeating(write, every_s=0.5):
        yield
    write()


def endless() -> Iterator[Message]:
    chance = random.Random(0)
    for version in count(1):
        yield event("upsert", f"w{version % 20}", version, new_product(chance))


@pytest.fixture
def reindexed(new_cluster, request) -> Iterator[Reindexed]:
    towers = request.getfixturevalue("tiny_towers") if getattr(request, "param", None) else None
    reindexed = Reindexed(new_cluster(), towers)
    yield reindexed
    reindexed.stop()


@contextmanager
def under_load(reindexed: Reindexed, *, size: int, seed: int) -> Iterator[Searches]:
    """A second generation that is filled and verified, while events are published and searches go on all the time."""
    cluster = reindexed.cluster
    # Rows don't keep pictures that came inside events, so another model can't encode them until they come again.
    drawn = messages(size, seed=seed)
    inline = {each.key for each in drawn if b"data:image" in (each.value or b"")}
    events = [each for each in drawn if each.key not in inline]
    searches, quarter = Searches(cluster), len(events) // 4
    cluster.start()
    cluster.kcat(events[:quarter])
    cluster.wait_until_committed(quarter // 2)
    with searches.running(), writing(cluster, events[quarter:]):
        reindexed.start()
        told = reindexed.verify()
        assert {figure["name"] for figure in told["figures"]} >= {"records behind", "unlike the log", "recall@10"}
        yield searches
    assert searches.faults == []
    reindexed.wait_until_done()
    reindexed.check()


def kill(reindexed: Reindexed, searches: Searches, step: str) -> None:
    """Kill a switch at one of its steps, and see that searches are where the alias is."""
    reindexed.killed_switch(step)
    assert reindexed.live() == STEPS[step]
    searches.reach(STEPS[step])


def refusal(reindexed: Reindexed, *words: str) -> str:
    """What a command says that refuses."""
    process = reindexed._process("reindex", *words)
    process.start()
    wait_until(lambda: not process.alive, what="it refuses")
    assert process.stop() == 1
    return process.log.read_text()


def test_a_switch_under_writes_that_is_killed_goes_on_and_can_be_gone_back_from(reindexed: Reindexed) -> None:
    with under_load(reindexed, size=600, seed=19) as searches:
        kill(reindexed, searches, "before point")
        kill(reindexed, searches, "after point")
        told = reindexed.command("rollback")
        assert (told["live"], told["previous"], told["moved"]) == (1, 2, True)
        searches.reach(1)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("reindexed", [True], indirect=True)
def test_a_switch_between_models_survives_a_kill_at_every_step(reindexed: Reindexed) -> None:
    with under_load(reindexed, size=3_000, seed=20) as searches:
        for step in STEPS:
            kill(reindexed, searches, step)
        assert not reindexed.command("switch", "2")["moved"], "the last one had moved the alias before it died"
        assert reindexed.command("rollback")["live"] == 1
        searches.reach(1)
        assert "fourtower reindex switch 2" in refusal(reindexed, "rollback")
        assert reindexed.command("switch")["live"] == 2
        searches.reach(2)
        reindexed.command("rollback")
        searches.reach(1)
