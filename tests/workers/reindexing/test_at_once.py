"""Two commands at once end as one after the other would: no half of the one is left in the other."""

import threading
from copy import copy
from datetime import UTC, datetime, timedelta

import pytest
from tests.workers.reindexing.halls import Offsets, settings
from tests.workers.shop import upsert

from fourtower_ingest.log import Partition
from fourtower_search.errors import IndexMismatch, InvalidQuery
from fourtower_search.index.generations import GenerationPlan, MemoryGenerations
from fourtower_search.index.life import Life, Seeding, Verification
from fourtower_search.index.settings import IndexSettings
from fourtower_workers.bootstrapping import arrange_index
from fourtower_workers.reindexing import dropping, switching
from fourtower_workers.reindexing.recording import record_seeding, record_verification
from fourtower_workers.reindexing.seeding import Copying, Seeder

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
PLAN = GenerationPlan(model="demo", model_id="m1", dim=4, index={"type": "FLAT"})
FLAT, IVF = IndexSettings(type="FLAT"), IndexSettings(type="IVF_FLAT")


class Held:
    """Generations whose first call of some method waits until it is let go; counts looks at who else is at it."""

    def __init__(self, inner, method=""):
        self.inner, self.method, self.alias = inner, method, inner.alias
        self.reached, self.go, self.looks = threading.Event(), threading.Event(), 0
        self.looked = threading.Event()

    def __getattr__(self, name):
        called = getattr(self.inner, name)
        if name != self.method:
            return called

        def held(*args, **how):
            self.reached.set()
            assert self.go.wait(30)
            return called(*args, **how)

        return held

    def announced(self, **how):
        self.looks += 1
        if self.looks > 2:
            self.looked.set()
        return self.inner.announced(**how)


class Errand(threading.Thread):
    """Something that goes on in the background, and what came of it."""

    def __init__(self, do):
        super().__init__()
        self._do, self.result, self.error = do, None, None
        self.start()

    def run(self):
        try:
            self.result = self._do()
        except Exception as error:
            self.error = error

    def wait(self):
        self.join(30)
        assert not self.is_alive()
        if self.error:
            raise self.error
        return self.result


def together(generations, first, second, *, held):
    """Begin the second while the first stands still at one of its steps, and finish both."""
    slow, fast = Held(generations, held), Held(generations)
    one = Errand(lambda: first(slow))
    assert slow.reached.wait(30)
    other = Errand(lambda: second(fast))
    assert fast.looked.wait(30) or not other.is_alive(), "it waits for the first one, or needs not wait"
    slow.go.set()
    return one, other


@pytest.fixture
def generations():
    opened = MemoryGenerations("shop")
    for _ in range(3):
        opened.create(PLAN, timeout_s=30)
    opened.point(1, timeout_s=30)
    return opened


def life(generations, number):
    return next(each.life for each in generations.records(timeout_s=30) if each.generation == number)


def live(generations):
    return generations.current(timeout_s=30).generation


@pytest.mark.parametrize("step", ["amend", "point"])
def test_of_two_switches_the_second_one_knows_of_the_first(generations, step):
    one, other = together(
        generations,
        lambda opened: switching.switch(opened, 2, now=NOW),
        lambda opened: switching.switch(opened, 3, now=LATER),
        held=step,
    )
    assert (one.wait().live.generation, other.wait().live.generation) == (2, 3)
    assert other.wait().previous == 2
    assert (live(generations), life(generations, 3).previous, life(generations, 2).previous) == (3, 2, 1)
    assert switching.rollback(generations, now=LATER).live.generation == 2
    assert life(generations, 2).previous == 3


def test_the_same_switch_twice_moves_the_alias_once(generations):
    one, other = together(
        generations,
        lambda opened: switching.switch(opened, 2, now=NOW),
        lambda opened: switching.switch(opened, 2, now=LATER),
        held="point",
    )
    assert (one.wait().moved, other.wait().moved) == (True, False)
    assert life(generations, 2) == Life(previous=1, switched_at=NOW)


def test_of_two_rollbacks_the_second_one_is_refused(generations):
    switching.switch(generations, 2, now=NOW)
    one, other = together(
        generations,
        lambda opened: switching.rollback(opened, now=NOW),
        lambda opened: switching.rollback(opened, now=NOW),
        held="point",
    )
    assert one.wait().live.generation == 1
    with pytest.raises(IndexMismatch, match="went back to it from generation 2"):
        other.wait()
    assert live(generations) == 1


@pytest.mark.parametrize("step", ["amend", "point"])
def test_a_verification_that_is_recorded_during_a_switch_loses_nothing(generations, step):
    good = Verification(at=NOW, passed=True)
    one, other = together(
        generations,
        lambda opened: switching.switch(opened, 2, now=NOW),
        lambda opened: record_verification(opened, 2, good),
        held=step,
    )
    one.wait()
    other.wait()
    assert life(generations, 2) == Life(verification=good, previous=1, switched_at=NOW)


def bootstrap(generations, plan=PLAN):
    return [finding.state for finding in arrange_index(generations, plan, catalog_given=False)]


