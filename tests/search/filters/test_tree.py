"""Filters written in Python: what operators build, and how mistakes are refused."""

import copy
import math
import pickle
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from tests.search.filters.strategies import anything

from fourtower_search.errors import InvalidFilter
from fourtower_search.filters import F
from fourtower_search.filters.tree import (
    MAX_DEPTH,
    MAX_IDS,
    MAX_LEAVES,
    MAX_VALUES,
    AllOf,
    AnyOf,
    Between,
    Comparison,
    Contains,
    Exists,
    IsIn,
    Matches,
    Not,
    all_of,
    any_of,
    check_size,
)


def test_operators_build_the_tree():
    where = F.price.between(10, 50) & F.brand.isin(["a", "b"]) | ~F.in_stock.exists()
    assert where == AnyOf(
        (AllOf((Between("price", 10, 50), IsIn("brand", ("a", "b")))), Not(Exists("in_stock"))),
    )
    assert (F["in"] != 3) == Comparison("in", "!=", 3)
    assert (10 > F.price) == Comparison("price", "<", 10)  # noqa: SIM300
    assert F.title.matches("red leather") == Matches("title", "red leather")
    assert F.tags.contains("x") == Contains("tags", ("x",), "all") == F.tags.contains_any(["x"])
    assert F.tags.contains_any(["x", "y"]) == Contains("tags", ("x", "y"), "any")


def test_levels_that_mean_nothing_are_not_kept():
    a, b, c = F.a == 1, F.b == 2, F.c == 3
    assert (a & b) & c == a & (b & c) == all_of(a, b, c) == AllOf((a, b, c))
    assert (a | b) | c == a | (b | c) == any_of(a, b, c)
    assert ~~a == a == all_of(a) == any_of(a)


@given(anything)
def test_a_representation_can_be_pasted_back(where):
    again = eval(repr(where), {"F": F})
    assert again == where
    assert repr(again) == repr(where)
    assert hash(again) == hash(where)


def test_filters_are_values():
    where = (F.price < 5) & ~F.brand.isin(["a"])
    assert copy.deepcopy(where) == where == pickle.loads(pickle.dumps(where))
    assert {where: 1}[(F.price < 5) & ~F.brand.isin(["a"])] == 1
    with pytest.raises(AttributeError):
        where.filters = ()


def test_values_become_plain():
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert (F.released > noon) == Comparison("released", ">", "2026-05-01T12:00:00+00:00")
    assert type((F.stock == np.int64(3)).value) is int
    assert type((F.price == np.float32(0.5)).value) is float
    assert repr(F.price == -0.0) == "F.price == 0.0"


MISTAKES = {
    "and": lambda: (F.a > 1) and (F.b > 1),
    "not": lambda: not (F.a > 1),
    "chained": lambda: 10 < F.price < 50,
    "truth of a field": lambda: bool(F.a),
    "no parentheses": lambda: F.a > 1 & F.b,
    "field alone": lambda: F.a & (F.b > 1),
    "field alone, right": lambda: (F.a > 1) & F.b,
    "field negated": lambda: ~F.a,
    "None": lambda: F.a == None,  # noqa: E711
    "NaN": lambda: F.a.between(0, math.nan),
    "infinity": lambda: F.a < math.inf,
    "huge": lambda: F.a < np.longdouble("1e400"),
    "naive time": lambda: F.a < datetime(2026, 1, 1),
    "date": lambda: F.a < date(2026, 1, 1),
    "decimal": lambda: F.a < Decimal("1.5"),
    "list": lambda: F.a == ["x"],
    "letters of a string": lambda: F.a.isin("abc"),
    "number as list": lambda: F.a.isin(5),
    "bytes": lambda: F.a.contains_all(b"abc"),
    "surrogate": lambda: F.a == "\ud800",
    "NUL": lambda: F.a.contains("a\x00"),
    "number among strings": lambda: F.a.contains_any(["x", 5]),
    "words of a number": lambda: F.a.matches(5),
    "name with a space": lambda: F["a b"],
    "name of a number": lambda: F[5],
    "long name": lambda: F["a" * 65],
    "name with a newline": lambda: F["a\n"],
    "nothing": all_of,
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_refused_with_a_sentence(mistake):
    with pytest.raises(InvalidFilter, match=r"^.{20,400}\.$"):
        MISTAKES[mistake]()


def test_other_operands_stay_type_errors():
    with pytest.raises(TypeError):
        (F.a > 1) & True
    with pytest.raises(TypeError):
        (F.a > 1) | "b"


def test_names_that_python_looks_for_are_not_fields():
    assert not hasattr(F, "__wrapped__")
    assert not hasattr(F, "_repr_html_")
    assert copy.copy(F) is not None
    assert repr(F["_repr_html_"].exists()) == "F['_repr_html_'].exists()"


def deep(levels: int):
    where = F.a == 0
    for level in range(levels):
        where = where & (F.b == level) if level % 2 else where | (F.b == level)
    return where


def test_sizes_are_limited():
    check_size(deep(MAX_DEPTH))
    check_size(any_of(*[F.a == number for number in range(MAX_LEAVES)]))
    check_size(F.a.isin(range(MAX_VALUES)))
    check_size(F.product_id.isin(map(str, range(MAX_IDS))))
    too_much = [
        deep(MAX_DEPTH + 1),
        deep(5000),
        any_of(*[F.a == number for number in range(MAX_LEAVES + 1)]),
        F.a.isin(range(MAX_VALUES + 1)),
        F.a.contains_any(map(str, range(MAX_VALUES + 1))),
        F.product_id.isin(map(str, range(MAX_IDS + 1))),
        any_of(*[F.a.isin(range(MAX_VALUES)) for _ in range(11)]),
    ]
    for where in too_much:
        with pytest.raises(InvalidFilter):
            check_size(where)
