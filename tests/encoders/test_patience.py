"""A host that wastes time is left alone, and asked again by one request at a time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.encoders.image_host import PICTURE, Host, policy_for

from fourtower_encoders.errors import ImageError, ImageUnavailable
from fourtower_encoders.fetching import ImageFetcher
from fourtower_encoders.patience import LEAST_REST_S, REST, Patience

SICK, WELL = ("sick.test", 80), ("well.test", 80)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_host_that_wasted_too_much_time_is_left_alone_and_others_are_not():
    patience = Patience(10, clock=Clock())
    for _ in range(2):
        assert patience.ask(SICK) == 0
        patience.failed(SICK, 5)
    assert patience.ask(SICK) == 5 * REST
    assert patience.ask(WELL) == 0


def test_after_its_rest_one_request_alone_finds_out_how_it_is():
    clock = Clock()
    patience = Patience(10, clock=clock)
    patience.failed(SICK, 20)
    clock.now += 20 * REST
    assert patience.ask(SICK) == 0
    assert patience.ask(SICK) == LEAST_REST_S, "somebody is asking already"
    patience.failed(SICK, 3)
    assert patience.ask(SICK) == 3 * REST, "it is still sick"
    clock.now += 3 * REST
    assert patience.ask(SICK) == 0
    patience.answered(SICK)
    assert patience.ask(SICK) == patience.ask(SICK) == 0


def test_a_host_that_fails_now_and_then_is_forgiven():
    patience = Patience(60, clock=Clock())
    for _ in range(100):
        patience.failed(SICK, 25)
        for _ in range(4):
            assert patience.ask(SICK) == 0
            patience.answered(SICK)
    assert patience.ask(SICK) == 0


@given(st.lists(st.floats(min_value=0.01, max_value=30), min_size=40, max_size=80))
def test_a_sick_host_costs_one_thread_a_fixed_share_of_its_time(durations):
    """Whatever it does, once it is known to be sick."""
    clock = Clock()
    patience = Patience(60, clock=clock)
    patience.failed(SICK, 60)
    wasted, began = 0.0, clock.now
    for seconds in durations:
        clock.now += patience.ask(SICK)
        assert patience.ask(SICK) == 0
        clock.now += seconds
        wasted += seconds
        patience.failed(SICK, seconds)
    assert wasted <= (clock.now - began) / REST


def test_many_pictures_of_a_silent_host_take_no_longer_than_a_few(host: Host):
    policy = policy_for(host, deadline_s=0.3, read_timeout_s=5, retries=0, patience_s=0.5)
    with ImageFetcher(policy) as fetcher, ThreadPoolExecutor(2) as threads:
        began = time.monotonic()
        errors = list(threads.map(lambda _: _error(fetcher, host.url("silent")), range(64)))
        assert time.monotonic() - began < 3, "64 times 0.3 s for two threads are more than 9 s"
    assert {type(error) for error in errors} == {ImageUnavailable}
    assert "left alone" in str(errors[-1])
    assert host.asked["silent"] < 8


def test_a_host_whose_pictures_are_gone_is_not_taken_for_a_sick_one(host: Host):
    with ImageFetcher(policy_for(host, patience_s=0.05)) as fetcher:
        for _ in range(50):
            assert "404" in str(_error(fetcher, host.url("status/404")))
        assert fetcher.fetch(host.url("picture")) == PICTURE


def _error(fetcher: ImageFetcher, url: str) -> ImageError:
    with pytest.raises(ImageError) as raised:
        fetcher.fetch(url)
    return raised.value
