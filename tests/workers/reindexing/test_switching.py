"""The alias moves once and for all, whatever dies when; nothing that is not ready becomes live."""

from datetime import UTC, datetime, timedelta

import pytest

from fourtower_search.errors import IndexMismatch, InvalidQuery
from fourtower_search.index.generations import GenerationPlan, MemoryGenerations
from fourtower_search.index.life import Life, Seeding, Verification
from fourtower_search.index.opening import open_generations
from fourtower_workers.reindexing.lag import Position
from fourtower_workers.reindexing.switching import (
    Demands,
    amend_life,
    before_of,
    check_ready,
    live_of,
    next_of,
    rollback,
    switch,
)

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
PLAN = GenerationPlan(model="demo", model_id="m1", dim=4, index={"type": "FLAT"})
GOOD = Verification(at=NOW - timedelta(hours=1), passed=True)


class Killed(BaseException):
    """As if the process were killed: nothing catches it."""


class Dying:
    """Generations whose process is killed just before, or just after, one of its calls takes effect."""

    def __init__(self, inner, moment, method):
        self.inner, self.moment, self.method = inner, moment, method
        self.alias = inner.alias

    def __getattr__(self, name):
        called = getattr(self.inner, name)
        if name != self.method:
            return called

        def dying(*args, **how):
            if self.moment == "before":
                raise Killed
            called(*args, **how)
            raise Killed

        return dying


@pytest.fixture(params=["memory", "lite"])
def generations(request, tmp_path):
    """Two generations, the first one live, on an engine."""
    opened = MemoryGenerations("shop") if request.param == "memory" else open_generations(str(tmp_path / "shop.db"))
    for _ in range(2):
        opened.create(PLAN, timeout_s=30)
    opened.point(1, timeout_s=30)
    yield opened
    opened.close()


def live(generations):
    return generations.current(timeout_s=30).generation


def life(generations, number):
    return next(each.life for each in generations.records(timeout_s=30) if each.generation == number)


DEATHS = [("before", "amend"), ("after", "amend"), ("before", "point"), ("after", "point")]


@pytest.mark.parametrize(("moment", "method"), DEATHS)
def test_a_switch_that_dies_at_any_point_is_done_or_not_and_can_be_done_again(generations, moment, method):
    with pytest.raises(Killed):
        switch(Dying(generations, moment, method), 2, now=NOW)
    done = (moment, method) == ("after", "point")
    assert live(generations) == (2 if done else 1)
    if done:
        assert before_of(generations).generation == 1, "what is live can be gone back from at once"
    else:
        with pytest.raises(IndexMismatch, match="never switched to"):
            before_of(generations)
    again = switch(generations, 2, now=NOW + timedelta(minutes=1))
    assert (again.live.generation, again.previous, again.moved) == (2, 1, not done)
    assert live(generations) == 2
    assert life(generations, 2).previous == 1
    assert life(generations, 2).switched_at == (NOW if done else NOW + timedelta(minutes=1))


@pytest.mark.parametrize(("moment", "method"), DEATHS)
def test_a_rollback_that_dies_at_any_point_is_done_or_not_and_never_undone_by_another(generations, moment, method):
    switch(generations, 2, now=NOW)
    with pytest.raises(Killed):
        rollback(Dying(generations, moment, method), now=NOW)
    if (moment, method) == ("after", "point"):
        with pytest.raises(IndexMismatch, match=r"went back to it from generation 2; .* fourtower reindex switch 2"):
            rollback(generations, now=NOW)
    else:
        assert live(generations) == 2
        assert rollback(generations, now=NOW).moved
    assert live(generations) == 1
    assert life(generations, 1).previous == 2
    switch(generations, 2, now=NOW)
    assert rollback(generations, now=NOW).live.generation == 1, "to and fro as often as one likes"


def test_a_rollback_needs_something_to_go_back_to(generations):
    with pytest.raises(IndexMismatch, match="Generation 1 was never switched to"):
        rollback(generations, now=NOW)
    switch(generations, 2, now=NOW)
    generations.drop(1, timeout_s=30)
    with pytest.raises(IndexMismatch, match="Generation 1, which was live before generation 2, was dropped"):
        rollback(generations, now=NOW)
    assert live(generations) == 2


def test_the_newest_generation_is_meant_unless_another_is_named(generations):
    assert next_of(generations, None).generation == 2
    assert next_of(generations, 1).generation == 1
    switch(generations, 2, now=NOW)
    with pytest.raises(InvalidQuery, match="no generation newer than the live one"):
        next_of(generations, None)
    with pytest.raises(InvalidQuery, match="no generation 7; it has 1, 2"):
        next_of(generations, 7)


def test_an_index_without_a_live_generation_is_told_so_and_can_be_switched():
    generations = MemoryGenerations("shop")
    with pytest.raises(InvalidQuery, match="no generation newer"):
        next_of(generations, None)
    generations.create(PLAN, timeout_s=30)
    with pytest.raises(IndexMismatch, match="no live generation; make it: fourtower bootstrap"):
        live_of(generations)
    assert switch(generations, 1, now=NOW).previous == 0


def test_a_verification_survives_what_is_recorded_later(generations):
    record = next_of(generations, 2)
    amend_life(generations, amend_life(generations, record, verification=GOOD), group="shop.g2")
    switch(generations, 2, now=NOW)
    assert life(generations, 2) == Life(group="shop.g2", verification=GOOD, previous=1, switched_at=NOW)


def ready(*, lag=0, begun=True, members=1, workers=1, **story):
    record = MemoryGenerations("shop").create(PLAN, timeout_s=30)
    told = record.model_copy(update={"life": Life(**story)})
    check_ready(told, at=Position(lag, begun, {}, members, workers), demands=Demands(), now=NOW)


def test_what_was_filled_and_verified_is_ready():
    ready(verification=GOOD, seeding=Seeding(source=1, done=True), lag=1000)
    ready(verification=GOOD, members=0, workers=0)
    ready(verification=GOOD, lag=9, workers=None)


@pytest.mark.parametrize(
    ("story", "problem"),
    [
        ({"verification": GOOD, "seeding": Seeding(source=1)}, "not filled yet; `fourtower reindex start` goes on"),
        ({"verification": GOOD, "lag": 1001}, "is 1,001 records behind; see that its ingester"),
        ({"verification": GOOD, "lag": 9, "begun": False}, "has committed nothing; see that its ingester"),
        ({"verification": GOOD, "lag": 9, "members": 0}, "is 9 records behind, and has no members; see that its ing"),
        ({"verification": GOOD, "lag": 9, "workers": 0}, "is 9 records behind, and has no worker; see that its ing"),
        ({}, "never verified; run `fourtower reindex verify 1`, or switch --unverified"),
        ({"verification": Verification(at=NOW, passed=False, missed=("Recall is 0.4.",))}, "pass .*: Recall is 0.4."),
        ({"verification": Verification(at=NOW - timedelta(hours=25), passed=True)}, "25.0 h ago, and 24.0 h is"),
    ],
)
def test_what_is_not_ready_is_refused_with_what_to_do(story, problem):
    with pytest.raises(IndexMismatch, match=problem):
        ready(**story)


def test_a_verification_need_not_be_asked_for_but_the_rest_always_is():
    record = MemoryGenerations("shop").create(PLAN, timeout_s=30)
    anything = Demands(max_age=None)
    check_ready(record, at=Position(0, True, {}), demands=anything, now=NOW)
    with pytest.raises(IndexMismatch, match="behind"):
        check_ready(record, at=Position(5000, True, {}), demands=anything, now=NOW)
