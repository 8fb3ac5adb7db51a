from __future__ import annotations

import threading
import time

import pytest
from tests.search.index.builders import SCHEMA, delete, stored_keys, upsert
from tests.search.index.faults import Failing, Gated, Recording
from tests.search.index.oracle import DIM

from fourtower_search.errors import IndexUnavailable
from fourtower_search.index import verifier as module
from fourtower_search.index.memory import MemoryRows
from fourtower_search.index.verifier import Verifier

SOON = 10


@pytest.fixture
def store():
    return MemoryRows(SCHEMA, DIM)


def put(store, *writes):
    store.upsert([row for write in writes for row in write.rows], timeout_s=1)


def orders(*writes):
    return {write.product_id: write.order for write in writes}


def wait_until(condition):
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.002)


def test_it_says_what_became_of_each_product_and_removes_what_is_outdated(store):
    half = upsert("r", 2, views=2)
    put(store, upsert("p", 1), upsert("p", 2), upsert("q", 1), delete("q", 3), upsert("r", 1))
    store.upsert(half.rows[:1], timeout_s=1)
    verifier = Verifier(store)
    done = verifier.check(orders(upsert("p", 2), upsert("q", 1), half, upsert("s")))
    assert done.result(SOON) == {"p": "applied", "q": "stale", "r": "incomplete", "s": "incomplete"}
    assert stored_keys(store, *"pqrs") == {"p@2.a#0", "q@3.d#0", "r@1.a#0", "r@2.a#0"}
    verifier.close()


def test_no_thread_runs_before_there_is_something_to_check(store):
    before = threading.active_count()
    verifier = Verifier(store)
    assert threading.active_count() == before
    verifier.close()


def test_batches_that_arrive_during_a_read_share_the_next_one(store):
    put(store, *(upsert(f"p{number}") for number in range(50)))
    recording = Recording(store)
    gated = Gated(recording)
    verifier = Verifier(gated)
    checks = [verifier.check(orders(upsert(f"p{number}"))) for number in range(50)]
    gated.gate.set()
    assert all(check.result(SOON) == {f"p{number}": "applied"} for number, check in enumerate(checks))
    assert len(recording.calls) <= 2
    verifier.close()


def test_a_round_is_limited_but_a_larger_batch_gets_one_of_its_own(store, monkeypatch):
    monkeypatch.setattr(module, "MOST_AT_ONCE", 3)
    recording = Recording(store)
    gated = Gated(recording)
    verifier = Verifier(gated)
    first = verifier.check(orders(upsert("first")))
    batches = [[upsert(f"{name}{number}") for number in range(size)] for name, size in (("a", 2), ("b", 1), ("c", 5))]
    checks = [verifier.check(orders(*batch)) for batch in batches]
    gated.gate.set()
    assert [len(check.result(SOON)) for check in (first, *checks)] == [1, 2, 1, 5]
    assert 3 <= len(recording.calls) <= 4
    verifier.close()


def test_a_failed_read_is_reported_and_the_products_are_swept_later(store):
    put(store, upsert("p", 1), upsert("p", 2))
    failing = Failing(store, ("states:strong",), IndexUnavailable("Milvus is away."))
    verifier = Verifier(failing, resweep_after_s=0.01)
    assert verifier.check(orders(upsert("p", 2))).result(SOON) == {"p": failing.error}
    failing.error = None
    wait_until(lambda: stored_keys(store, "p") == {"p@2.a#0"})
    verifier.close()


def test_a_failed_removal_concerns_only_products_that_had_outdated_rows(store):
    put(store, upsert("p", 1), upsert("p", 2), upsert("q", 1))
    failing = Failing(store, ("delete",), IndexUnavailable("Milvus is away."))
    verifier = Verifier(failing, resweep_after_s=0.01)
    result = verifier.check(orders(upsert("p", 2), upsert("q", 1))).result(SOON)
    assert result == {"p": failing.error, "q": "applied"}
    failing.error = None
    wait_until(lambda: stored_keys(store, "p") == {"p@2.a#0"})
    verifier.close()


def test_an_unforeseen_error_reaches_those_who_wait_and_does_not_end_the_thread(store):
    put(store, upsert("p"))
    failing = Failing(store, ("states:strong",), ZeroDivisionError("a bug"))
    verifier = Verifier(failing)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        verifier.check(orders(upsert("p"))).result(SOON)
    failing.error = None
    assert verifier.check(orders(upsert("p"))).result(SOON) == {"p": "applied"}
    verifier.close()


def test_a_sweep_waits_for_its_time(store):
    put(store, upsert("p", 1), upsert("p", 2), upsert("q", 1), upsert("q", 2))
    verifier = Verifier(store)
    verifier.resweep(["p"], after_s=3600)
    verifier.resweep(["q"], after_s=0.01)
    wait_until(lambda: stored_keys(store, "q") == {"q@2.a#0"})
    assert stored_keys(store, "p") == {"p@1.a#0", "p@2.a#0"}
    verifier.close()


def test_closing_answers_every_batch_and_sweeps_what_waits(store):
    put(store, upsert("p", 1), upsert("p", 2), upsert("q", 1))
    gated = Gated(store)
    verifier = Verifier(gated)
    verifier.resweep(["p"], after_s=3600)
    check = verifier.check(orders(upsert("q", 1)))
    gated.gate.set()
    verifier.close()
    assert check.result(0) == {"q": "applied"}
    assert stored_keys(store, "p") == {"p@2.a#0"}


def test_closing_ends_while_the_engine_is_away(store):
    verifier = Verifier(Failing(store, ("states:strong",), IndexUnavailable("Milvus is away.")), resweep_after_s=0)
    check = verifier.check(orders(upsert("p")))
    verifier.close(timeout_s=SOON)
    assert isinstance(check.result(0)["p"], IndexUnavailable)


def test_after_closing_a_batch_is_answered_at_once(store):
    verifier = Verifier(store)
    verifier.close()
    verifier.close()
    verifier.resweep(["p"])
    assert isinstance(verifier.check(orders(upsert("p"))).result(0)["p"], IndexUnavailable)


def test_no_more_products_wait_than_memory_allows(store, monkeypatch):
    monkeypatch.setattr(module, "MOST_WAITING", 10)
    for number in range(30):
        put(store, upsert(f"p{number}", 1), upsert(f"p{number}", 2))
    recording = Recording(store)
    verifier = Verifier(recording)
    for number in range(30):
        verifier.resweep([f"p{number}"], after_s=3600 + number)
    verifier.close()
    swept = [number for number in range(30) if len(stored_keys(store, f"p{number}")) == 1]
    assert swept == list(range(20, 30))
