"""One process at a time changes generations, whatever dies in the middle; the dead are waited for a moment only."""

import threading
from contextlib import closing

import pytest

from fourtower_search.errors import IndexMismatch, IndexUnavailable
from fourtower_search.index.claims import Claim, parse_claim
from fourtower_search.index.generations import GenerationPlan, MemoryGenerations
from fourtower_search.index.opening import open_generations
from fourtower_workers.reindexing.turns import Pace, Turn

PLAN = GenerationPlan(model="demo", model_id="m1", dim=4, index={"type": "FLAT"})
QUICK = Pace(beat_s=0.1, dead_after_s=3, patience_s=60, look_s=0.05)
ENGINES = ["memory", "lite_server", pytest.param("milvus", marks=pytest.mark.slow)]


@pytest.fixture
def connect(request):
    """Opens the generations of one index, as often as there are processes."""
    if request.param == "memory":
        generations = MemoryGenerations("turns")
        generations.create(PLAN, timeout_s=30)
        yield lambda: generations
        return
    address = request.getfixturevalue("lite_server" if request.param == "lite_server" else "milvus_server")
    opened = []

    def connect():
        opened.append(open_generations(address, alias="turns"))
        return opened[-1]

    if not connect().records(timeout_s=30):
        opened[0].create(PLAN, timeout_s=60)
    yield connect
    for generations in opened:
        generations.close()


@pytest.fixture
def generations():
    generations = MemoryGenerations("turns")
    generations.create(PLAN, timeout_s=30)
    return generations


@pytest.mark.parametrize("connect", ENGINES, indirect=True)
@pytest.mark.timeout(300)
def test_never_are_two_at_it_and_each_gets_its_turn(connect):
    inside, most, turns = [], [], []
    processes = [connect() for _ in range(4)]

    def work(generations):
        for _ in range(3):
            with Turn(generations, "changes", pace=QUICK) as turn:
                inside.append(generations)
                most.append(len(inside))
                generations.records(timeout_s=30)
                turn.check()
                inside.remove(generations)
                turns.append(generations)

    threads = [threading.Thread(target=work, args=(each,)) for each in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(turns) == 12
    assert set(most) == {1}
    assert processes[0].announced(timeout_s=30) == []


@pytest.mark.parametrize("connect", ENGINES, indirect=True)
def test_a_process_that_was_killed_is_waited_for_until_its_beat_is_missed(connect):
    generations = connect()
    generations.announce(Claim(token=7, who="somebody who was killed", beat=3), timeout_s=30)
    assert [claim.who for claim in generations.announced(timeout_s=30)] == ["somebody who was killed"]
    clock = iter(range(10_000))
    pace = Pace(beat_s=60, dead_after_s=5, patience_s=10_000, look_s=0.01)
    with Turn(generations, "switch", pace=pace, clock=lambda: next(clock)):
        own = generations.announced(timeout_s=30)
        assert len(own) == 1, "the dead one's claim is gone"
        assert own[0].who.startswith("switch, process ")
    assert next(clock) > 5
    assert generations.announced(timeout_s=30) == []


def test_a_process_that_lives_is_waited_for_and_named(generations):
    pace = Pace(beat_s=0.05, dead_after_s=30, patience_s=0.3, look_s=0.05)
    with (
        Turn(generations, "`fourtower reindex switch 2`", pace=pace),
        pytest.raises(
            IndexUnavailable, match=r"changes the generations of turns: `fourtower reindex switch 2`, process"
        ),
        Turn(generations, "another", pace=pace),
    ):
        pytest.fail("nobody may come in")
    assert generations.announced(timeout_s=30) == []


def test_a_long_turn_goes_on_as_long_as_its_beat_does(generations):
    beats, patient = threading.Event(), Pace(beat_s=0.02, dead_after_s=0.5, patience_s=0.9, look_s=0.02)
    with (
        Turn(generations, "one", pace=patient),
        pytest.raises(IndexUnavailable, match="one, process"),
        Turn(generations, "other", pace=patient),
    ):
        beats.set()
    assert not beats.is_set(), "longer than a dead one is waited for"


class Deaf:
    """Generations that take no claims any more, once they took the first one."""

    def __init__(self, inner):
        self.inner, self.alias, self.taken = inner, inner.alias, 0

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def announce(self, claim, *, timeout_s):
        self.taken += 1
        if self.taken > 1:
            raise IndexUnavailable("away")
        self.inner.announce(claim, timeout_s=timeout_s)


def test_whoever_could_be_taken_for_dead_does_nothing_more(generations):
    now = [0.0]
    with Turn(Deaf(generations), "switch", pace=Pace(beat_s=0.01, dead_after_s=10), clock=lambda: now[0]) as turn:
        now[0] = 4.0
        turn.check()
        now[0] = 6.0
        with pytest.raises(IndexUnavailable, match="heard nothing of this process for 6 s, so another one may be"):
            turn.check()


def test_an_error_inside_gives_the_turn_back(generations):
    with pytest.raises(ZeroDivisionError), Turn(generations, "one"):
        raise ZeroDivisionError
    assert generations.announced(timeout_s=30) == []


def test_a_claim_of_a_later_version_is_read_as_far_as_it_is_known():
    text = Claim(token=5, who="me").model_dump_json()
    assert parse_claim(text[:-1] + ',"more":1}', "here") == Claim(token=5, who="me")
    with pytest.raises(IndexMismatch, match="generations at here, in a form that can't be read"):
        parse_claim("{}", "here")


def test_claims_are_no_generations(lite_server):
    with closing(open_generations(lite_server, alias="claimed")) as generations:
        generations.create(PLAN, timeout_s=60)
        generations.announce(Claim(token=2**62 - 1, who="me"), timeout_s=30)
        assert [each.generation for each in generations.records(timeout_s=30)] == [1]
        assert generations.create(PLAN, timeout_s=60).generation == 2
        generations.withdraw(2**62 - 1, timeout_s=30)
        generations.withdraw(99, timeout_s=30)
        assert generations.announced(timeout_s=30) == []
