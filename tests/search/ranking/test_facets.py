"""Facets count what a plain loop counts."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.ranking.samples import SCHEMA, candidate, candidate_lists

from fourtower_search.query.refinements import FacetRequest
from fourtower_search.ranking.facets import FacetRange, FacetValue, count_facets, round_edges


def facet(candidates, attribute, **fields):
    request = FacetRequest.model_validate({"attribute": attribute, **fields})
    return count_facets(candidates, [request], SCHEMA, truncated=False)[attribute]


@settings(deadline=None)
@given(candidates=candidate_lists(), attribute=st.sampled_from(["brand", "tags", "in_stock"]), limit=st.integers(1, 5))
def test_values_are_counted_as_a_plain_loop_does(candidates, attribute, limit):
    counts = {}
    for each in candidates:
        value = each.value(attribute)
        for item in () if value is None else sorted(set(value)) if isinstance(value, tuple) else (value,):
            counts[item] = counts.get(item, 0) + 1
    result = facet(candidates, attribute, limit=limit)
    expected = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    assert [(each.value, each.count) for each in result.values] == expected[:limit]
    assert result.others == max(0, len(counts) - limit)
    assert result.total == len(candidates)
    assert result.missing == sum(each.value(attribute) is None for each in candidates)


edges = st.lists(st.sampled_from([-5.0, 0.0, 5.0, 9.99, 10.0, 1e7]), min_size=1, max_size=4, unique=True).map(sorted)


@settings(deadline=None)
@given(candidates=candidate_lists(), edges=st.none() | edges)
def test_every_number_lies_in_exactly_one_range(candidates, edges):
    result = facet(candidates, "price", edges=edges)
    prices = [each.value("price") for each in candidates if each.value("price") is not None]
    for n, each in enumerate(result.ranges):
        last = n == len(result.ranges) - 1
        within = [p for p in prices if each.lo is None or p >= each.lo]
        within = [p for p in within if each.hi is None or p < each.hi or (last and p == each.hi)]
        assert each.count == len(within)
    assert sum(each.count for each in result.ranges) == len(prices) == result.total - result.missing
    if edges:
        assert [each.hi for each in result.ranges] == [*edges, None]


@given(
    numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8),
    ranges=st.integers(1, 20),
    kind=st.sampled_from(["float", "time"]),
)
def test_round_ranges_hold_any_numbers(numbers, ranges, kind):
    found = round_edges(numbers, ranges, kind)
    assert found[0] <= min(numbers)
    assert found[-1] >= max(numbers)
    assert all(low < high for low, high in pairwise(found)) or found == [min(numbers), max(numbers)]
    assert 2 <= len(found) <= 2 * ranges + 3


@given(numbers=st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=8), ranges=st.integers(1, 20))
def test_round_ranges_of_integers_are_at_least_one_wide(numbers, ranges):
    found = round_edges(numbers, ranges, "int")
    assert found[0] <= min(numbers)
    assert found[-1] >= max(numbers)
    assert len(set(numbers)) == 1 or all(high - low >= 1 for low, high in pairwise(found))


def test_ranges_are_round():
    assert round_edges([3.0, 97.0], 5, "float") == [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    assert round_edges([0.11, 0.19], 4, "float") == pytest.approx([0.1, 0.12, 0.14, 0.16, 0.18, 0.2])
    assert round_edges([1, 3], 10, "int") == [1.0, 2.0, 3.0, 4.0]
    day = 86_400_000
    assert round_edges([5 * day + 7, 8 * day + 9], 4, "time") == [5 * day, 6 * day, 7 * day, 8 * day, 9 * day]
    assert round_edges([5.0, 5.0], 4, "float") == [5.0, 5.0]
    assert round_edges([], 4, "float") == []


def test_a_single_value_and_none_at_all():
    assert facet([candidate("a", price=5.0)], "price").ranges == (FacetRange(5.0, 5.0, 1),)
    empty = facet([candidate("a")], "price")
    assert (empty.ranges, empty.missing, empty.total) == ((), 1, 1)
    assert facet([], "brand").values == ()


def test_times_are_counted_between_times():
    result = facet([candidate("a", added=1_777_636_800_000)], "added", edges=["2026-05-01T12:00:00Z"])
    assert [each.count for each in result.ranges] == [0, 1]
    assert result.ranges[1].lo == 1_777_636_800_000


def test_a_short_search_says_that_its_counts_are_not_all():
    result = count_facets([candidate("a", brand="wren")], [FacetRequest(attribute="brand")], SCHEMA, truncated=True)
    assert result["brand"].truncated
    assert result["brand"].values == (FacetValue("wren", 1),)
