from __future__ import annotations

import multiprocessing
import time
from dataclasses import replace

import numpy as np
import pytest
from tests.search.index.builders import SCHEMA, delete, open_index, stored_keys, upsert
from tests.search.index.faults import Crash, Crashing, Failing, Gated, Late, Recording
from tests.search.index.oracle import DIM

from fourtower_search.errors import IndexMismatch, IndexUnavailable
from fourtower_search.index import writer
from fourtower_search.index.memory import MemoryRows

SOON = 10


@pytest.fixture
def store():
    return MemoryRows(SCHEMA, DIM)


@pytest.fixture
def index(store):
    with open_index(store) as index:
        yield index


def statuses(outcomes):
    return [outcome.status for outcome in outcomes]


def wait_until(condition):
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.002)


def test_a_newer_version_replaces_all_views_of_an_older_one(index, store):
    assert statuses(index.apply([upsert("p", 1, views=3)])) == ["applied"]
    assert statuses(index.apply([upsert("p", 2, views=2)])) == ["applied"]
    assert stored_keys(store, "p") == {"p@2.a#0", "p@2.a#1"}


def test_an_older_version_and_one_that_was_deleted_are_stale(index, store):
    index.apply([upsert("p", 2), delete("q", 2)])
    assert statuses(index.apply([upsert("p", 1), upsert("q", 1)])) == ["stale", "stale"]
    assert stored_keys(store, "p", "q") == {"p@2.a#0", "q@2.d#0"}


def test_the_same_event_again_is_applied_and_writes_nothing(store):
    recording = Recording(store)
    with open_index(recording) as index:
        index.apply([upsert("p")])
        recording.calls.clear()
        assert statuses(index.apply([upsert("p")])) == ["applied"]
    assert recording.calls == ["states:bounded", "states:strong"]


def test_within_a_batch_the_newest_version_supersedes_the_others(index, store):
    outcomes = index.apply([upsert("p", 2), upsert("p", 3), upsert("q", 1), upsert("p", 1), upsert("p", 3)])
    assert statuses(outcomes) == ["superseded", "applied", "applied", "superseded", "applied"]
    assert [(outcome.product_id, outcome.order.version) for outcome in outcomes] == [
        ("p", 2),
        ("p", 3),
        ("q", 1),
        ("p", 1),
        ("p", 3),
    ]
    assert stored_keys(store, "p") == {"p@3.a#0"}


def test_what_a_failed_write_superseded_failed_too_and_may_be_tried_alone(index):
    too_big = upsert("p", 2, payload={"description": "x" * 70_000})
    older, newer, other = index.apply([upsert("p", 1), too_big, upsert("q", 1)])
    assert (newer.status, newer.code, newer.retryable) == ("failed", "invalid_product", False)
    assert (older.status, older.code, older.retryable) == ("failed", "superseded_by_failed", True)
    assert other.status == "applied"
    assert statuses(index.apply([upsert("p", 1)])) == ["applied"]


def test_products_that_cannot_be_stored_do_not_fail_their_batch(index, store):
    batch = [upsert(f"p{number}", payload={"d": "x" * (70_000 * (number in (3, 11)))}) for number in range(16)]
    outcomes = index.apply(batch)
    assert [number for number, outcome in enumerate(outcomes) if outcome.status == "failed"] == [3, 11]
    assert "60,000 are allowed" in outcomes[3].message
    assert len(stored_keys(store, *(f"p{number}" for number in range(16)))) == 14


def test_a_version_of_which_a_crash_wrote_only_a_part_is_written_again(store, index):
    crashing = Crashing(store, at=2, moment="half")
    with open_index(crashing) as dying, pytest.raises(Crash):
        dying.apply([upsert("p", 2, views=3)])
    assert stored_keys(store, "p") == {"p@2.a#0", "p@2.a#2"}
    assert statuses(index.apply([upsert("p", 2, views=3)])) == ["applied"]
    assert len(stored_keys(store, "p")) == 3


def test_outdated_rows_that_a_crash_left_go_when_their_stale_event_comes_again(store, index):
    index.apply([upsert("p", 2)])
    blind = Failing(store, ("states:strong",), Crash())
    with open_index(blind) as dying:
        submission = dying.submit([upsert("p", 1)], {})  # it had read before version 2 was there
        with pytest.raises(Crash):
            submission.verified.result(SOON)
    assert stored_keys(store, "p") == {"p@1.a#0", "p@2.a#0"}
    assert statuses(index.apply([upsert("p", 1)])) == ["stale"]
    assert stored_keys(store, "p") == {"p@2.a#0"}


