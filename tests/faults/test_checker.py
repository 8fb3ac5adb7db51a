"""Each invariant can fail: a good history, spoiled in one place, is found out, and by the right invariant."""

from dataclasses import replace

import pytest
from tests.faults.final import Held
from tests.faults.history import Operation
from tests.faults.scenario import Limits
from tests.faults.stories import FINAL, LOG, TOPIC, broken, footprints, sample, search, story


def held(name, **changes):
    return {"held": {**FINAL.held, name: replace(FINAL.held[name], **changes)}}


def test_a_good_history_has_no_violation():
    assert broken() == set()


@pytest.mark.parametrize(
    "final",
    [
        held("mug", version=1),
        held("mug", title="blue mug"),
        held("mug", attributes={"category": "mug"}),
        held("lamp", views=1),
        held("lamp", surplus=1),
        held("gone", deleted=False),
        {"held": {**FINAL.held, "ghost": Held(1, True)}},
        {"held": {name: each for name, each in FINAL.held.items() if name != "gone"}},
        {"incomplete": frozenset({"half"})},
        {"wrong_vectors": {"lamp": "a vector is off by 0.5"}},
    ],
)
def test_an_index_that_is_not_the_log_breaks_the_first(final):
    assert broken(**final) == {"I1"}


def test_offsets_that_are_not_at_the_end_break_the_second():
    assert broken(committed={(TOPIC, 0): 5}) == {"I2"}


def test_an_offset_committed_before_its_effect_breaks_the_second():
    early = sample(2.2, 1, 0)
    assert broken(early) == {"I2"}
    assert broken(early, without="sample") == {"I2", "I6"}


def test_an_effect_before_its_offset_is_as_it_should_be():
    assert broken(sample(2.2, 0, 0, mug=[1, False])) == set()


def test_an_offset_committed_before_its_dead_letter_breaks_the_second():
    assert broken(sample(7.5, 4, 0)) == {"I2"}


def test_a_patch_that_came_before_its_product_owes_nothing_until_that_is_there():
    patch, product = (LOG[number]._replace(place=(TOPIC, 0, place)) for place, number in enumerate((4, 0)))
    ends = {(TOPIC, 0): 2}
    end = {"log": (patch, product), "ends": ends, "committed": ends, "letters": (), "held": {"mug": FINAL.held["mug"]}}
    end |= {"listed": frozenset({"mug"}), "found": frozenset({"mug"})}
    looks = [sample(3, 0, 0), sample(4, 1, 0), sample(5, 2, 0, mug=[2, False])]
    others = [each for each in story() if each.op not in ("sample", "search", "encoded")]
    searches = [search(at, "mug") for at in (3, 5, 11)]
    assert broken(*looks, *searches, history=others, **end) == set()
    assert broken(*looks[:2], sample(5, 2, 0), *searches, history=others, **end) == {"I2"}


def test_a_version_that_falls_breaks_the_third():
    assert broken(sample(8.5, 6, 1, lamp=[4, False]), sample(8.6, 6, 1, lamp=[5, False])) == {"I2", "I3"}
    assert broken(sample(3.5, 0, 0, gone=[0, False]), sample(3.6, 2, 0, gone=[1, False])) == {"I3"}


def test_a_product_that_vanishes_breaks_the_third():
    assert broken(sample(3.5, 0, 0, gone=None), sample(3.6, 2, 0, gone=[1, False])) == {"I3"}


@pytest.mark.parametrize("what", ["listed", "found"])
def test_a_deleted_product_or_a_lacking_one_breaks_the_fourth(what):
    assert broken(**{what: frozenset({"mug", "lamp", "gone"})}) == {"I4"}
    assert broken(**{what: frozenset({"mug"})}) == {"I4"}


def test_a_deleted_product_that_a_search_finds_when_all_is_settled_breaks_the_fourth():
    assert broken(search(11.5, "gone")) == {"I4"}
    assert broken(search(9.5, "gone")) == set(), "before it had settled it may be found"


def test_dead_letters_that_are_not_the_bad_records_break_the_fifth():
    assert broken(letters=()) == {"I5"}
    assert broken(letters=((TOPIC, 0, 3), (TOPIC, 0, 1))) == {"I5"}
    twice = {"letters": ((TOPIC, 0, 3),) * 2}
    assert broken(**twice) == {"I5"}
    assert broken(**twice, limits=Limits(repeated_letters=True)) == set()


