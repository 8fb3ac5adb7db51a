"""Faults of our own processes: killed, frozen, ended, joined and left in the middle of the work."""

from __future__ import annotations

import time

from tests.faults.actors import Actor
from tests.faults.metrics import total
from tests.faults.scenario import Limits, Scenario, StageSettings
from tests.faults.stage import Stage
from tests.stream.generator import Message, event, new_product

from fourtower_search.index.opening import open_index

EARLY = 150
"""Records that are done with when the fault strikes."""
PER_S = 80
LOAD_S = 5.0
"""More than the 4 s that Celery allows a child that takes another one's place, unless it is told otherwise."""
SHORT = {
    "FOURTOWER_WORKER_TIME_LIMIT_S": "10",
    "FOURTOWER_FLOW_START_DEADLINE_S": "12",
    "FOURTOWER_FLOW_VERIFY_DEADLINE_S": "10",
    "FOURTOWER_FLOW_VISIBILITY_TIMEOUT_S": "15",
}
"""Deadlines that a test can wait for."""
VISIBILITY_S = 15
SESSION_S = 6
"""As the cluster's ingesters have it."""
DRAIN_S = 8
SWEPT_S = 25
"""In which a killed child is replaced, its successor has loaded, and has looked at what was being written."""


def nothing(stage: Stage) -> None:
    """Nothing goes wrong: what the others are compared with."""
    under_load(stage)
    stage.settle()


def under_load(stage: Stage) -> None:
    """Publish steadily, and wait until the work has begun."""
    stage.publish_steadily(stage.messages(), per_s=PER_S)
    stage.wait_until_committed(EARLY)


def child_killed_while_it_encodes(stage: Stage) -> None:
    """Its batch is reported lost and done again by the child that takes its place."""
    _child_killed_at(stage, "encode")


def child_killed_after_it_wrote(stage: Stage) -> None:
    """The rows are in the index, and nobody says so."""
    _child_killed_at(stage, "written")


def _child_killed_at(stage: Stage, place: str) -> None:
    under_load(stage)
    stage.failpoints.hold(place)
    victim = stage.wait(lambda: stage.failpoints.held(place), what=f"a child is at {place}")[-1]
    stage.strike(f"child {victim} is killed at {place}")
    stage.worker.kill_child(victim)
    stage.failpoints.release(place)
    stage.heal()
    stage.wait_for_progress(1, timeout_s=5 + LOAD_S + 10)
    stage.settle()
    children = stage.worker.process.children()
    assert children, "no child took its place"
    assert victim not in children


def worker_killed(stage: Stage) -> None:
    """Killed with its children in the middle of a batch; a supervisor starts another one."""
    under_load(stage)
    stage.failpoints.hold("encode")
    stage.wait(lambda: stage.failpoints.held("encode"), what="a child encodes")
    stage.strike("the worker is killed with its children")
    stage.worker.kill()
    stage.failpoints.release("encode")
    stage.worker.start()
    stage.heal()
    stage.settle()


def worker_killed_before_it_checked(stage: Stage) -> None:
    """Its rows are written, those that they replace are still there, and nobody has heard that it is done."""
    under_load(stage)
    stage.strike("the worker checks nothing any more, and is killed")
    stage.failpoints.hold("check")
    stage.wait(lambda: stage.failpoints.held("check"), what="a child is about to check what it wrote")
    stage.publisher.join()
    stage.pause(3)
    stage.worker.kill()
    stage.failpoints.release("check")
    stage.worker.start()
    stage.heal()
    stage.settle()


def worker_frozen_before_it_writes(stage: Stage) -> None:
    """Another worker does its batch, then newer versions; woken, it writes what was true long ago."""
    events = stage.messages()
    zombie, other = stage.workers
    stage.publish_steadily(events, per_s=PER_S)
    stage.wait_until_committed(EARLY)
    stage.failpoints.hold("write")
    held = stage.wait(lambda: _held_by(stage, zombie), what="a child of the first worker is about to write")
    stage.strike("a worker is frozen right before it writes")
    zombie.freeze()
    stage.failpoints.release("write")
    stage.pause(VISIBILITY_S + 5)
    stage.publish(newer(stage, events))
    stage.wait(lambda: stage.left() == 0, what="the other worker has done it all")
    stage.failpoints.hold("check")  # else it may be swept sooner than anybody has seen it
    zombie.thaw()
    stage.heal()
    zombie_rows = stage.wait(lambda: surplus(stage), what="what the frozen worker wrote is in the index", timeout_s=30)
    stage.note("zombie", pids=held, rows=zombie_rows)
    stage.failpoints.release("check")
    stage.wait(lambda: not surplus(stage), what="what the frozen worker wrote is swept", timeout_s=SWEPT_S)
    stage.settle()
    assert other.alive


def surplus(stage: Stage) -> int:
    """Rows of versions that are not the highest complete ones."""
    with open_index(stage.cluster.index, alias=stage.cluster.alias) as index:
        stored = index.iterate_stored(consistency="strong")
        return sum(len(held.rows) - len(held.current) for _, held in stored)


def newer(stage: Stage, events: list[Message]) -> list[Message]:
    """One more version of every product that is not there to fail."""
    names = sorted({each.key.decode() for each in events if each.key and each.key.startswith(b"p")})
    return [event("upsert", name, 10**6, new_product(stage.chance)) for name in names]


