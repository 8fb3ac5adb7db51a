"""Attempts that are lost, vanish, take too long or answer late; when the breaker opens; and the end."""

import pytest
from tests.ingest.flow.bench import APPLIED, BAD, UNAVAILABLE, Bench, record, upsert

DAY = 86_400.0


def test_a_lost_batch_runs_singly_and_what_is_lost_singly_twice_is_poison():
    bench = Bench()
    bench.deliver(upsert(1), upsert(2, "b"))
    bench.lose(bench.send())
    (poison, events), (other, _) = bench.sent()
    assert events == ["a1"]
    bench.answer(other, APPLIED)
    bench.lose(poison)
    assert bench.letters() == []
    bench.lose(bench.send())
    (letter,) = bench.flow.take_letters()
    assert (letter.record.place.offset, letter.code, letter.attempts) == (1, "poison", 3)
    assert "signal 9" in letter.message
    assert bench.flow.stats(0.0).losses == 3


def test_an_item_of_several_records_that_is_poison_is_taken_apart():
    bench = Bench()
    bench.deliver(upsert(1), upsert(2))
    for _ in range(2):
        bench.lose(bench.send())
    ((attempt, events),) = bench.sent()
    assert (events, bench.letters()) == (["a1"], [])
    bench.answer(attempt, APPLIED)
    for _ in range(2):
        bench.lose(bench.send())
    assert bench.letters() == [(2, "poison")]


def test_time_in_the_queue_is_never_a_loss():
    bench = Bench()
    bench.deliver(upsert(1))
    attempt = bench.send()
    for _ in range(10):
        bench.wait(DAY)
        bench.flow.queue_seen(queued=1, unacked=0, now=bench.now)
    assert bench.sent() == []
    bench.answer(attempt, APPLIED)
    assert (bench.flow.stats(bench.now).losses, bench.flow.idle()) == (0, True)


def test_a_started_attempt_that_falls_silent_is_lost():
    bench = Bench(start_deadline_s=600)
    bench.deliver(upsert(1))
    bench.start(bench.send())
    bench.wait(600)
    assert bench.flow.stats(bench.now).losses == 0
    bench.wait(1)
    assert bench.flow.stats(bench.now).losses == 1


def test_silence_counts_only_while_the_stream_can_be_read():
    bench = Bench()
    bench.deliver(upsert(1))
    bench.start(bench.send())
    bench.now += DAY
    bench.flow.tick(bench.now)
    assert bench.flow.stats(bench.now).losses == 0


def test_what_was_written_is_sent_again_without_counting_as_a_loss():
    bench = Bench(verify_deadline_s=60, poison_losses=1)
    bench.deliver(upsert(1))
    attempt = bench.send()
    bench.start(attempt)
    bench.write(attempt)
    bench.wait(61)
    again = bench.send()
    bench.write(again)
    bench.lose(again)
    assert (len(bench.sent()), bench.letters(), bench.flow.stats(0.0).resubmissions) == (1, [], 2)


def test_a_late_answer_that_it_is_applied_counts_but_its_product_waits_for_the_attempt_under_way():
    bench = Bench(verify_deadline_s=60)
    bench.deliver(upsert(1))
    late = bench.send()
    bench.write(late)
    bench.wait(61)
    again = bench.send()
    bench.deliver(upsert(2))
    bench.answer(late, APPLIED)
    assert bench.committable() == {0: 2}
    assert bench.sent() == []
    bench.answer(again, BAD)
    assert [events for _, events in bench.sent()] == [["a2"]]
    assert bench.letters() == []


def test_a_late_answer_for_another_series_is_no_answer():
    bench = Bench(verify_deadline_s=60, batches_in_flight=1)
    bench.deliver(upsert(1))
    late = bench.send()
    bench.write(late)
    bench.wait(61)
    bench.deliver(upsert(2))
    bench.answer(late, APPLIED)
    assert bench.committable() == {0: 1}
    assert [events for _, events in bench.sent()] == [["a2"]]


def test_a_late_answer_settles_what_waits():
    bench = Bench(verify_deadline_s=60)
    bench.deliver(upsert(1))
    late = bench.send()
    bench.write(late)
    bench.wait(61)
    bench.answer(late, BAD)
    assert bench.letters() == [], "what failed is tried again in any case"
    bench.answer(late, APPLIED)
    assert bench.flow.idle()
    assert bench.sent() == []


