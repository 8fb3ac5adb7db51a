"""The neighbours of a number among those that a column can hold."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtower_search.filters.rounding import neighbours
from fourtower_search.schema import LOWEST_FLOAT, LOWEST_INT

numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("kind", ["int", "float"])
@given(value=numbers)
def test_a_number_lies_between_its_neighbours_and_nothing_else_does(kind, value):
    found = neighbours(value, kind)
    if found is None:
        assert kind == "int" or value == LOWEST_FLOAT
        assert kind == "float" or not LOWEST_INT < value < 2**63
        return
    below, above = found
    assert type(below) is type(above) is (int if kind == "int" else float)
    assert Fraction(below) <= Fraction(value) <= Fraction(above)
    assert (below == above) == (below == value)
    if kind == "int":
        assert above - below <= 1
    elif below != above:
        assert (below + above) / 2 in (below, above)


def test_what_lies_outside_has_none():
    for value in (LOWEST_INT, 2**63, -1e300, 2.0**63):
        assert neighbours(value, "int") is None
    for value in (10**400, -(10**400), LOWEST_FLOAT):
        assert neighbours(value, "float") is None
