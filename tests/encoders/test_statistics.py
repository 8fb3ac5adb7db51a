"""Statistics against brute force and published tables."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtower_encoders.errors import InvalidConfig
from fourtower_encoders.statistics import (
    bootstrap_interval,
    holm,
    paired_interval,
    prediction_interval,
    sign_flip_p,
    t_quantile,
)


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=9))
def test_sign_flip_agrees_with_brute_force(hundredths):
    # Whole numbers make the reference exact; the tested values are the same in hundredths, which are not.
    sums = [abs(sum(sign * value for sign, value in zip(signs, hundredths, strict=True)))
            for signs in itertools.product((1, -1), repeat=len(hundredths))]  # fmt: skip
    expected = sum(total >= abs(sum(hundredths)) for total in sums) / len(sums)
    assert sign_flip_p([value / 100 for value in hundredths]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("pairs", "p"), [(5, 0.0625), (6, 0.03125), (8, 0.0078125), (20, 2 / 2**20)])
def test_agreeing_seeds_reach_the_smallest_p(pairs, p):
    assert sign_flip_p([0.1 + 0.01 * number for number in range(pairs)]) == p


@pytest.mark.parametrize("differences", [[], [0.1] * 21, [0.1, math.nan], [math.inf]])
def test_sign_flip_refuses_what_it_cannot_enumerate(differences):
    with pytest.raises(InvalidConfig):
        sign_flip_p(differences)


def test_holm_by_hand():
    adjusted = holm({"a": 0.04, "b": 0.01, "c": 0.03, "d": 0.005})
    assert adjusted == pytest.approx({"a": 0.06, "b": 0.03, "c": 0.06, "d": 0.02})
    assert list(adjusted) == ["a", "b", "c", "d"]


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=6))
def test_holm_never_lowers_keeps_order_and_stays_under_bonferroni(p_values):
    adjusted = holm(p_values)
    assert adjusted.keys() == p_values.keys()
    for name, p in p_values.items():
        assert p <= adjusted[name] <= min(1.0, p * len(p_values))
    ordered = sorted(p_values, key=lambda name: p_values[name])
    assert all(adjusted[low] <= adjusted[high] for low, high in itertools.pairwise(ordered))


@pytest.mark.parametrize(
    ("degrees", "value"),
    [(1, 12.7062), (2, 4.30265), (3, 3.18245), (4, 2.77645), (5, 2.57058), (7, 2.36462), (9, 2.26216),
     (20, 2.08596), (99, 1.98422)],
)  # fmt: skip
def test_t_quantile_agrees_with_the_tables(degrees, value):
    assert t_quantile(0.975, degrees=degrees) == pytest.approx(value, abs=1e-4)


def test_t_quantile_at_the_middle_and_far_out():
    assert t_quantile(0.5, degrees=4) == pytest.approx(0, abs=1e-9)
    assert t_quantile(0.9995, degrees=1) == pytest.approx(636.619, abs=1e-2)
    with pytest.raises(InvalidConfig):
        t_quantile(1.0, degrees=3)


def test_prediction_interval_by_hand():
    found = prediction_interval([0.50, 0.52, 0.54])
    half = 4.30265 * 0.02 * math.sqrt(4 / 3)
    assert found == pytest.approx((0.52, 0.52 - half, 0.52 + half), abs=1e-5)
    with pytest.raises(InvalidConfig):
        prediction_interval([0.5])


def test_prediction_interval_holds_new_seeds_as_often_as_promised():
    random = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        *seen, new = random.normal(0.5, 0.1, size=6)
        found = prediction_interval(seen)
        held += found.low <= new <= found.high
    assert held / 400 == pytest.approx(0.95, abs=0.03)


def test_bootstrap_over_queries_matches_the_normal_interval():
    values = np.random.default_rng(2).random(400)
    found = bootstrap_interval(values, draws=4000)
    half = 1.96 * values.std() / math.sqrt(len(values))
    assert found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.003)


def test_bootstrap_agrees_with_enumeration_of_every_draw():
    table = np.array([[0.0, 1.0], [2.0, 7.0]])
    means = [table[np.ix_(seeds, queries)].mean()
             for seeds in itertools.product((0, 1), repeat=2)
             for queries in itertools.product((0, 1), repeat=2)]  # fmt: skip
    # All 16 draws are equally likely; their 10 % and 90 % quantiles are well inside a step of the distribution.
    low, high = np.quantile(means, [0.1, 0.9], method="inverted_cdf")
    found = bootstrap_interval(table, draws=20_000, confidence=0.8)
    assert (found.low, found.high) == pytest.approx((low, high))


def test_queries_that_are_hard_for_every_seed_widen_the_interval():
    shared = np.random.default_rng(5).random(200)
    table = np.tile(shared, (8, 1))  # all seeds agree on every query, so eight know no more than one
    one, eight = bootstrap_interval(shared, draws=2000), bootstrap_interval(table, draws=2000)
    assert eight.high - eight.low == pytest.approx(one.high - one.low, rel=0.1)


def test_queries_without_a_value_do_not_count():
    found = bootstrap_interval([1.0, math.nan, 1.0, math.nan], draws=500)
    assert found == (1.0, 1.0, 1.0)
    with pytest.raises(InvalidConfig):
        bootstrap_interval([math.nan])


def test_pairing_removes_what_both_share():
    random = np.random.default_rng(6)
    hard = random.random((4, 300))
    found = paired_interval(hard + 0.02, hard, draws=500)
    assert found == pytest.approx((0.02, 0.02, 0.02))
    unpaired = bootstrap_interval(hard, draws=500)
    assert unpaired.high - unpaired.low > 0.02
    with pytest.raises(InvalidConfig):
        paired_interval(hard, hard[:2])


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(7).random((3, 50))
    assert bootstrap_interval(values, draws=700, seed=1) == bootstrap_interval(values, draws=700, seed=1)
    assert bootstrap_interval(values, draws=700, seed=1) != bootstrap_interval(values, draws=700, seed=2)