def test_an_incomplete_newer_version_does_not_keep_an_older_one_out(store, index):
    store.upsert(upsert("p", 3, views=2).rows[:1], timeout_s=1)
    assert statuses(index.apply([upsert("p", 1)])) == ["applied"]
    assert statuses(index.apply([upsert("p", 3, views=2)])) == ["applied"]
    assert stored_keys(store, "p") == {"p@3.a#0", "p@3.a#1"}


def test_a_repair_fills_in_a_picture_without_a_new_version(index, store):
    index.apply([upsert("p", 1, missing=(0,))])
    index.apply([upsert("p", 1)])
    assert [row.image_missing for row in index.read(["p"])["p"].rows] == [True]
    assert statuses(index.apply([upsert("p", 1, vector=np.zeros(DIM), repair=True)])) == ["applied"]
    assert [row.image_missing for row in index.read(["p"])["p"].rows] == [False]
    assert index.vectors(["p@1.a#0"])["p@1.a#0"].tolist() == [0.0] * DIM


TIMED_OUT = IndexUnavailable("Milvus did not answer in time.")


@pytest.mark.parametrize("error", [TIMED_OUT, RuntimeError("a foreign error that nobody translated")])
def test_a_write_that_lands_after_it_was_given_up_is_swept(store, error):
    late = Late(store, error)
    with open_index(late, resweep_after_s=3600) as index:
        late.slow = True
        first = index.submit([upsert("p", 1)], {})
        wait_until(first.verified.done)
        late.slow = False
        assert statuses(index.apply([upsert("p", 2)])) == ["applied"]
        late.land()
        assert stored_keys(store, "p") == {"p@1.a#0", "p@2.a#0"}
    assert stored_keys(store, "p") == {"p@2.a#0"}  # closing doesn't wait for the hour


def test_what_another_process_may_have_written_late_is_swept_at_once_and_again(store):
    with open_index(store, resweep_after_s=0.2) as index:
        index.apply([upsert("p", 2), upsert("q", 2)])
        store.upsert([*upsert("p", 1).rows, *upsert("q", 1).rows], timeout_s=10)
        index.expect_late(["p"])
        wait_until(lambda: stored_keys(store, "p") == {"p@2.a#0"})
        store.upsert(upsert("p", 1).rows, timeout_s=10)
        wait_until(lambda: stored_keys(store, "p") == {"p@2.a#0"})
        assert stored_keys(store, "q") == {"q@1.a#0", "q@2.a#0"}, "nobody expected that one"


def test_a_write_that_lands_after_the_first_sweep_is_swept_by_a_later_one(store):
    late = Late(Recording(store), TIMED_OUT)
    with open_index(late, resweep_after_s=0.1) as index:
        late.slow = True
        [outcome] = index.apply([upsert("p", 1)])
        assert (outcome.status, outcome.code, outcome.retryable) == ("failed", "unavailable", True)
        late.slow = False
        index.apply([upsert("p", 2)])
        wait_until(lambda: late.inner.calls.count("states:strong") == 2)
        late.land()
        wait_until(lambda: stored_keys(store, "p") == {"p@2.a#0"})


@pytest.mark.parametrize("call", ["states:bounded", "upsert", "states:strong", "delete"])
def test_whichever_call_fails_the_outcome_is_a_failure_to_try_again(store, call):
    store.upsert(upsert("p", 1).rows, timeout_s=1)
    failing = Failing(store, (call,), IndexUnavailable("Milvus is away."))
    with open_index(failing) as index:
        [outcome] = index.apply([upsert("p", 2)])
        assert (outcome.status, outcome.code, outcome.retryable) == ("failed", "unavailable", True)
        assert outcome.message == "Milvus is away."
        failing.error = None
        assert statuses(index.apply([upsert("p", 2)])) == ["applied"]
    assert stored_keys(store, "p") == {"p@2.a#0"}


def test_a_wrong_collection_is_no_fault_of_the_product(store):
    with open_index(Failing(store, ("upsert",), IndexMismatch("Another dimension."))) as index:
        [outcome] = index.apply([upsert("p")])
    assert (outcome.code, outcome.retryable) == ("mismatch", True)


