"""Widening finds as many products as asked for, however many views each has."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.ranking.samples import hit

from fourtower_search.ranking.widening import distinct_products, widen, widen_many


class Index:
    """A list of hits, best first, that notes how it was asked."""

    def __init__(self, views):
        self.hits = [hit(f"p{n}", view=view) for n, count in enumerate(views) for view in range(count)]
        self.limits = []

    def fetch(self, limit):
        self.limits.append(limit)
        return self.hits[:limit]


@settings(deadline=None)
@given(views=st.lists(st.integers(1, 12), max_size=40), depth=st.integers(1, 30))
def test_depth_products_are_found_or_all_there_are(views, depth):
    index = Index(views)
    found = widen(index.fetch, depth)
    expected = [f"p{n}" for n in range(min(depth, len(views)))]
    assert distinct_products(found.hits) == expected
    if found.exhausted:
        assert found.hits == index.hits
    assert len(index.limits) <= 4
    assert all(later == 2 * earlier for earlier, later in pairwise(index.limits))


@pytest.mark.parametrize("views", range(1, 13))
def test_a_product_with_many_views_does_not_fill_the_list(views):
    index = Index([views] * 50)
    found = widen(index.fetch, 20)
    assert len(distinct_products(found.hits)) == 20
    assert not found.exhausted
    assert len(index.limits) == {1: 1, 2: 1, 3: 2, 4: 2}.get(views, 3 if views <= 8 else 4)


def test_an_engine_without_more_is_exhausted():
    assert widen(Index([1, 1]).fetch, 10).exhausted
    assert widen(Index([]).fetch, 10) == ([], True)


def test_more_products_than_asked_for_means_there_is_more():
    assert not widen(Index([1, 1, 1]).fetch, 2).exhausted


def test_rows_are_never_asked_for_beyond_the_most():
    index = Index([12] * 50)
    found = widen(index.fetch, 20, most=60)
    assert index.limits == [40, 60]
    assert len(distinct_products(found.hits)) == 5
    assert not found.exhausted


@settings(deadline=None)
@given(
    indexes=st.lists(st.lists(st.integers(1, 12), max_size=20), max_size=5),
    depth=st.integers(1, 15),
    views=st.floats(0.5, 4),
)
def test_many_searches_find_what_each_would_find_alone(indexes, depth, views):
    sources, calls = [Index(each) for each in indexes], []

    def fetch(pending, limit):
        calls.append(list(pending))
        return [sources[n].fetch(limit) for n in pending]

    together = widen_many(fetch, len(indexes), depth, views=views)
    assert together == [widen(each.fetch, depth, views=views) for each in sources]
    assert all(set(later) <= set(earlier) for earlier, later in pairwise(calls))


def test_only_those_that_have_not_found_enough_are_asked_again():
    indexes, calls = [[1] * 20, [12] * 20, []], []

    def fetch(pending, limit):
        calls.append((list(pending), limit))
        return [Index(indexes[n]).fetch(limit) for n in pending]

    widen_many(fetch, 3, 4, views=1.5)
    assert calls == [([0, 1, 2], 6), ([1], 12), ([1], 24), ([1], 48)]
