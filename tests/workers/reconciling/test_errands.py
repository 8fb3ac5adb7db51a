"""Events on their way to the workers: sent together, sent again, sent alone, and given up in the end."""

from __future__ import annotations

from itertools import count

from fourtower_ingest.wire import MOST_EVENTS, Done, EventReport, Lost, Started, Topology, Written
from fourtower_workers.reconciling.errands import MOST_BYTES, Errand, ErrandRules, Errands
from fourtower_workers.reconciling.pace import Pace

RULES = ErrandRules(batch=3, batches=2, tries=3, retry_after_s=1.0, patience_s=60.0)
APPLIED = EventReport(status="applied")
AWAY = EventReport(status="failed", code="unavailable", message="away", retryable=True)
BAD = EventReport(status="failed", code="invalid_product", message="bad")


def errands(*names, rules=RULES):
    ids = count(1)
    made = Errands(Topology(alias="shop", generation=2), "stream", "shop", rules=rules, new_id=lambda: f"a{next(ids)}")
    for name in names:
        made.add(errand(name), 0.0)
    return made


def errand(name, events=1, **how):
    return Errand(name, tuple(f"{name}.{number}" for number in range(events)), **how)


def done(batch, *reports):
    return Done(attempt=batch.attempt, reports=tuple(reports) or (APPLIED,) * len(batch.events))


def outcome(results):
    return {result.errand.product_id: result.report.code or result.report.status for result in results}


def test_errands_go_in_batches_that_say_where_they_are_for_and_where_to_report():
    every = errands(*"abcdefg")
    first, second = every.take(0.0), every.take(0.0)
    assert first.events == ("a.0", "b.0", "c.0")
    assert (first.stream, first.source, first.topology.generation, first.repair) == ("stream", "shop", 2, False)
    assert second.events == ("d.0", "e.0", "f.0")
    assert every.take(0.0) is None, "two are on their way"
    assert outcome(every.heard(done(first), 1.0)) == dict.fromkeys("abc", "applied")
    third = every.take(1.0)
    assert third.events == ("g.0",)
    assert len(every.heard(done(second), 1.0) + every.heard(done(third), 1.0)) == 4
    assert every.idle


def test_repairs_and_others_never_share_a_batch():
    every = errands()
    for name, repair in (("a", False), ("b", True), ("c", False), ("d", True)):
        every.add(errand(name, repair=repair), 0.0)
    first, second = every.take(0.0), every.take(0.0)
    assert (first.events, first.repair) == (("a.0", "c.0"), False)
    assert (second.events, second.repair) == (("b.0", "d.0"), True)


def test_a_batch_holds_no_more_than_a_task_may():
    every = errands(rules=ErrandRules())
    every.add(errand("a", MOST_EVENTS - 1), 0.0)
    every.add(errand("b", 2), 0.0)
    every.add(Errand("c", ("x" * MOST_BYTES,)), 0.0)
    every.add(Errand("d", ("x" * MOST_BYTES,)), 0.0)
    sizes = [len(batch.events) for batch in (every.take(0.0), every.take(0.0), every.take(0.0))]
    assert sizes == [MOST_EVENTS - 1, 2, 1]


def test_an_errand_of_several_events_fails_with_its_first_failure():
    every = errands()
    every.add(errand("a", 2), 0.0)
    every.add(errand("b", 2), 0.0)
    batch = every.take(0.0)
    assert outcome(every.heard(done(batch, APPLIED, BAD, APPLIED, APPLIED), 0.0)) == {
        "a": "invalid_product",
        "b": "applied",
    }


def test_what_failed_for_the_moment_is_sent_again_later_and_given_up_at_last():
    every = errands("a")
    for at, due in ((0.0, 1.0), (1.0, 3.0)):
        assert every.heard(done(every.take(at), AWAY), at) == []
        assert every.take(due - 0.01) is None
        assert not every.idle
    assert outcome(every.heard(done(every.take(3.0), AWAY), 3.0)) == {"a": "unavailable"}
    assert every.idle


def test_after_a_loss_each_product_goes_alone_and_what_dies_alone_is_left():
    every = errands("a", "b")
    batch = every.take(0.0)
    every.heard(Started(attempt=batch.attempt), 0.0)
    assert every.heard(Lost(attempt=batch.attempt, reason="killed"), 0.0) == []
    first, second = every.take(2.0), every.take(2.0)
    assert (first.events, second.events) == (("a.0",), ("b.0",))
    every.heard(done(second), 2.0)
    assert outcome(every.heard(Lost(attempt=first.attempt, reason="killed"), 2.0)) == {"a": "lost"}
    assert every.idle


def test_what_redis_did_not_take_or_forgot_is_sent_again():
    every = errands("a")
    first = every.take(0.0)
    assert every.not_published(first.attempt, "away", 0.0) == []
    second = every.take(5.0)
    every.forgotten(5.0)
    third = every.take(5.0)
    assert first.events == second.events == third.events
    assert not every.withdraw()
    assert every.heard(done(second), 5.0) == [], "an attempt that was replaced"
    assert every.not_published(second.attempt, "away", 5.0) == []
    assert outcome(every.heard(done(third), 5.0)) == {"a": "applied"}


def test_without_an_answer_an_errand_is_given_up_and_a_sign_of_life_is_one():
    every = errands("a", "b", rules=ErrandRules(batch=1, patience_s=60.0))
    first, second = every.take(0.0), every.take(0.0)
    every.heard(Written(attempt=second.attempt), 50.0)
    assert every.overdue(60.0) == []
    assert outcome(every.overdue(61.0)) == {"a": "unanswered"}
    assert outcome(every.overdue(111.0)) == {"b": "unanswered"}
    assert every.heard(done(first), 112.0) == []
    assert every.idle


def test_a_worker_that_answers_with_too_few_reports_is_not_believed():
    every = errands("a", "b")
    assert outcome(every.heard(done(every.take(0.0), APPLIED), 0.0)) == {"a": "applied", "b": "unreported"}


def test_a_pace_is_kept_on_average_and_never_made_up_for():
    now, slept = [0.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    pace = Pace(10, clock=lambda: now[0], sleep=sleep)
    for _ in range(5):
        pace.wait(10)
    assert (sum(slept), now[0]) == (4.0, 4.0)
    assert not pace.admits(1)
    now[0] += 100
    assert pace.admits(1)
    assert not pace.admits(1), "a pause is no credit"
    free = Pace(0, clock=lambda: now[0], sleep=sleep)
    free.wait(10**9)
    assert all(free.admits(10**9) for _ in range(3))
    assert sum(slept) == 4.0
