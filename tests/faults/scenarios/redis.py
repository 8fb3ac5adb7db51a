"""Faults of Redis: it forgets, dies, hangs; Kafka holds all that matters."""

from __future__ import annotations

import time
from pathlib import Path

from tests.faults.metrics import total
from tests.faults.scenario import Scenario, StageSettings
from tests.faults.scenarios.processes import under_load
from tests.faults.stage import Stage

NOTICED_S = 3.0
HUNG_S = 30.0
TICK_S = 5.0
"""The longest that the poll loop may stand still."""


def forgets(stage: Stage) -> None:
    """FLUSHALL; the ingester notices by its counter, and sends everything unfinished again."""
    under_load(stage)
    before = _resubmissions(stage)
    stage.strike("Redis is flushed")
    stage.redis.do("flush", stage.redis.target.flush)
    stage.heal()
    stage.wait(lambda: "was wiped or set back" in stage.logs(10**6), what="it was noticed", timeout_s=NOTICED_S)
    stage.settle()
    assert _resubmissions(stage) >= before


def dies(stage: Stage) -> None:
    """Killed, away for some seconds, and back with nothing."""
    under_load(stage)
    stage.strike("Redis is killed")
    stage.redis.kill()
    stage.pause(6)
    stage.check_alive()
    stage.redis.start()
    stage.heal()
    stage.settle()


def hangs(stage: Stage) -> None:
    """Accepts, and says nothing; the ingester goes on polling, and stays in its group."""
    under_load(stage)
    beat = stage.folder / "heartbeat"
    stage.strike("Redis is frozen")
    stage.redis.freeze()
    oldest = _oldest_beat(stage, beat)
    stage.redis.thaw()
    stage.heal()
    stage.settle()
    stage.note("heartbeat", oldest_s=round(oldest, 2))
    assert oldest < TICK_S, f"the poll loop stood still for {oldest:.1f} s"
    assert "No longer reading" not in stage.ingester.process.log.read_text(), "the group took its partitions away"


def vanishes(stage: Stage) -> None:
    """The network to Redis is a black hole, and then every connection is reset."""
    under_load(stage)
    stage.strike("what is said to Redis is lost")
    stage.redis_proxy.behave(silent=True)
    stage.pause(8)
    stage.redis_proxy.heal()
    stage.redis_proxy.reset()
    stage.heal()
    stage.settle()


def _oldest_beat(stage: Stage, beat: Path) -> float:
    end, oldest = time.monotonic() + HUNG_S, 0.0
    while time.monotonic() < end:
        oldest = max(oldest, time.time() - beat.stat().st_mtime)
        stage.check_alive()
        stage.pause(0.2)
    return oldest


def _resubmissions(stage: Stage) -> float:
    return total(stage.metrics(stage.ingester), "fourtower_ingest_resubmissions_total")


SCENARIOS = [
    Scenario("F7", "Redis forgets everything under load", forgets),
    Scenario("F8a", "Redis is killed, and comes back empty", dies),
    Scenario("F8b", f"Redis hangs for {HUNG_S:.0f} s", hangs, setup=StageSettings(heartbeats=True), events=3_000),
    Scenario("F8c", "Redis vanishes in the network, and its connections break", vanishes),
]
