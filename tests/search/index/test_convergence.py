from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.search.index.builders import delete, upsert

from fourtower_search.index.convergence import Stored, fold, needed, outdated, stored_by_product, verdict
from fourtower_search.index.rows import Order, RowState

# A digest covers the operation too, so that a delete never shares its key with an upsert.
orders = st.builds(Order, st.integers(1, 4), st.just(False), st.sampled_from("ab")) | st.builds(
    Order, st.integers(1, 4), st.just(True), st.sampled_from("cd")
)


@st.composite
def histories(draw):
    """Rows of one product: any part of each of some versions."""
    rows = []
    for order in draw(st.sets(orders, max_size=5)):
        count = 1 if order.deleted else draw(st.integers(1, 3))
        views = draw(st.sets(st.integers(0, count - 1), min_size=1))
        rows += [RowState("p", order, view, count) for view in views]
    return draw(st.permutations(rows))


def test_nothing_stored_is_no_version():
    assert Stored.of([]) == Stored((), None, None)


def test_a_version_with_a_missing_row_is_highest_but_not_complete():
    old, new = upsert("p", 1), upsert("p", 2, views=3)
    stored = Stored.of([*old.rows, *new.rows[:2]])
    assert (stored.highest, stored.complete) == (new.order, old.order)


def test_the_same_view_twice_does_not_complete_a_version():
    row = upsert("p", views=2).rows[0]
    assert Stored.of([row, row]).complete is None


def test_a_delete_is_complete_with_its_one_row():
    write = delete("p", 3)
    assert Stored.of(write.rows).complete == write.order


def test_a_delete_wins_over_an_upsert_of_its_version_and_loses_to_the_next():
    assert upsert("p", 1, digest="f").order < delete("p", 1, digest="0").order < upsert("p", 2, digest="0").order


def test_a_new_version_is_needed_and_a_stored_one_is_not():
    stored = Stored.of(upsert("p", 2).rows)
    assert needed(upsert("p", 3), stored)
    assert not needed(upsert("p", 2), stored)
    assert not needed(upsert("p", 1), stored)


def test_of_equal_versions_the_one_with_the_higher_digest_is_needed():
    stored = Stored.of(upsert("p", 2, digest="b").rows)
    assert needed(upsert("p", 2, digest="c"), stored)
    assert not needed(upsert("p", 2, digest="a"), stored)


def test_an_incomplete_version_is_needed_again():
    write = upsert("p", 2, views=2)
    assert needed(write, Stored.of(write.rows[:1]))


def test_an_incomplete_newer_version_does_not_keep_an_older_one_out():
    # The newer one's writer may have died, and its event may end among the dead letters.
    assert needed(upsert("p", 1), Stored.of(upsert("p", 2, views=2).rows[:1]))


def test_a_repair_rewrites_an_equal_version_but_no_older_one():
    stored = Stored.of(upsert("p", 2, missing=(0,)).rows)
    assert needed(upsert("p", 2, repair=True), stored)
    assert not needed(upsert("p", 1, repair=True), stored)


def test_a_repair_that_would_lose_a_picture_is_not_needed():
    stored = Stored.of(upsert("p", 2, views=2, missing=(0,)).rows)
    assert not needed(upsert("p", 2, views=2, missing=(1,), repair=True), stored)
    assert needed(upsert("p", 2, views=2, missing=(0,), repair=True), stored)


def test_the_highest_write_of_a_batch_decides_and_of_equal_ones_the_repair():
    batch = [upsert("p", 1), upsert("q", 1), upsert("p", 2), upsert("p", 2, repair=True), upsert("p", 2)]
    assert fold(batch) == {"p": batch[3], "q": batch[1]}


def test_products_without_rows_get_an_empty_entry():
    stored = stored_by_product(["p", "q"], upsert("q").rows)
    assert stored["p"] == Stored()
    assert stored["q"].complete == upsert("q").order


@given(histories())
def test_only_rows_below_the_highest_complete_version_are_outdated(rows):
    stored = Stored.of(rows)
    gone = set(outdated(stored))
    left = [row for row in rows if row.key not in gone]
    assert Stored.of(left).complete == stored.complete
    assert Stored.of(left).highest == stored.highest
    for row in rows:
        assert (row.key in gone) == (stored.complete is not None and row.order < stored.complete)


@given(histories(), orders)
def test_a_write_is_applied_stale_or_incomplete_by_what_is_complete(rows, order):
    complete = Stored.of(rows).complete
    if complete is None:
        assert verdict(order, Stored.of(rows)) == "incomplete"
    else:
        expected = "applied" if complete == order else "stale" if complete > order else "incomplete"
        assert verdict(order, Stored.of(rows)) == expected


@given(histories(), st.integers(1, 4), st.integers(1, 3), st.sampled_from("abx"))
def test_what_is_not_needed_is_applied_or_stale_already(rows, version, views, digest):
    write = upsert("p", version, views=views, digest=digest)
    stored = Stored.of(rows)
    assert needed(write, stored) == (verdict(write.order, stored) == "incomplete")
