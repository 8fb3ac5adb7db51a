"""What befalls the servers that keep things: Kafka and Milvus end, are killed, hang, answer late or not at all.

After each the same must hold: offsets, dead letters and index are what the log says, nothing was set aside because of
an outage, and clients that search are told so at once and find again when it is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.faults.failpoints import Failpoints
from tests.faults.scenario import Limits, Scenario, StageSettings
from tests.faults.stage import Stage
from tests.faults.traffic import new_products
from tests.stream.generator import Message, bad_groups

from fourtower_search import SearchClient
from fourtower_search.errors import IndexUnavailable

EARLY = 250
"""Records that are done with when the fault strikes."""
CALL_S = 2.0
"""What a search may take, by the client's own settings."""
SLACK_S = 1.5
"""Above that, for a machine on which everything else runs as well."""
DURING: dict[str, float] = {"search_failures": 1.0}
"""Where searches must fail while the index is away, and the scenario itself looks how."""


def under_load(stage: Stage) -> None:
    """Publish everything, and wait until the work has begun."""
    stage.publish(stage.messages())
    stage.wait_until_committed(EARLY)


# Kafka


def kafka_restarts(stage: Stage) -> None:
    """Twice, as in a rolling upgrade of one broker."""
    stage.publish_steadily(stage.messages(), per_s=40)
    stage.wait_until_committed(200)
    for _ in range(2):
        stage.strike("kafka is restarted")
        stage.kafka.stop()
        stage.pause(4)
        stage.kafka.start()
        stage.heal()
        stage.publish(hopeless(stage, 30))
        stage.wait_for_progress(50)
    stage.settle()


def kafka_hangs(stage: Stage) -> None:
    """Longer than a session and a request may last; dead letters are due and must wait, not be dropped."""
    stage.publish(hopeless(stage, 60))
    under_load(stage)
    stage.publish(hopeless(stage, 60))
    stage.strike("kafka hangs")
    stage.kafka.freeze()
    stage.pause(25)
    stage.kafka.thaw()
    stage.heal()
    stage.settle()


def kafka_is_killed(stage: Stage) -> None:
    """Without a chance to say goodbye, while dead letters are being written."""
    under_load(stage)
    stage.publish(hopeless(stage, 100))
    stage.strike("kafka is killed")
    stage.kafka.kill()
    stage.pause(8)
    stage.kafka.start()
    stage.heal()
    stage.settle()


def hopeless(stage: Stage, count: int) -> list[Message]:
    """So many records that end as dead letters, or nearly all of them do."""
    groups = bad_groups(stage.chance, count)
    name = f"h{stage.published}-".encode()
    found = [message for group in groups for message in group]
    return [_renamed(message, name) for message in found]


def _renamed(message: Message, name: bytes) -> Message:
    """The same about another product, so that no two batches speak of one."""
    key = message.key and message.key.replace(b"bad", name)
    value = message.value and message.value.replace(b'"bad', b'"' + name)
    return Message(key, value, message.headers, message.plain)


# Milvus


def milvus_is_killed(stage: Stage) -> None:
    """And comes back after a while with the same data."""

    def away() -> None:
        stage.milvus.kill()
        stage.pause(12)

    _without_milvus(stage, "milvus is killed", away, stage.milvus.start)


def milvus_hangs(stage: Stage) -> None:
    """Its connections stay open; nothing is answered."""
    _without_milvus(stage, "milvus hangs", lambda: _lasting(stage, stage.milvus.freeze, 30), stage.milvus.thaw)


def milvus_answers_late(stage: Stage) -> None:
    """Each answer comes half a minute late, which is later than anybody waits for it."""
    _without_milvus(
        stage,
        "milvus answers 30 s late",
        lambda: _lasting(stage, lambda: stage.milvus_proxy.behave(latency_s=30), 35),
        stage.milvus_proxy.heal,
    )


def milvus_refuses(stage: Stage) -> None:
    """Open connections break, new ones are refused."""

    def refuse() -> None:
        stage.milvus_proxy.behave(refuse=True)
        stage.milvus_proxy.reset()

    _without_milvus(stage, "milvus refuses connections", lambda: _lasting(stage, refuse, 20), stage.milvus_proxy.heal)


def _without_milvus(stage: Stage, what: str, away: Callable[[], None], back: Callable[[], None]) -> None:
    under_load(stage)
    with searching(stage) as client:
        assert client.search("mug").hits, "something is found before"
        stage.strike(what)
        stage.publish(new_products(400, seed=stage.seed, name="meanwhile"))
        with telling(stage, client):
            away()
        back()
        stage.heal()
        stage.wait(lambda: _finds(client), what="the same client finds again", timeout_s=30)
    stage.settle()


