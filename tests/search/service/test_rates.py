"""Buckets of tokens, on a clock of the test's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtower_search.service import rates
from fourtower_search.service.rates import Rates


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_burst_is_let_through_and_then_the_rate(clock):
    buckets = Rates(clock)
    assert [buckets.take("a", rate_per_s=2, burst=3) for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a", rate_per_s=2, burst=3) == pytest.approx(0.5)
    clock.now += 0.25
    assert buckets.take("a", rate_per_s=2, burst=3) == pytest.approx(0.25)
    clock.now += 0.25
    assert buckets.take("a", rate_per_s=2, burst=3) == 0


def test_who_stayed_away_for_long_has_the_burst_and_no_more(clock):
    buckets = Rates(clock)
    buckets.take("a", rate_per_s=2, burst=3)
    clock.now += 1000
    assert [buckets.take("a", rate_per_s=2, burst=3) for _ in range(4)] == [0, 0, 0, pytest.approx(0.5)]


def test_callers_do_not_spend_each_others_tokens(clock):
    buckets = Rates(clock)
    assert buckets.take("a", rate_per_s=1, burst=1) == 0
    assert buckets.take("a", rate_per_s=1, burst=1) > 0
    assert buckets.take("b", rate_per_s=1, burst=1) == 0


def test_who_was_let_in_with_much_waits_longer_afterwards(clock):
    buckets = Rates(clock)
    buckets.charge("never came", 5)
    buckets.take("a", rate_per_s=2, burst=4)
    buckets.charge("a", 9)
    assert buckets.take("a", rate_per_s=2, burst=4) == pytest.approx((1 + 6) / 2)
    clock.now += 3.5
    assert buckets.take("a", rate_per_s=2, burst=4) == 0


def test_a_changed_key_has_its_new_rate_at_once(clock):
    buckets = Rates(clock)
    buckets.take("a", rate_per_s=100, burst=100)
    assert [buckets.take("a", rate_per_s=1, burst=2) for _ in range(3)] == [0, 0, pytest.approx(1)]


def test_callers_who_stay_away_are_forgotten_and_debtors_are_not(clock, monkeypatch):
    monkeypatch.setattr(rates, "MOST_BUCKETS", 10)
    buckets = Rates(clock)
    buckets.take("debtor", rate_per_s=1, burst=1)
    buckets.charge("debtor", 1000)
    for number in range(100):
        clock.now += 2
        buckets.take(str(number), rate_per_s=1, burst=1)
    assert len(buckets._buckets) <= 10
    assert buckets.take("debtor", rate_per_s=1, burst=1) == pytest.approx(1001 - 200)


@given(
    st.lists(st.floats(0, 3), min_size=1, max_size=60),
    st.floats(0.1, 50),
    st.integers(1, 20),
)
def test_in_any_time_no_more_is_let_through_than_the_burst_and_the_rate(pauses, rate, burst):
    clock = Clock()
    buckets = Rates(clock)
    start, passed = clock.now, 0
    for pause in pauses:
        clock.now += pause
        wait = buckets.take("a", rate_per_s=rate, burst=burst)
        passed += wait == 0
        assert passed <= burst + rate * (clock.now - start) + 1e-6
        if wait:
            clock.now += wait + 1e-9
            assert buckets.take("a", rate_per_s=rate, burst=burst) == 0, "what is promised is kept"
            passed += 1