def test_poison_is_expected_to_die_and_not_to_be_in_the_index():
    without = {name: each for name, each in FINAL.held.items() if name != "lamp"}
    ids = {"listed": frozenset({"mug"}), "found": frozenset({"mug"})}
    letters = ((TOPIC, 0, 3), (TOPIC, 0, 1))
    history = [each for each in story() if each.op not in ("sample", "search", "encoded")]
    history += [search(at, "mug") for at in (3, 5, 11)]
    history += [sample(3, 2, 1, mug=[1, False], gone=[1, False]), sample(7, 4, 2)]
    history += [sample(8, 6, 2, mug=[2, False], gone=[2, True])]
    changes = {"held": without, "letters": letters, "expect_dead": frozenset({"lamp"}), **ids}
    assert broken(history=history, **changes) == set()
    assert broken(history=history, **changes | {"letters": FINAL.letters}) == {"I5"}
    assert broken(history=history, **changes | {"held": FINAL.held}) == {"I1"}


@pytest.mark.parametrize("lacking", ["publish", "sample", "search", "settled"])
def test_an_idle_run_breaks_the_sixth(lacking):
    assert "I6" in broken(without=lacking)


def test_a_fault_that_struck_when_all_was_done_breaks_the_sixth():
    assert broken(Operation(4, "stage", "strike", {"left": 0}), without="strike") == {"I6"}


def test_an_empty_index_breaks_the_sixth():
    assert "I6" in broken(held={})


def test_a_slow_recovery_breaks_the_sixth():
    assert broken(limits=Limits(recovery_s=3)) == {"I6"}


def test_a_process_that_ended_by_itself_breaks_the_sixth():
    assert broken(Operation(12, "stage", "roll call", {"missing": ["worker-1"]})) == {"I6"}


def test_a_search_that_fails_without_a_fault_breaks_the_seventh():
    failed = search(3.5, ok=False)
    assert broken(failed) == {"I7"}
    assert broken(failed, limits=Limits(search_failures=1.0)) == {"I7"}


def test_a_search_may_fail_during_a_fault_if_it_allows_that():
    failed = search(5.5, ok=False)
    assert broken(failed) == {"I7"}
    assert broken(failed, limits=Limits(search_failures=0.5)) == set()
    assert broken(failed, search(5.6, ok=False), limits=Limits(search_failures=0.5)) == {"I7"}


def test_a_search_that_takes_for_ever_breaks_the_seventh():
    assert broken(search(4.5, ms=6_500)) == {"I7"}
    silence = [each for each in story() if each.op not in ("search", "roll call")] + [search(2), search(3), search(40)]
    assert broken(history=silence) == {"I7"}, "for half a minute there was none at all"


def test_searches_beside_the_final_check_do_not_count():
    assert broken(search(12.5, ok=False), search(12.6, ms=9_000)) == set()


@pytest.mark.parametrize(
    "shot",
    [footprints(9, mb=500), footprints(9, descriptors=400), footprints(9, keys=99), footprints(9, redis_mb=99)],
)
def test_resources_beyond_their_limits_break_the_ninth(shot):
    assert broken(shot) == {"I9"}


def test_memory_that_keeps_growing_breaks_the_ninth():
    flat = [footprints(2 + second / 10, mb=100) for second in range(40)]
    assert broken(*flat) == set()
    growing = [footprints(2 + second / 10, mb=100 + 5 * second) for second in range(40)]
    assert broken(*growing, limits=Limits(growth=1.15)) == {"I9"}
    loading = [footprints(2 + second / 10, mb=100 if second < 19 else 400) for second in range(40)]
    assert broken(*loading) == set(), "until the middle it may still load"
    dying = [
        footprints(2 + second / 10, mb=190 if second % 10 < (5 if second < 30 else 2) else 400) for second in range(40)
    ]
    assert broken(*dying) == set(), "a worker is as large as with all its children"
    spike = [footprints(2 + second / 10, mb=400 if second == 35 else 100) for second in range(40)]
    assert broken(*spike) == set()


def test_work_done_again_and_again_breaks_the_ninth():
    again = Operation(9.5, "meter", "encoded", {"worker": "worker-1", "pid": 3, "count": 9})
    other = Operation(9.5, "meter", "encoded", {"worker": "worker-1", "pid": 4, "count": 4})
    assert broken(again) == {"I9"}, "the events name one title, three pictures and titles, and one title"
    assert broken(other) == {"I9"}, "what a worker did that was started again comes to it"