def _held_by(stage: Stage, worker: Actor) -> list[int]:
    children = worker.process.children()
    return [pid for pid in stage.failpoints.held("write") if pid in children]


def ingester_killed(stage: Stage) -> None:
    """Killed with batches in flight and dead letters on their way."""
    under_load(stage)
    stage.strike("the ingester is killed")
    stage.ingester.kill()
    stage.ingester.start()
    stage.heal()
    stage.settle()


def ingester_frozen(stage: Stage) -> None:
    """Its partitions go to the other one; woken, it learns that it has lost them."""
    under_load(stage)
    frozen, other = stage.ingesters
    stage.strike("an ingester is frozen beyond its session timeout")
    frozen.freeze()
    stage.wait(lambda: _assigned(stage, other) == stage.settings.partitions, what="the other one reads everything")
    stage.pause(3)
    frozen.thaw()
    stage.heal()
    stage.settle()
    stage.wait(lambda: _shared(stage), what="both read again")


def _assigned(stage: Stage, ingester: Actor) -> int:
    try:
        return int(total(stage.metrics(ingester), "fourtower_ingest_partitions_assigned"))
    except OSError:
        return 0


def _shared(stage: Stage) -> bool:
    """Whether each partition is read by one ingester, and none stands still."""
    figures = [stage.metrics(each) for each in stage.ingesters if each.alive]
    assigned = sum(total(each, "fourtower_ingest_partitions_assigned") for each in figures)
    return assigned == stage.settings.partitions and not any(total(each, "fourtower_ingest_paused") for each in figures)


def rebalance_storm(stage: Stage) -> None:
    """Every three seconds somebody joins or leaves; then all are restarted one after the other."""
    under_load(stage)
    stage.strike("members come and go")
    for turn in range(5):
        member = stage.chance.choice(stage.ingesters[1:])
        member.stop() if member.alive else member.start()
        stage.pause(3)
        stage.note("turn", number=turn, alive=[each.name for each in stage.ingesters if each.alive])
    for member in stage.ingesters:
        if member.alive:
            stage.wait(lambda: _serves(stage, member), what=f"{member.name} has started")  # noqa: B023  called at once
            assert member.stop() == 0, f"{member.name} did not end well"
        member.start()
    stage.heal()
    stage.settle()
    stage.wait(lambda: _shared(stage), what="every partition is read again, and none stands still")


def _serves(stage: Stage, actor: Actor) -> bool:
    """Whether it has started; before that, being told to end ends it as any other process."""
    try:
        return bool(stage.metrics(actor))
    except OSError:
        return False


def told_to_end(stage: Stage) -> None:
    """Ingester and worker end in time, with nothing in neither queue nor index, and go on when started again."""
    under_load(stage)
    stage.strike("the ingester is told to end, then the worker")
    for actor, grace_s in ((stage.ingester, DRAIN_S + 12), (stage.worker, 25 + 5)):
        began = time.monotonic()
        code = actor.stop()
        took = time.monotonic() - began
        stage.note("ended", who=actor.name, seconds=round(took, 2))
        assert code == 0, f"{actor.name} ended with {code}"
        assert took < grace_s, f"{actor.name} took {took:.0f} s to end"
        actor.start()
        stage.recover()
    stage.heal()
    stage.settle()


HELD = StageSettings(encoder="failpoints", environment=SHORT)
CRASHED = Limits(repeated_letters=True)
"""Also where an ingester ends well: what waits is read again, with the dead letters after it that were written."""
SCENARIOS = [
    Scenario("F0", "Nothing goes wrong", nothing),
    Scenario(
        "F1a",
        f"A child is killed while it encodes, and its successor loads for {LOAD_S:g} s",
        child_killed_while_it_encodes,
        setup=StageSettings(encoder="slow_failpoints"),
    ),
    Scenario(
        "F1b",
        "A child is killed between writing rows and saying so",
        child_killed_after_it_wrote,
        setup=StageSettings(encoder="slow_failpoints"),
    ),
    Scenario("F2a", "A worker is killed with its children in the middle of a batch", worker_killed, setup=HELD),
    Scenario(
        "F2b",
        "A worker is killed when its rows are written and not checked yet",
        worker_killed_before_it_checked,
        setup=HELD,
    ),
    Scenario(
        "F3",
        "A worker is frozen right before it writes, and wakes when newer versions are there",
        worker_frozen_before_it_writes,
        setup=StageSettings(workers=2, encoder="failpoints", environment=SHORT),
    ),
    Scenario("F4", "An ingester is killed with batches in flight", ingester_killed, limits=CRASHED),
    Scenario(
        "F5",
        "An ingester is frozen beyond its session timeout, and wakes",
        ingester_frozen,
        setup=StageSettings(ingesters=2),
        limits=CRASHED,
    ),
    Scenario(
        "F6",
        "Ingesters join and leave every three seconds, then restart one by one",
        rebalance_storm,
        setup=StageSettings(ingesters=3, environment={"FOURTOWER_FLOW_DRAIN_S": str(DRAIN_S)}),
        limits=CRASHED,
    ),
    Scenario(
        "F18",
        "Ingester and worker are told to end under load",
        told_to_end,
        events=3_000,
        setup=StageSettings(environment={"FOURTOWER_FLOW_DRAIN_S": str(DRAIN_S)}),
        limits=CRASHED,
    ),
]