def _lasting(stage: Stage, fault: Callable[[], None], seconds: float) -> None:
    fault()
    stage.pause(seconds)


@contextmanager
def searching(stage: Stage) -> Iterator[SearchClient]:
    """A client of a shop, which does not wait long."""
    with SearchClient(stage.index, alias=stage.cluster.alias, timeout_s=CALL_S) as client:
        yield client


@contextmanager
def telling(stage: Stage, client: SearchClient) -> Iterator[None]:
    """Search when the fault has lasted for a while: the client must say soon that the index can't be had."""
    yield
    began = time.monotonic()
    try:
        client.search("lamp")
    except IndexUnavailable as error:
        seconds = time.monotonic() - began
        stage.note("search_told", seconds=round(seconds, 2), message=str(error))
        assert seconds < CALL_S + SLACK_S, f"it took {seconds:.1f} s to say so"
    else:
        raise AssertionError("a search was answered although the index is away")


def _finds(client: SearchClient) -> bool:
    try:
        return bool(client.search("mug").hits)
    except IndexUnavailable:
        return False


def answers_of_writes_are_lost(stage: Stage) -> None:
    """Rows reach the index, but nobody hears of it: what became of them is in doubt, three times over."""
    points = stage.failpoints
    assert points is not None
    under_load(stage)
    for number in range(3):
        _lose_an_answer(stage, points, new_products(200, seed=stage.seed, name=f"doubt{number}-"))
        stage.wait(lambda: stage.left() == 0, what="the batch in doubt is done with, or the next may be it again")
    stage.settle()


def _lose_an_answer(stage: Stage, points: Failpoints, events: list[Message]) -> None:
    points.hold("write")
    stage.publish(events)
    stage.wait(lambda: points.held("write"), what="a child is about to write")
    rows = _rows(stage)
    stage.strike("the answer to a write is lost")
    stage.milvus_proxy.behave(mute=True)
    points.release("write")
    stage.wait(lambda: _rows(stage) - rows, what="the rows have arrived all the same")
    stage.pause(4)
    stage.milvus_proxy.heal()
    stage.heal()


def any_answers_are_lost(stage: Stage) -> None:
    """Sixty answers of Milvus, to whatever they belong, and their connections with them."""
    under_load(stage)
    stage.strike("answers of Milvus are lost")
    for _ in range(60):
        stage.milvus_proxy.drop_next_answer()
        stage.pause(stage.chance.uniform(0.05, 0.5))
    stage.heal()
    stage.settle()


def _rows(stage: Stage) -> set[str]:
    """Keys of all rows that are stored, of whatever version; asked past the proxy."""
    from fourtower_search.index.opening import open_index

    with open_index(stage.cluster.index, alias=stage.cluster.alias) as index:
        return {row.key for _, held in index.iterate_stored(consistency="strong") for row in held.rows}


SCENARIOS = [
    Scenario("F9a", "Kafka is restarted twice", kafka_restarts),
    Scenario("F9b", "Kafka hangs for 25 s with dead letters due", kafka_hangs),
    # A letter whose acknowledgement died with the broker is written again.
    Scenario("F9c", "Kafka is killed and started again", kafka_is_killed, limits=Limits(repeated_letters=True)),
    Scenario("F10a", "Milvus is killed and started again", milvus_is_killed, limits=Limits(**DURING)),
    Scenario("F10b", "Milvus hangs for 30 s", milvus_hangs, limits=Limits(**DURING)),
    Scenario("F10c", "Milvus answers 30 s late", milvus_answers_late, limits=Limits(**DURING)),
    Scenario("F10d", "Milvus refuses connections", milvus_refuses, limits=Limits(**DURING)),
    Scenario(
        "F10e",
        "A Milvus server is killed and started again",
        milvus_is_killed,
        setup=StageSettings(milvus="server"),
        limits=Limits(**DURING),
    ),
    Scenario(
        "F11a",
        "Answers to writes are lost",
        answers_of_writes_are_lost,
        # A batch that fits the window of HTTP/2: when it is full, a write whose answers are lost is never sent whole.
        setup=StageSettings(encoder="failpoints", environment={"FOURTOWER_FLOW_BATCH": "16"}),
        limits=Limits(**DURING, encodes=1.5),
    ),
    Scenario("F11b", "Any answers of Milvus are lost", any_answers_are_lost, limits=Limits(**DURING)),
]
