"""Who is let in, and how long it takes then, on a clock of the test's own."""

import math
import random
from statistics import median

import pytest
from tests.search.service.queueing import RED, Simulated, batch_s, p99

from fourtower_search.errors import Overloaded
from fourtower_search.service.door import Door
from fourtower_search.service.line import Ticket
from fourtower_search.service.pace import SEARCH

CAPACITY = {1: 240, 2: 240}
"""Searches per second in full batches: two threads of one core are no faster than one."""


def door_of(threads=1, *, waiting=64, batch=16):
    return Door(threads=threads, waiting=waiting, batch=batch)


def simulated(threads=1, *, seed=1, noise=0.25, service_s=batch_s, **sizes):
    """Service times vary as real ones do."""
    rng = random.Random(seed)
    varying = lambda items, running: service_s(items, running) * rng.lognormvariate(0, noise)  # noqa: E731
    return Simulated(door_of(threads, **sizes), service_s=varying)


def poisson(rate, start, end, seed=2):
    rng = random.Random(seed)
    while (start := start + rng.expovariate(rate)) < end:
        yield start


def ticket_of(now=0.0, *, caller=None, items=1, timeout_s=10.0, kind=SEARCH):
    return Ticket(caller or object(), kind, [RED] * items, since=now, deadline=now + timeout_s)


def entered(door, now=0.0, **about):
    ticket = ticket_of(now, **about)
    door.enter(ticket, now)
    return ticket


def unloaded_p99(threads, **model):
    alone = simulated(threads, **model)
    alone.loop(until=20)
    return p99(alone.play().times())


@pytest.mark.parametrize("threads", [1, 2])
def test_at_four_times_the_capacity_who_is_let_in_is_answered_nearly_as_fast_as_ever(threads):
    simulation = simulated(threads)
    simulation.arrivals(poisson(10, 0, 5))
    simulation.arrivals(poisson(4 * CAPACITY[threads], 5, 25))
    seen = simulation.play()
    answered, refused = seen.times(after=6), [came for came, _ in seen.refused if came >= 6]
    assert p99(answered) < 5 * unloaded_p99(threads)
    assert answered[-1] < 10 * unloaded_p99(threads)
    assert len(answered) / 19 > 0.5 * CAPACITY[threads], "most of what can be done still is"
    assert len(answered) + len(refused) == pytest.approx(4 * CAPACITY[threads] * 19, rel=0.05)


def test_a_model_that_gains_nothing_from_batches_is_no_worse_off():
    slow = {"service_s": lambda items, running: 0.1 * items * running}
    simulation = simulated(2, **slow)
    simulation.arrivals(poisson(1, 0, 40))
    simulation.arrivals(poisson(40, 40, 120))
    seen = simulation.play()
    assert p99(seen.times(after=60)) < 5 * unloaded_p99(2, **slow)
    assert len(seen.times(after=60)) / 60 > 0.8 * 10


def test_a_queue_of_a_thousand_is_as_quick_once_it_was_full():
    simulation = simulated(2, waiting=1000)
    simulation.arrivals(poisson(10, 0, 5))
    simulation.arrivals(poisson(1000, 5, 25))
    assert p99(simulation.play().times(after=8)) < 5 * unloaded_p99(2)


@pytest.mark.parametrize("callers", [1, 8, 32, 64])
def test_callers_who_wait_for_their_answers_are_never_turned_away_while_they_fit_into_the_queue(callers):
    simulation = simulated(2)
    for _ in range(callers):
        simulation.loop(until=5)
    seen = simulation.play()
    assert seen.refused == []
    assert len(seen.answered) >= 5 * (100 if callers == 1 else 140)


def test_batches_grow_with_the_load():
    sizes = {}
    for callers in (1, 8, 64):
        simulation = simulated(1)
        for _ in range(callers):
            simulation.loop(until=5)
        sizes[callers] = simulation.play().sizes[-110:-10]
    assert max(sizes[1]) == 1
    assert 4 <= sum(sizes[8]) / 100 <= 8
    assert median(sizes[64]) == 16


def test_a_burst_that_fits_is_worked_off_and_not_refused():
    simulation = simulated(1)
    simulation.arrivals([0.0])
    simulation.arrivals([1.0] * 60)
    seen = simulation.play()
    assert (len(seen.answered), seen.refused) == (61, [])


def test_when_the_rush_is_over_a_burst_is_taken_again():
    simulation = simulated(1)
    simulation.arrivals([0.0, 0.5])
    simulation.arrivals(poisson(1000, 1, 4))
    simulation.arrivals(poisson(20, 4, 8))
    simulation.arrivals([8.0] * 60)
    seen = simulation.play()
    assert [came for came, _ in seen.refused if came >= 6] == []
    assert len(seen.times(after=8)) == 60


def test_a_rush_that_goes_on_is_not_let_in_at_each_lull_of_a_moment():
    simulation = simulated(1)
    simulation.arrivals([0.0, 0.5])
    simulation.arrivals(moment for moment in poisson(1000, 1, 20) if moment % 0.5 > 0.05)
    assert p99(simulation.play().times(after=2)) < 5 * unloaded_p99(1)


def test_a_caller_with_much_to_ask_does_not_keep_others_waiting():
    simulation = simulated(1)
    simulation.arrivals([0.0])
    simulation.arrivals([1.0] * 60, caller="busy")
    simulation.arrivals([1.001] * 3, caller="rare")
    seen = simulation.play()
    assert seen.times(caller="rare")[-1] < seen.times(caller="busy")[30]


