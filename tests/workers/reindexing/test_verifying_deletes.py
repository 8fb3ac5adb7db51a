"""Deletes are compared as well: a generation that has lost one would bring the product back with the next old event."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.workers.reconciling.shelves import DAY_MS, NOW_MS, PATCHED
from tests.workers.reindexing.twins import SHOP, Two
from tests.workers.shop import delete, upsert

from fourtower_ingest.log import Partition
from fourtower_workers.reindexing import pairing
from fourtower_workers.reindexing.lag import Position, position


def figure(found, name):
    return next((each for each in found.figures if each.name == name), None)


def differing(found):
    return figure(found, "differing products").following


@pytest.fixture
def two():
    """Products and deletes of which the log, without its beginning, knows nothing: only the generations can tell."""
    two = Two(PATCHED)
    two.log.begins[SHOP] = 100
    for number in range(12):
        two.write(upsert(1, f"p{number}", title="mug"))
    two.write(delete(5, "gone"))
    return two


def test_equal_deletes_differ_in_nothing(two):
    found = two.verify()
    assert found.passed
    assert figure(found, "old deletes forgotten") is None


@pytest.mark.parametrize(
    ("live", "following", "kind"),
    [
        (delete(9, "x"), upsert(4, "x", title="old"), "extra"),
        (upsert(9, "x", title="new"), delete(4, "x"), "missing"),
        (delete(9, "x"), delete(4, "x"), "delete"),
        (delete(4, "x"), delete(9, "x"), "delete"),
    ],
)
def test_what_is_deleted_in_one_and_not_so_in_the_other_differs(two, live, following, kind):
    two.write(live, into="live")
    two.write(following, into="following")
    found = two.verify()
    assert found.pairing.examples == {"x": kind}
    assert (found.passed, differing(found)) == (False, 1)
    assert (
        f"1 products differ from the live generation (1 {kind}); none may" in figure(found, "differing products").missed
    )
    assert two.verify(differing=1).passed


def test_a_delete_that_only_the_live_one_knows_differs_as_long_as_the_log_may_need_it(two):
    two.write(delete(9, "young"), into="live")
    two.log.add(upsert(8, "young", title="mug"), timestamp_ms=NOW_MS - 6 * DAY_MS)
    two.log.add(delete(9, "young"), timestamp_ms=NOW_MS - 6 * DAY_MS)
    two.write(delete(9, "old"), into="live")
    two.log.add(delete(9, "old"), timestamp_ms=NOW_MS - 8 * DAY_MS)
    two.write(delete(9, "unknown"), into="live")
    found = two.verify()
    assert found.pairing.examples == {"young": "forgotten"}
    assert (differing(found), figure(found, "old deletes forgotten").following) == (1, 2)
    two.kept_ms = 5 * DAY_MS
    assert two.verify().passed


def test_a_delete_that_only_the_next_one_knows_does_no_harm(two):
    two.write(delete(9, "x"), into="following")
    assert two.verify().passed


def test_a_delete_that_is_under_way_is_no_difference(two, monkeypatch):
    two.write(delete(9, "x"), into="live")
    two.log.add(delete(9, "x"))
    assert differing(two.verify()) == 1
    verifier, before = two.verifier(), Position(0, True, {SHOP: 100})
    found = replace(verifier, positions=lambda: (before, before)).run()
    assert (found.passed, found.pairing.moving, found.pairing.purged) == (True, 1, 0)
    monkeypatch.setattr(pairing.time, "sleep", lambda seconds: two.write(delete(9, "x"), into="following"))
    assert two.verify().passed


def test_the_log_is_asked_about_old_deletes_only_where_there_are_any(two):
    two.recent = lambda: pytest.fail("nothing is to be asked")
    assert two.verify().passed
    two.write(delete(4, "x"), into="live")
    two.write(delete(9, "x"), into="following")
    assert differing(two.verify()) == 1


def test_any_number_of_deletes_can_have_been_forgotten_for_good_reason(two, monkeypatch):
    monkeypatch.setattr(pairing, "MOST_SUSPECTS", 5)
    for number in range(20):
        two.write(delete(9, f"old{number}"), into="live")
    found = two.verify()
    assert found.passed
    assert figure(found, "old deletes forgotten").following == 5, "so many were drawn, and looked at"
    for number in range(20):
        two.log.add(delete(9, f"old{number}"))
    assert differing(two.verify()) == 5


def test_a_group_that_was_placed_and_never_read_has_not_begun():
    other = Partition("shop", 1)
    begins, ends, placed = {SHOP: 0, other: 0}, {SHOP: 30, other: 5}, {SHOP: 20, other: 5}
    assert position(begins, ends, placed, placed=placed) == Position(10, False, placed)
    assert position(begins, ends, {SHOP: 21, other: 5}, placed=placed) == Position(9, True, {SHOP: 21, other: 5})
    assert position(begins, placed, placed, placed=placed).begun, "there is nothing that it could read"
    assert position(begins, ends, {SHOP: 1}, placed={other: 5}).begun, "a partition where it was not placed"