def test_a_late_answer_comes_too_late_for_a_record_that_is_being_buried():
    bench = Bench(verify_deadline_s=60)
    bench.deliver(upsert(1))
    late = bench.send()
    bench.write(late)
    bench.wait(61)
    bench.answer(bench.send(), BAD)
    assert bench.letters() == [(1, "invalid_product")]
    bench.answer(late, APPLIED)
    assert not bench.flow.idle()
    bench.bury(1)
    assert (bench.ends(), bench.flow.idle()) == ({1: "dead_letter"}, True)


def test_tasks_that_vanish_unstarted_are_sent_again_after_two_looks_at_an_empty_queue():
    bench = Bench()
    bench.deliver(upsert(1))
    bench.flow.queue_seen(queued=0, unacked=0, now=bench.now)
    bench.send()
    for _ in range(2):
        bench.now += 1
        assert bench.sent() == []
        bench.flow.queue_seen(queued=0, unacked=0, now=bench.now)
    assert len(bench.sent()) == 1
    assert bench.flow.stats(bench.now).losses == 0


@pytest.mark.parametrize(("queued", "unacked"), [(1, 0), (0, 1)])
def test_a_look_that_finds_something_starts_anew(queued, unacked):
    bench = Bench()
    bench.deliver(upsert(1))
    bench.send()
    for look in ((0, 0), (queued, unacked), (0, 0)):
        bench.now += 1
        bench.flow.queue_seen(queued=look[0], unacked=look[1], now=bench.now)
    assert bench.sent() == []


def test_tasks_overtaken_by_a_later_one_more_than_a_visibility_timeout_ago_have_vanished():
    bench = Bench(batch=1, start_deadline_s=50, visibility_timeout_s=100)
    bench.deliver(upsert(1))
    bench.send()
    bench.now += 1
    bench.deliver(upsert(2, "b"))
    later = bench.send()
    bench.now += 1
    bench.start(later)
    bench.answer(later, APPLIED)
    bench.now += 100
    bench.flow.queue_seen(queued=5, unacked=5, now=bench.now)
    assert bench.sent() == []
    bench.now += 1
    bench.flow.queue_seen(queued=5, unacked=5, now=bench.now)
    assert [events for _, events in bench.sent()] == [["a1"]]


def test_a_wiped_redis_has_everything_sent_again_uncounted():
    bench = Bench(batch=1, poison_losses=1)
    bench.deliver(upsert(1), upsert(2, "b"))
    (first, _), (second, _) = bench.sent()
    bench.start(first)
    bench.flow.forgotten(bench.now)
    assert [events for _, events in bench.sent()] == [["a1"], ["b2"]]
    bench.lose(second)
    assert bench.letters() == [], "what is said of attempts that do not count is ignored"


def test_answers_may_come_before_the_word_that_the_task_was_published():
    bench = Bench()
    bench.deliver(upsert(1))
    batch = bench.flow.take_batch(bench.now)
    bench.start(batch.attempt)
    bench.flow.publish_failed(batch.attempt, "no answer", bench.now)
    assert bench.sent() == [], "it was published after all"
    bench.answer(batch.attempt, APPLIED)
    bench.flow.published(batch.attempt, bench.now)
    assert bench.flow.idle()


def test_a_task_that_can_not_be_published_opens_the_breaker_and_is_sent_by_the_probe():
    bench = Bench(breaker_pause_s=1)
    bench.deliver(upsert(1))
    batch = bench.flow.take_batch(bench.now)
    bench.flow.publish_failed(batch.attempt, "no answer", bench.now)
    stats = bench.flow.stats(bench.now)
    assert (stats.breaker, stats.pausing) == ("open", True)
    assert "no answer" in stats.breaker_reason
    assert bench.sent() == []
    bench.wait(1)
    bench.answer(bench.send(), APPLIED)
    assert (bench.flow.stats(bench.now).breaker, bench.flow.pausing()) == ("closed", False)


def test_an_index_that_is_away_is_probed_by_one_batch_and_costs_no_record():
    bench = Bench(batch=1, breaker_pause_s=1)
    bench.deliver(upsert(1), upsert(2, "b"), upsert(3, "c"))
    for attempt, _ in bench.sent():
        bench.answer(attempt, UNAVAILABLE)
    probes = []
    for _ in range(200):
        sent = bench.sent()
        probes += [bench.now] * len(sent)
        for attempt, _ in sent:
            bench.answer(attempt, UNAVAILABLE)
        bench.wait(1)
    assert probes == [1, 3, 7, 15, 31, 61, 91, 121, 151, 181]
    assert (bench.letters(), bench.flow.pausing()) == ([], True)
    bench.wait(30)
    bench.answer(bench.send(), APPLIED)
    assert len(bench.sent()) == 2


