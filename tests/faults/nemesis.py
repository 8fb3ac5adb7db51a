"""What a nemesis can do to a stage that goes on living: each deed does damage and mends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.actors import Actor
from tests.faults.proxy import Proxy
from tests.faults.stage import Stage

AWAY_S = (3.0, 10.0)
BEYOND_SESSION_S = 10.0


@dataclass(frozen=True)
class Deed:
    """Damage, and what mends it."""

    name: str
    do: Callable[[Stage], None]


def _restarted(choose: Callable[[Stage], Actor], end: Callable[[Actor], object]) -> Callable[[Stage], None]:
    def do(stage: Stage) -> None:
        actor = choose(stage)
        end(actor)
        stage.pause(stage.chance.uniform(0, AWAY_S[1]))
        actor.start()

    return do


def _frozen(choose: Callable[[Stage], Actor], seconds: tuple[float, float] = AWAY_S) -> Callable[[Stage], None]:
    def do(stage: Stage) -> None:
        actor = choose(stage)
        actor.freeze()
        stage.pause(stage.chance.uniform(*seconds))
        actor.thaw()

    return do


def _child_killed(stage: Stage) -> None:
    worker = stage.chance.choice(stage.workers)
    children = stage.wait(worker.process.children, what="the worker has children")
    worker.kill_child(stage.chance.choice(children))


def _manners(choose: Callable[[Stage], Proxy], **manners: object) -> Callable[[Stage], None]:
    def do(stage: Stage) -> None:
        choose(stage).behave(**manners)
        stage.pause(stage.chance.uniform(*AWAY_S))
        choose(stage).heal()

    return do


def _an_ingester(stage: Stage) -> Actor:
    return stage.chance.choice(stage.ingesters)


def _a_worker(stage: Stage) -> Actor:
    return stage.chance.choice(stage.workers)


def _kafka(stage: Stage) -> Actor:
    return stage.kafka


def _redis(stage: Stage) -> Actor:
    return stage.redis


def _milvus(stage: Stage) -> Actor:
    return stage.milvus


PROXIES: dict[str, Callable[[Stage], Proxy]] = {
    "Kafka": lambda stage: stage.kafka_proxy,
    "Redis": lambda stage: stage.redis_proxy,
    "Milvus": lambda stage: stage.milvus_proxy,
}
DEEDS: tuple[Deed, ...] = (
    Deed("child killed", _child_killed),
    Deed("worker killed", _restarted(_a_worker, Actor.kill)),
    Deed("worker told to end", _restarted(_a_worker, Actor.stop)),
    Deed("worker frozen", _frozen(_a_worker)),
    Deed("worker frozen beyond all deadlines", _frozen(_a_worker, (30.0, 40.0))),
    Deed("ingester killed", _restarted(_an_ingester, Actor.kill)),
    Deed("ingester told to end", _restarted(_an_ingester, Actor.stop)),
    Deed("ingester frozen beyond its session", _frozen(_an_ingester, (BEYOND_SESSION_S, 2 * BEYOND_SESSION_S))),
    Deed("Redis wiped", lambda stage: stage.redis.do("flush", stage.cluster.redis.flush)),
    Deed("Redis killed", _restarted(_redis, Actor.kill)),
    Deed("Redis frozen", _frozen(_redis)),
    Deed("Kafka killed", _restarted(_kafka, Actor.kill)),
    Deed("Kafka frozen", _frozen(_kafka)),
    Deed("Milvus killed", _restarted(_milvus, Actor.kill)),
    Deed("Milvus frozen", _frozen(_milvus)),
    *(Deed(f"connections to {name} reset", lambda stage, of=of: of(stage).reset()) for name, of in PROXIES.items()),
    *(
        Deed(f"an answer of {name} lost", lambda stage, of=of: of(stage).drop_next_answer())
        for name, of in PROXIES.items()
    ),
    *(Deed(f"{name} a black hole", _manners(of, silent=True)) for name, of in PROXIES.items()),
    *(Deed(f"answers of {name} lost", _manners(of, mute=True)) for name, of in PROXIES.items()),
    *(Deed(f"{name} late by 2 s", _manners(of, latency_s=2.0)) for name, of in PROXIES.items()),
)
