"""Flows in a hostile world: whatever goes wrong, the index ends as the fold of the log, and commits never run ahead."""

from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.ingest.flow.catalog import event_of
from tests.ingest.flow.simulation import MANY_PATCHES, SLOW_BURIALS, simulate
from tests.ingest.flow.world import NONE

from fourtower_ingest.flow.settled import Settled

SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@settings(SLOW, max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_every_record_ends_in_the_index_or_among_the_dead_letters(seed):
    simulate(seed)


@settings(SLOW, max_examples=40)
@given(seed=st.integers(0, 2**32))
def test_failed_patches_are_found_again_after_a_crash(seed):
    simulate(seed, mix=MANY_PATCHES, faults=SLOW_BURIALS)


@settings(SLOW, max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_without_faults_nothing_is_sent_again(seed):
    world = simulate(seed, faults=NONE)
    for member in world.members:
        stats = member.flow.stats(world.now)
        assert stats.resubmissions == 0
        assert set(stats.finished) <= _quiet_ends(world)


def test_the_simulation_meets_every_kind_of_end():
    """Otherwise it would show little."""
    ends, losses, resubmissions = Counter(), 0, 0
    for seed in range(40):
        for member in simulate(seed).members:
            stats = member.flow.stats(0.0)
            ends.update(stats.finished)
            losses, resubmissions = losses + stats.losses, resubmissions + stats.resubmissions
    deaths = {"no_base", "invalid_product", "poison", "no_key", "not_json"}
    assert {code for status, code in ends if status == "dead_letter"} >= deaths
    assert min(ends["applied", ""], ends["stale", ""], ends["superseded", ""], losses, resubmissions) > 20


def test_the_simulation_has_much_that_is_done_at_once(monkeypatch):
    known = Counter()
    for name in ("repeats", "covers"):
        monkeypatch.setattr(Settled, name, _counted(getattr(Settled, name), name, known))
    for seed in range(40):
        simulate(seed)
    assert min(known["repeats"], known["covers"]) > 100


def _counted(function, name, counts):
    def counting(*arguments):
        answer = function(*arguments)
        counts[name] += answer
        return answer

    return counting


def _quiet_ends(world):
    malformed = {letter.code for letter in world.graveyard.values() if event_of(letter.record) is None}
    codes = malformed | {"no_base", "invalid_product", "poison"}
    alive = {(status, "") for status in ("applied", "stale", "superseded")}
    return alive | {("dead_letter", code) for code in codes}