def test_one_request_of_many_searches_does_not_keep_others_waiting():
    simulation = simulated(1, noise=0)
    simulation.arrivals([0.0])
    simulation.arrivals([1.0], caller="batch", items=64)
    simulation.arrivals([1.0001], caller="lone")
    seen = simulation.play()
    assert seen.times(caller="lone")[0] < 3 * batch_s(16, 1)
    assert seen.times(caller="lone")[0] < seen.times(caller="batch")[0] / 2


def test_a_full_queue_makes_room_for_a_caller_who_has_less_in_it():
    door = door_of(waiting=4)
    entered(door)
    door.next(0.0)
    many = [entered(door, caller="many") for _ in range(4)]
    rare = ticket_of(caller="rare")
    assert door.enter(rare, 0.0) is many[-1], "the newest goes"
    with pytest.raises(Overloaded):
        entered(door, caller="many")
    assert len(door.line) == 4


def test_callers_with_one_request_each_do_not_push_each_other_out():
    door = door_of(waiting=4)
    entered(door)
    door.next(0.0)
    for _ in range(4):
        entered(door)
    with pytest.raises(Overloaded) as refused:
        entered(door)
    assert refused.value.retry_after_s >= 1


def test_who_finds_a_thread_idle_is_let_in_whatever_is_known():
    """Else a single slow run could close the door for good: nothing would run that teaches otherwise."""
    door = door_of(threads=1, waiting=1)
    for now in range(0, 600, 100):
        entered(door, now, timeout_s=50)
        run, _ = door.next(now)
        door.ended(run, now + 60)
    assert door.wait_s(object(), 700) == 0
    entered(door, 700, timeout_s=0.001)


def test_what_can_not_make_its_deadline_is_turned_away_at_once():
    door = door_of()
    entered(door)
    run, _ = door.next(0.0)
    door.ended(run, 1.0)  # a search takes a second
    entered(door, 1.0)
    door.next(1.0)
    for _ in range(5):
        entered(door, 1.0)
    with pytest.raises(Overloaded) as refused:
        entered(door, 1.0, timeout_s=5.9)
    assert refused.value.retry_after_s == pytest.approx(6.0)
    entered(door, 1.0, timeout_s=6.1)


def test_an_impatient_caller_alone_is_no_reason_to_turn_others_away():
    door = door_of()
    entered(door)
    run, _ = door.next(0.0)
    door.ended(run, 0.4)
    entered(door, 0.4)
    door.next(0.4)
    for _ in range(10):
        with pytest.raises(Overloaded):
            entered(door, 0.4, timeout_s=0.01)
        entered(door, 0.4)
    assert len(door.line) == 10


def test_a_line_too_long_for_everybody_is_full_however_few_stand_in_it():
    door = door_of(waiting=1000)
    entered(door)
    run, _ = door.next(0.0)
    door.ended(run, 1.0)
    entered(door, 1.0)
    door.next(1.0)
    for _ in range(10):
        entered(door, 1.0)
    for timeout_s in (10, 1000):  # from the first one on, not even much patience helps
        with pytest.raises(Overloaded):
            entered(door, 1.0, timeout_s=timeout_s)


def test_to_knock_tells_what_entering_would_and_leaves_nothing_behind():
    door = door_of(waiting=1)
    door.knock(SEARCH, 0.0)
    entered(door)
    door.next(0.0)
    entered(door)
    with pytest.raises(Overloaded):
        door.knock(SEARCH, 0.0)
    assert (len(door.line), len(door.runs)) == (1, 1)


def test_who_waited_past_the_deadline_is_taken_out_and_not_run():
    door = door_of()
    entered(door)
    run, _ = door.next(0.0)
    late, patient = entered(door, timeout_s=1.0), entered(door, timeout_s=9.0)
    door.ended(run, 2.0)
    following, hopeless = door.next(2.0)
    assert ([part.ticket for part in following.parts], hopeless) == ([patient], [late])


def test_once_somebody_had_to_be_turned_away_those_who_waited_long_are_told_to_come_again_too():
    door = door_of(waiting=3)
    entered(door)
    run, _ = door.next(0.0)
    door.ended(run, 0.1)  # what a search takes
    entered(door, 1.0)
    run, _ = door.next(1.0)
    old = entered(door, 1.0)
    middle, new = entered(door, 1.95), entered(door, 1.95)
    with pytest.raises(Overloaded):
        entered(door, 1.95)
    door.ended(run, 2.0)
    following, hopeless = door.next(2.0)
    assert hopeless == [old]
    assert {part.ticket for part in following.parts} <= {middle, new}


def test_a_run_that_hangs_makes_the_expected_wait_grow():
    door = door_of()
    entered(door)
    run, _ = door.next(0.0)
    door.ended(run, 0.1)
    entered(door, 1.0)
    door.next(1.0)
    waits = [door.wait_s(object(), 1.0 + later) for later in (0.0, 1.0, 5.0, 9.0)]
    assert waits == sorted(waits)
    assert waits[-1] > 8


@pytest.mark.parametrize("seed", range(5))
def test_nobody_waits_while_a_thread_is_idle_and_everybody_gets_one_answer(seed):
    rng = random.Random(seed)
    simulation = simulated(rng.choice([1, 2, 3]), seed=seed, waiting=rng.randint(1, 20), batch=rng.randint(1, 8))
    moments = list(poisson(rng.choice([50, 200, 800]), 0, 3, seed))
    for moment in moments:
        simulation.arrivals([moment], caller=rng.choice([None, "a", "b"]), items=rng.choice([1, 1, 1, 5, 40]))
        simulation.at(moment, simulation.check_nobody_waits_idly)
    seen = simulation.play()
    assert len(seen.answered) + len(seen.refused) == len(moments)
    assert (len(simulation.door.line), len(simulation.door.runs)) == (0, 0)
    assert math.isfinite(seen.times()[-1])
