"""The JSON form: equal to the tree, strict about everything else."""

import json

import pytest
from hypothesis import given
from tests.search.filters.strategies import anything

from fourtower_search.errors import InvalidFilter
from fourtower_search.filters import F, as_filter, from_json, to_json
from fourtower_search.filters.json_form import GroupForm
from fourtower_search.filters.tree import MAX_LEAVES


@given(anything)
def test_json_reads_back_as_an_equal_filter(where):
    again = from_json(json.loads(json.dumps(to_json(where))))
    assert again == where
    assert repr(again) == repr(where)


def test_the_three_lists_are_all_asked_for():
    a, b, c, d, e = ({"field": name, "eq": 1} for name in "abcde")
    both = from_json({"must": [a], "should": [b, c], "must_not": [d, e]})
    assert both == (F.a == 1) & ((F.b == 1) | (F.c == 1)) & ~(F.d == 1) & ~(F.e == 1)
    assert from_json({"should": [b]}) == (F.b == 1)
    assert from_json({"must": [{"must": [a, b]}], "should": []}) == (F.a == 1) & (F.b == 1)
    assert from_json({"must_not": [{"must_not": [a]}]}) == (F.a == 1)


def test_a_leaf_may_compare_more_than_once():
    assert from_json({"field": "a", "ge": 1, "le": 5}) == F.a.between(1, 5)
    assert from_json({"field": "a", "gt": 1, "lt": 5}) == (F.a > 1) & (F.a < 5)
    assert from_json({"field": "a", "lt": 5, "exists": True}) == (F.a < 5) & F.a.exists()
    assert from_json({"field": "a", "exists": False}) == ~F.a.exists()


def test_types_are_kept():
    for value in (True, 1, 1.0, "1"):
        assert type(from_json({"field": "a", "eq": value}).value) is type(value)


LEAF = {"field": "a", "eq": 1}
WRONG = {
    "empty": ({}, "leave it out"),
    "nothing asked": ({"must": [], "should": []}, "leave it out"),
    "list": ([LEAF], "an object like"),
    "text": ("price < 5", "an object like"),
    "null": (None, "an object like"),
    "inner text": ({"must": ["x"]}, r"^filter\.must\.0: an object like"),
    "no list": ({"must": LEAF}, r"^filter\.must: .*list"),
    "no comparison": ({"field": "a"}, "say what to compare 'a' with"),
    "unknown key": ({"must_not": [{**LEAF, "boost": 2}]}, r"^filter\.must_not\.0\.boost: "),
    "unknown group": ({"filter": [LEAF]}, r"^filter\.filter: "),
    "leaf and group": ({**LEAF, "must": [LEAF]}, r"^filter\.must: "),
    "null value": ({"field": "a", "eq": None}, r"^filter\.eq: .*not None\.$"),
    "list as value": ({"field": "a", "lt": [1]}, r"^filter\.lt: "),
    "object in list": ({"field": "a", "in": [1, {}]}, r"^filter\.in\.1: "),
    "string as list": ({"field": "a", "in": "abc"}, r"^filter\.in: "),
    "name in Python": ({"field": "a", "is_in": [1]}, r"^filter\.is_in: "),
    "exists as text": ({"field": "a", "exists": "yes"}, r"^filter\.exists: "),
    "matches a number": ({"field": "a", "matches": 5}, r"^filter\.matches: "),
    "field is a number": ({"field": 5, "eq": 5}, r"^filter\.field: "),
    "field is no name": ({"field": "a) or (b", "eq": 5}, "is no name of an attribute"),
    "NaN": ({"field": "a", "lt": float("nan")}, "finite"),
    "surrogate": ({"field": "a", "lt": "\ud800"}, "surrogate"),
    "surrogate in words": ({"field": "a", "matches": "\ud800"}, "surrogate"),
    "too many": ({"should": [LEAF] * (MAX_LEAVES + 1)}, f"more than {MAX_LEAVES}"),
}


@pytest.mark.parametrize("case", WRONG)
def test_anything_else_is_refused_where_it_is(case):
    data, message = WRONG[case]
    with pytest.raises(InvalidFilter, match=message):
        from_json(data)


@pytest.mark.parametrize("levels", [12, 200, 5000])
def test_nesting_is_limited(levels):
    data = LEAF
    for level in range(levels):
        data = {"must": [data, LEAF]} if level % 2 else {"should": [data, LEAF]}
    with pytest.raises(InvalidFilter):
        from_json(data)


def test_a_filter_may_be_given_as_itself():
    where = F.a == 1
    assert as_filter(where) is where
    assert as_filter(LEAF) == where
    with pytest.raises(InvalidFilter, match="an object like"):
        as_filter("a == 1")


def test_the_form_describes_itself_to_other_programs():
    schema = json.dumps(GroupForm.model_json_schema())
    assert all(f'"{key}"' in schema for key in ("must", "should", "must_not", "in", "contains_any"))
