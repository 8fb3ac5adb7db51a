"""Sorting by an attribute: missing values last, equals by score and id."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.ranking.samples import candidate, candidate_lists, ids

from fourtower_search.query.refinements import Sort
from fourtower_search.ranking.ordering import sort_by


@settings(deadline=None)
@given(
    candidates=candidate_lists(),
    attribute=st.sampled_from(["price", "sold", "added", "in_stock", "brand"]),
    direction=st.sampled_from(["asc", "desc"]),
)
def test_neighbours_are_in_order(candidates, attribute, direction):
    result = sort_by(candidates, Sort(attribute=attribute, direction=direction))
    assert sorted(ids(result)) == sorted(ids(candidates))
    for one, other in pairwise(result):
        first, second = one.value(attribute), other.value(attribute)
        if first is None or second is None:
            assert second is None
        elif first != second:
            assert (first < second) == (direction == "asc")
            continue
        if first == second:
            assert (-one.score, one.product_id) < (-other.score, other.product_id)


def test_the_order_they_come_in_does_not_matter():
    given = [candidate("b", 0.5, price=1.0), candidate("a", 0.5, price=1.0), candidate("c", 0.9)]
    cheap_first = Sort(attribute="price")
    assert ids(sort_by(given, cheap_first)) == ids(sort_by(given[::-1], cheap_first)) == ["a", "b", "c"]


def test_without_a_sort_nothing_moves():
    given = [candidate("b", 0.1), candidate("a", 0.9)]
    assert sort_by(given, None) == given
