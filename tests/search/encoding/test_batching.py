"""Work of many threads in one batch: everybody gets their own, nobody waits for nothing."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtower_search.encoding.batching import Batching


@given(st.lists(st.integers(), max_size=20), st.integers(1, 5))
def test_one_caller_gets_a_result_for_each_item(items, largest):
    assert list(Batching(lambda xs: [x * 2 for x in xs], largest=largest)(items)) == [x * 2 for x in items]


def test_callers_that_come_meanwhile_share_a_batch():
    first_runs, may_go_on, batches = threading.Event(), threading.Event(), []

    def run(items):
        batches.append(list(items))
        first_runs.set()
        assert may_go_on.wait(10)
        return [item + 1 for item in items]

    batching, results = Batching(run), {}
    threads = [threading.Thread(target=lambda n=n: results.update({n: list(batching([n, n]))})) for n in range(6)]
    threads[0].start()
    assert first_runs.wait(10)
    for thread in threads[1:]:
        thread.start()
    while len(batching._queue) < 5:
        threading.Event().wait(0.001)
    may_go_on.set()
    for thread in threads:
        thread.join()
    assert results == {n: [n + 1, n + 1] for n in range(6)}
    assert batches[0] == [0, 0]
    assert sorted(batches[1]) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5], "the five that waited went together"


def test_a_batch_stays_below_its_bound_unless_one_caller_exceeds_it():
    batches = []

    def run(items):
        batches.append(len(items))
        return list(items)

    batching = Batching(run, largest=4)
    assert list(batching(range(9))) == list(range(9))
    assert batches == [9], "what one caller asks for is not taken apart"


def test_a_failure_is_told_to_every_caller_of_the_batch_and_to_no_other():
    def run(items):
        if 13 in items:
            raise RuntimeError("thirteen")
        return list(items)

    batching = Batching(run)
    (result,) = batching([13])
    assert isinstance(result, RuntimeError)
    assert list(batching([1])) == [1]


def test_one_item_may_fail_alone():
    batching = Batching(lambda xs: [ValueError(x) if x < 0 else x for x in xs])
    fine, failed = batching([1, -1])
    assert fine == 1
    with pytest.raises(ValueError, match="-1"):
        raise failed