def test_an_open_breaker_does_not_pause_where_nothing_is_left_to_probe_with():
    bench = Bench()
    bench.deliver(upsert(1))
    bench.answer(bench.send(), UNAVAILABLE)
    bench.flow.revoked([record(1, b"").place.partition])
    assert not bench.flow.pausing()


def test_when_all_workers_are_lost_the_events_are_not_blamed():
    bench = Bench(breaker_losses=5, poison_losses=2)
    bench.deliver(*(upsert(number, f"p{number}") for number in range(64)))
    for _ in range(600):
        for attempt, _ in bench.sent():
            bench.lose(attempt)
        bench.wait(1)
    assert bench.letters() == []
    for _ in range(600):
        for attempt, events in bench.sent():
            bench.answer(attempt, *[APPLIED] * len(events))
        bench.wait(1)
    assert bench.flow.idle()


def test_one_poison_event_dies_even_where_nothing_else_is_left_to_show_that_workers_are_well():
    bench = Bench(breaker_losses=1, poison_losses=2)
    bench.deliver(upsert(1))
    for _ in range(300):
        for attempt, _ in bench.sent():
            bench.lose(attempt)
        bench.wait(1)
    assert bench.letters() == [(1, "poison")]


def test_a_batch_waits_a_little_to_become_full():
    bench = Bench(batch=2, linger_ms=50)
    bench.deliver(upsert(1))
    assert bench.sent() == []
    bench.now += 0.03
    bench.deliver(upsert(2, "b"), upsert(3, "c"))
    assert [events for _, events in bench.sent()] == [["a1", "b2"]]
    bench.now += 0.05
    assert [events for _, events in bench.sent()] == [["c3"]]


def test_only_so_many_batches_and_bytes_are_under_way():
    bench = Bench(batch=1, batches_in_flight=2)
    bench.deliver(upsert(1), upsert(2, "b"), upsert(3, "c"))
    (first, _), _ = bench.sent()
    bench.answer(first, APPLIED)
    assert len(bench.sent()) == 1
    bench = Bench()
    bench.deliver(
        *(
            upsert(number, f"p{number}", images=[{"url": "data:image/png;base64," + "A" * 900_000}])
            for number in range(10)
        )
    )
    assert [len(events) for _, events in bench.sent()] == [4, 4, 2]


def test_draining_sends_nothing_more_and_waits_for_what_is_owed():
    bench = Bench(batch=1)
    bench.deliver(upsert(1), upsert(2, "b"), record(3, b"{"))
    attempt = bench.flow.take_batch(bench.now).attempt
    bench.flow.drain()
    assert (bench.sent(), bench.flow.pausing(), bench.flow.idle()) == ([], True, False)
    bench.answer(attempt, APPLIED)
    assert not bench.flow.idle()
    bench.letters()
    bench.bury(3)
    assert bench.flow.idle()
    assert bench.committable() == {0: 2}


def test_a_wholly_invalid_topic_stops_the_flow_without_a_dead_letter():
    bench = Bench(invalid_window=100)
    bench.deliver(*(record(number, b"{") for number in range(60)))
    bench.wait(1)
    assert bench.letters() == [], "they are withheld while it may be the topic"
    bench.deliver(*(record(number, b"{") for number in range(60, 150)))
    assert "100 of the last 100 records of updates break the contract" in bench.flow.stop_reason
    bench.wait(DAY)
    bench.deliver(upsert(150))
    assert (bench.letters(), bench.sent(), bench.committable()) == ([], [], {0: 0})


def test_a_few_invalid_records_at_the_end_of_a_topic_are_buried_after_a_while():
    bench = Bench()
    bench.deliver(*(record(number, b"{") for number in range(12)))
    assert bench.letters() == []
    bench.wait(6)
    assert len(bench.letters()) == 12


def test_two_poison_events_cast_no_doubt_on_the_workers():
    bench = Bench(breaker_losses=3, poison_losses=2, batch=1)
    bench.deliver(upsert(1), upsert(2, "b"))
    for _ in range(3):
        for attempt, _ in bench.sent():
            bench.lose(attempt)
    assert sorted(bench.letters()) == [(1, "poison"), (2, "poison")]
    assert bench.flow.stats(bench.now).breaker == "closed"
