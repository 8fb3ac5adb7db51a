"""Curves pass through their stated points and never leave 0..1, whatever comes in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtower_encoders.joint import Calibration
from fourtower_search.ranking.curves import exponential, fade, gauss, linear, logistic, reciprocal_ranks, saturated

anything = st.floats(allow_nan=False, allow_infinity=False)
above_zero = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
DECAYS = (gauss, exponential, fade)


@given(raw=st.floats(-50, 50), slope=st.floats(-20, 20), intercept=st.floats(-50, 50))
def test_the_logistic_curve_is_the_encoders_calibration(raw, slope, intercept):
    expected = Calibration(slope=slope, intercept=intercept)(np.array([raw], dtype=np.float64))[0]
    assert logistic(raw, slope, intercept) == pytest.approx(float(expected), abs=1e-6)


@given(value=anything, pivot=above_zero)
def test_saturation_stays_in_range(value, pivot):
    assert 0 <= saturated(value, pivot) <= 1


@given(value=anything, origin=anything, scale=above_zero, offset=st.floats(0, 1e300), decay=st.floats(0.01, 0.99))
def test_decays_stay_in_range(value, origin, scale, offset, decay):
    assert all(0 <= curve(value, origin, scale, decay, offset) <= 1 for curve in DECAYS)


@given(value=anything, lo=st.floats(-1e300, 1e300), hi=st.floats(-1e300, 1e300))
def test_lines_stay_in_range(value, lo, hi):
    if lo != hi:
        assert 0 <= linear(value, lo, hi) <= 1


def test_stated_points():
    assert saturated(5.0, 5.0) == 0.5
    assert saturated(0.0, 5.0) == saturated(-3.0, 5.0) == 0.0
    assert saturated(1.7e308, 1.7e308) == 0.5
    assert [linear(x, 10.0, 20.0) for x in (5, 10, 15, 20, 30)] == [0, 0, 0.5, 1, 1]
    assert [linear(x, 20.0, 10.0) for x in (5, 10, 15, 20, 30)] == [1, 1, 0.5, 0, 0]
    for curve in DECAYS:
        assert curve(100.0, 100.0, 10.0, 0.3, 0.0) == 1
        assert curve(104.0, 100.0, 10.0, 0.3, 5.0) == 1
        assert curve(110.0, 100.0, 10.0, 0.3, 0.0) == pytest.approx(0.3)
        assert curve(85.0, 100.0, 10.0, 0.3, 5.0) == pytest.approx(0.3)
    assert fade(200.0, 100.0, 10.0, 0.3, 0.0) == 0
    assert gauss(120.0, 100.0, 10.0, 0.3, 0.0) < exponential(120.0, 100.0, 10.0, 0.3, 0.0)


def test_the_first_of_all_lists_gets_one():
    assert reciprocal_ranks(60, 2, 1, 1) == pytest.approx(1.0)
    assert reciprocal_ranks(60, 2, 1) == pytest.approx(0.5)
    assert reciprocal_ranks(60, 2) == 0