@pytest.mark.parametrize("step", ["create", "point"])
def test_of_two_bootstraps_the_second_one_compares_with_what_the_first_one_made(step):
    generations, other_plan = MemoryGenerations("shop"), PLAN.model_copy(update={"model_id": "m2"})
    one, other = together(generations, bootstrap, lambda opened: bootstrap(opened, other_plan), held=step)
    assert one.wait() == ["created", "created"]
    assert other.wait() == ["differs", "right"]
    assert [(each.generation, each.model_id) for each in generations.records(timeout_s=30)] == [(1, "m1")]
    assert live(generations) == 1


def test_a_switch_that_is_given_during_a_bootstrap_finds_done_what_it_wants():
    generations = MemoryGenerations("shop")
    generations.create(PLAN, timeout_s=30)
    one, other = together(generations, bootstrap, lambda opened: switching.switch(opened, 1, now=NOW), held="point")
    assert one.wait() == ["right", "created"]
    assert not other.wait().moved
    assert life(generations, 1) == Life()


def test_a_bootstrap_that_has_nothing_to_make_waits_for_nobody(generations):
    slow = Held(generations, "point")
    switch = Errand(lambda: switching.switch(slow, 2, now=NOW))
    assert slow.reached.wait(30)
    assert bootstrap(generations) == ["right", "right"], "though the switch stands still"
    slow.go.set()
    assert switch.wait().live.generation == 2


def begin(hall, generations, **how):
    """As a process of its own would, over its own connection."""
    own = copy(hall)
    own.generations = generations
    return own.begin(**how)


def test_two_starts_with_one_plan_fill_one_generation_from_where_the_first_one_noted(hall):
    noted = dict(hall.offsets.groups["shop"])

    def later(opened):
        hall.offsets.commit("shop", {each: 100 for each in noted})
        return begin(hall, opened, layout=FLAT)

    one, other = together(hall.generations, lambda opened: begin(hall, opened, layout=FLAT), later, held="amend")
    assert [begun.record.generation for begun in (one.wait(), other.wait())] == [2, 2]
    assert (one.wait().resumed, other.wait().resumed) == (False, True)
    assert len(hall.generations.records(timeout_s=30)) == 2
    assert one.wait().record == other.wait().record == hall.record(2)
    assert hall.offsets.groups["shop.g2"] == noted, "rows were read from then on"


def test_two_starts_with_two_plans_begin_one_generation_and_the_other_is_refused(hall):
    one, other = together(
        hall.generations,
        lambda opened: begin(hall, opened, layout=FLAT),
        lambda opened: begin(hall, opened, layout=IVF),
        held="amend",
    )
    assert one.wait().record.index == FLAT
    with pytest.raises(InvalidQuery, match="Generation 2 of products is being filled, and was begun with another plan"):
        other.wait()
    assert [record.index for record in hall.generations.records(timeout_s=30)] == [hall.live.index, FLAT]


def test_two_processes_that_fill_one_generation_end_as_one_would(hall):
    hall.send(*(upsert(1, f"p{number:02d}", title="mug") for number in range(40)))
    begun = hall.begin(layout=FLAT)
    behind = begun.seeding.model_copy(update={"after": "p05", "copied": 6})

    def fill(seeding):
        with hall.open(1) as source, hall.open(2) as target:
            return Seeder(
                source, seeding, Copying(begun, target), lambda now: record_seeding(hall.generations, 2, now)
            ).run(lambda done: None)

    threads = [Errand(lambda each=each: fill(each)) for each in (begun.seeding, behind)]
    assert all(thread.wait().done for thread in threads)
    seeding = hall.record(2).life.seeding
    assert (seeding.done, seeding.offsets) == (True, begun.seeding.offsets)
    assert hall.rows(2).keys() == hall.rows(1).keys()


def test_what_another_filler_recorded_is_never_undone(generations):
    seeding = Seeding(source=1, after="p5", copied=5)
    record_seeding(generations, 2, seeding)
    record_seeding(generations, 2, seeding.model_copy(update={"after": "p3", "copied": 3}))
    assert life(generations, 2).seeding == seeding
    done = seeding.model_copy(update={"after": "p9", "done": True})
    record_seeding(generations, 2, done)
    record_seeding(generations, 2, seeding.model_copy(update={"after": "p99"}))
    assert life(generations, 2).seeding == done


def test_what_becomes_live_meanwhile_is_not_dropped(generations, monkeypatch):
    monkeypatch.setattr(dropping, "forget_queue", lambda record, redis: pytest.fail("its tasks are still wanted"))
    offsets = Offsets()
    offsets.commit("shop.g2", {Partition("shop", 0): 4})
    switching.amend_life(generations, switching.next_of(generations, 2), group="shop.g2")

    def drop(opened):
        dropping.Dropping(opened, 2, group="shop").run(offsets, settings().redis)

    one, other = together(generations, lambda opened: switching.switch(opened, 2, now=NOW), drop, held="point")
    one.wait()
    with pytest.raises(InvalidQuery, match="Generation 2 of shop is live; switch to another one"):
        other.wait()
    assert live(generations) == 2
    assert "shop.g2" in offsets.groups, "its group goes on where it was"
