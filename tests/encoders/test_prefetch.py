"""The background thread: order, errors, and that it is gone afterwards."""

import threading

import pytest

from fourtower_encoders.prefetch import Prefetch


def alive():
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def test_items_come_in_order_and_the_thread_ends():
    with Prefetch(lambda n: n * n, range(3, 40, 4)) as items:
        assert list(items) == [(n, n * n) for n in range(3, 40, 4)]
    assert not alive()


def test_it_stays_a_bounded_distance_ahead():
    made, third = [], threading.Event()

    def make(number):
        made.append(number)
        if number == 2:
            third.set()

    with Prefetch(make, range(100), depth=2) as items:
        assert third.wait(10), "it works ahead without being asked"
        iterator = iter(items)
        for consumed in range(1, 30):
            next(iterator)
            assert len(made) <= consumed + 3, "two wait, one is being made"


def test_an_error_is_raised_where_its_item_was_due():
    def make(number):
        if number == 3:
            raise MemoryError("no room for batch 3")
        return number

    with Prefetch(make, range(9)) as items:
        iterator = iter(items)
        assert [next(iterator) for _ in range(3)] == [(0, 0), (1, 1), (2, 2)]
        with pytest.raises(MemoryError, match="batch 3"):
            next(iterator)
    assert not alive()


@pytest.mark.parametrize("consumed", [0, 1, 5])
def test_leaving_early_joins_the_thread(consumed):
    def work():
        with Prefetch(lambda n: n, range(10_000)) as items:
            iterator = iter(items)
            for _ in range(consumed):
                next(iterator)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert not alive()


def test_nothing_to_do():
    with Prefetch(lambda n: n, range(0)) as items:
        assert list(items) == []