def test_a_bug_in_a_store_reaches_both_futures(store):
    with open_index(Failing(store, ("upsert",), ZeroDivisionError("a bug"))) as index:
        submission = index.submit([upsert("p")], {})
        for future in submission:
            with pytest.raises(ZeroDivisionError):
                future.result(SOON)


def test_written_comes_before_verified_and_says_what_to_expect(store):
    store.upsert([*upsert("q", 3).rows, *upsert("r", 1).rows], timeout_s=1)
    failing = Failing(store, ("states:strong",), IndexUnavailable("Milvus is away."))
    with open_index(failing) as index:
        batch = [upsert("p"), upsert("q", 2), upsert("r", 1)]
        submission = index.submit(batch, index.read(["p", "q", "r"]))
        assert statuses(submission.written.result(SOON)) == ["applied", "stale", "applied"]
        assert statuses(submission.verified.result(SOON)) == ["failed"] * 3


def test_many_batches_share_few_strong_reads(store):
    recording = Recording(store)
    gated = Gated(recording)
    with open_index(gated) as index:
        submissions = [index.submit([upsert(f"p{number}")], {}) for number in range(40)]
        gated.gate.set()
        assert all(statuses(submission.verified.result(SOON)) == ["applied"] for submission in submissions)
    assert recording.calls.count("upsert") == 40
    assert recording.calls.count("states:strong") < 40


@pytest.mark.parametrize(("concurrent", "flushes"), [(False, 3), (True, 0)])
def test_an_engine_with_one_writer_is_flushed_now_and_then(store, monkeypatch, concurrent, flushes):
    monkeypatch.setattr(writer, "FLUSH_EVERY", 4)
    recording = Recording(store)
    recording.capabilities = replace(store.capabilities, concurrent_writers=concurrent)
    with open_index(recording) as index:
        for number in range(13):
            index.apply([upsert(f"p{number}"), upsert("p0")])
    assert recording.calls.count("flush") == flushes


def test_a_call_ends_in_time_and_says_that_the_write_may_still_land(store):
    gated = Gated(store)
    with open_index(gated) as index:
        started = time.monotonic()
        [outcome] = index.apply([upsert("p")], timeout_s=0.2)
        assert time.monotonic() - started < 5
        assert (outcome.status, outcome.code, outcome.retryable) == ("failed", "unavailable", True)
        gated.gate.set()


def test_submitting_waits_for_room_but_not_for_ever(store):
    gated = Gated(store)
    with open_index(gated) as index:
        submissions = [index.submit([upsert(f"p{number}")], {}) for number in range(64)]
        with pytest.raises(IndexUnavailable, match="64 batches"):
            index.submit([upsert("q")], {}, timeout_s=0.05)
        gated.gate.set()
        assert statuses(submissions[0].verified.result(SOON)) == ["applied"]
        assert statuses(index.submit([upsert("q")], {}).verified.result(SOON)) == ["applied"]


def test_closing_finishes_what_was_submitted_and_takes_nothing_more(store):
    index = open_index(store)
    submissions = [index.submit([upsert(f"p{number}")], {}) for number in range(20)]
    index.close()
    index.close()
    assert all(statuses(submission.verified.result(0)) == ["applied"] for submission in submissions)
    with pytest.raises(IndexUnavailable, match="was closed"):
        index.submit([upsert("q")], {})


def test_an_index_that_was_never_used_can_be_closed(store):
    open_index(store).close()


def test_tombstones_are_forgotten_only_where_nothing_else_is_left(index, store):
    index.apply([delete("p", 2), delete("q", 2), delete("r", 5), upsert("s", 1)])
    store.upsert(upsert("q", 1).rows, timeout_s=1)
    orders = {key: delete(key, 3).order for key in ("p", "q", "r", "s", "unknown")}
    assert index.purge_tombstones(orders) == ["p"]
    assert stored_keys(store, *"pqrs") == {"q@1.a#0", "q@2.d#0", "r@5.d#0", "s@1.a#0"}


def _apply_in_child(index, pipe):
    pipe.send(statuses(index.apply([upsert("p", 2)])))
    pipe.close()


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_process_goes_on_with_threads_of_its_own(index):
    index.apply([upsert("p", 1)])  # the parent's threads run
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=_apply_in_child, args=(index, theirs))
    child.start()
    assert ours.poll(SOON)
    assert ours.recv() == ["applied"]
    child.join(SOON)
    assert child.exitcode == 0
    assert statuses(index.apply([upsert("q", 1)])) == ["applied"]
