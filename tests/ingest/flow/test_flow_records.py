"""A product's records: folded, sent one item at a time, run again singly when the whole fails, and buried singly."""

from tests.ingest.flow.bench import APPLIED, BAD, NO_BASE, STALE, Bench, delete, failed, patch, record, upsert

from fourtower_ingest.records import TopicRules
from fourtower_ingest.wire import MOST_EVENTS

GAVE_WAY = failed("superseded_by_failed", retryable=True)


def test_a_record_is_sent_and_done_when_it_is_applied():
    bench = Bench()
    bench.deliver(upsert(3), upsert(4, "b"))
    ((attempt, events),) = bench.sent()
    assert events == ["a3", "b4"]
    bench.start(attempt)
    bench.write(attempt)
    assert bench.committable() == {0: 3}
    bench.answer(attempt, APPLIED, STALE)
    assert bench.committable() == {0: 5}
    assert bench.ends() == {3: "applied", 4: "stale"}
    assert bench.flow.idle()


def test_newer_records_wait_folded_while_one_of_their_product_is_in_flight():
    bench = Bench()
    bench.deliver(upsert(1))
    first = bench.send()
    bench.deliver(upsert(2), patch(3), upsert(4), patch(5), patch(9, "b"))
    assert [events for _, events in bench.sent()] == [["b9"]]
    bench.answer(first, APPLIED)
    ((second, events),) = bench.sent()
    assert events == ["a4", "a5"]
    assert bench.committable() == {0: 2}, "what was folded away is owed until its successor is applied"
    bench.answer(second, APPLIED, APPLIED)
    assert bench.ends() == {1: "applied", 2: "superseded", 3: "superseded", 4: "applied", 5: "applied"}


def test_a_delete_after_an_upsert_takes_its_place():
    bench = Bench()
    bench.deliver(upsert(1, version=7), delete(2, version=7))
    ((attempt, events),) = bench.sent()
    assert events == ["a7"]
    bench.answer(attempt, APPLIED)
    assert bench.ends() == {1: "superseded", 2: "applied"}


def test_records_of_several_partitions_share_one_item():
    bench = Bench()
    bench.deliver(upsert(1, version=1), upsert(8, version=2))
    attempt = bench.send()
    bench.answer(attempt, APPLIED)
    assert (bench.committable(), bench.flow.idle()) == ({0: 9}, True)


def test_what_fails_for_good_alone_is_a_dead_letter_and_done_when_it_is_buried():
    bench = Bench()
    bench.deliver(upsert(1), upsert(2, "b"))
    bench.answer(bench.send(), BAD, APPLIED)
    (letter,) = bench.flow.take_letters()
    assert (letter.record, letter.stage, letter.code) == (upsert(1), "write", "invalid_product")
    assert (letter.message, letter.attempts) == ("It is invalid_product.", 1)
    assert bench.committable() == {0: 1}
    assert not bench.flow.idle()
    bench.bury(1)
    assert bench.committable() == {0: 3}
    assert bench.ends() == {2: "applied", 1: "dead_letter"}


def test_an_item_that_fails_for_good_is_taken_apart_and_only_what_fails_again_is_buried():
    bench = Bench()
    bench.deliver(upsert(1), upsert(2), upsert(3))
    ((first, events),) = bench.sent()
    assert events == ["a3"]
    bench.deliver(upsert(4))
    bench.answer(first, BAD)
    assert bench.letters() == []
    ran = []
    for report in (APPLIED, BAD, APPLIED, APPLIED):
        ((attempt, events),) = bench.sent()
        ran += events
        bench.answer(attempt, report)
        bench.bury(*(offset for offset, _ in bench.letters()))
    assert ran == ["a1", "a2", "a3", "a4"], "singly, in their order, before the mailbox"
    assert bench.ends() == {1: "applied", 2: "dead_letter", 3: "applied", 4: "applied"}
    assert bench.flow.idle()


def test_a_newer_event_waits_until_the_dead_letter_before_it_is_buried():
    """Were the newer one applied first, a crash would make the failed one look stale, and its letter be lost."""
    bench = Bench()
    bench.deliver(patch(1))
    first = bench.send()
    bench.deliver(patch(2))
    bench.answer(first, BAD)
    assert bench.letters() == [(1, "invalid_product")]
    bench.deliver(patch(3))
    assert bench.sent() == []
    bench.bury(1)
    ((_, events),) = bench.sent()
    assert events == ["a3"]


def test_a_patch_without_a_product_goes_with_the_next_record():
    bench = Bench()
    bench.deliver(patch(5))
    bench.answer(bench.send(), NO_BASE)
    assert bench.flow.stats(bench.now).items_parked == 1
    assert bench.sent() == []
    bench.deliver(upsert(6, version=3))
    ((attempt, events),) = bench.sent()
    assert events == ["a5", "a3"]
    bench.answer(attempt, APPLIED, STALE)
    assert bench.ends() == {5: "applied", 6: "stale"}


def test_a_record_that_came_meanwhile_is_sent_at_once_with_the_patch():
    bench = Bench()
    bench.deliver(patch(5))
    first = bench.send()
    bench.deliver(upsert(6, version=3))
    bench.answer(first, NO_BASE)
    assert [events for _, events in bench.sent()] == [["a5", "a3"]]


def test_a_patch_is_tried_with_growing_pauses_and_dies_at_its_time():
    bench = Bench(patch_base_timeout_s=20, retry_after_s=1)
    bench.deliver(patch(5))
    tries = []
    for _ in range(100):
        for attempt, _ in bench.sent():
            tries.append(bench.now)
            bench.answer(attempt, NO_BASE)
        bench.wait(0.5)
    assert tries == [0, 1, 3, 7, 15, 20]
    assert bench.letters() == [(5, "no_base")]


def test_only_patches_whose_time_has_come_die():
    bench = Bench(patch_base_timeout_s=20)
    bench.deliver(delete(1), patch(2), patch(3, version=1))
    bench.answer(bench.send(), APPLIED, NO_BASE)
    assert bench.ends() == {1: "applied", 3: "superseded"}, "what is below a known version is of no effect"
    bench.wait(15)
    bench.deliver(patch(4, title="t"))
    bench.answer(bench.send(), NO_BASE, NO_BASE)
    bench.wait(5)
    bench.answer(bench.send(), NO_BASE, NO_BASE)
    assert bench.letters() == [(2, "no_base")]
    assert bench.sent() == []
    bench.bury(2)
    bench.wait(15)
    ((attempt, events),) = bench.sent()
    assert events == ["a4"]
    bench.answer(attempt, NO_BASE)
    assert bench.letters() == [(4, "no_base")]


def test_while_records_run_singly_a_patch_without_a_product_lets_the_others_pass():
    bench = Bench()
    bench.deliver(patch(1, version=5), upsert(2), upsert(3), patch(4, version=9, title="t"))
    bench.answer(bench.send(), GAVE_WAY, GAVE_WAY, GAVE_WAY, BAD)
    ran = []
    for report in (NO_BASE, BAD, APPLIED, APPLIED, APPLIED):
        ((attempt, events),) = bench.sent()
        ran += events
        bench.answer(attempt, report)
        bench.bury(*(offset for offset, _ in bench.letters()))
    assert ran == ["a5", "a2", "a3", "a5", "a9"], "before a newer patch makes it stale"
    assert bench.flow.idle()


def test_patches_that_found_no_product_singly_wait_together():
    bench = Bench()
    bench.deliver(patch(1), patch(2, title="t"), upsert(3, version=0))
    bench.answer(bench.send(), GAVE_WAY, GAVE_WAY, BAD)
    for report in (NO_BASE, NO_BASE, BAD):
        bench.answer(bench.send(), report)
    bench.bury(*(offset for offset, _ in bench.letters()))
    assert bench.sent() == []
    bench.wait(1)
    assert [events for _, events in bench.sent()] == [["a1", "a2"]]


def test_failures_of_the_moment_are_tried_again_with_growing_pauses():
    bench, tries = Bench(retry_after_s=1), []
    bench.deliver(upsert(1))
    for _ in range(300):
        for attempt, _ in bench.sent():
            tries.append(bench.now)
            bench.answer(attempt, failed("incomplete", retryable=True))
        bench.wait(0.5)
    assert tries == [0, 1, 3, 7, 15, 31, 63, 123]
    assert bench.letters() == []


def test_a_picture_that_can_not_be_had_is_asked_for_some_times():
    bench = Bench(image_tries=3, image_policy="reject")
    bench.deliver(upsert(1))
    for _ in range(3):
        bench.answer(bench.send(), failed("unreachable", retryable=True, stage="fetch"))
        bench.wait(10)
    assert bench.letters() == [(1, "unreachable")]


def test_an_answer_of_the_wrong_length_is_none():
    bench = Bench()
    bench.deliver(upsert(1), upsert(2, "b"))
    bench.answer(bench.send(), APPLIED)
    assert bench.ends() == {}
    bench.wait(2)
    assert [events for _, events in bench.sent()] == [["a1", "b2"]]


def test_a_series_that_can_not_be_folded_is_sent_in_tasks_that_may_be_sent():
    bench = Bench(most_items=10_000)
    bench.deliver(upsert(0))
    first = bench.send()
    fields = ("title", "description")
    bench.deliver(*(patch(number, **{fields[number % 2]: "x"}) for number in range(1, 600)))
    bench.answer(first, APPLIED)
    lengths = []
    while sent := bench.sent():
        ((attempt, events),) = sent
        lengths.append(len(events))
        bench.answer(attempt, *[APPLIED] * len(events))
    assert (lengths, bench.committable()) == ([MOST_EVENTS, MOST_EVENTS, 599 - 2 * MOST_EVENTS], {0: 600})


def test_malformed_records_are_letters_at_once_and_markers_are_done():
    bench = Bench(rules=TopicRules(null_value="marker"))
    bench.deliver(record(1, b"{"), record(2, None), upsert(3))
    assert bench.letters() == [(1, "not_json")]
    bench.answer(bench.send(), APPLIED)
    assert bench.committable() == {0: 1}
    bench.bury(1)
    assert bench.committable() == {0: 4}
    assert bench.ends() == {2: "marker", 3: "applied", 1: "dead_letter"}


def test_versions_can_be_offsets_except_in_the_topic_of_replays():
    from tests.ingest.flow.bench import REPLAYS

    bench = Bench(rules=TopicRules(version_source="offset"))
    event = {"op": "upsert", "product_id": "a", "product": {}}
    bench.deliver(record(30, event), record(1, event, partition=REPLAYS))
    assert [events for _, events in bench.sent()] == [["a30"]]
    assert bench.letters() == [(1, "no_version")]
    bench.deliver(record(2, {**event, "product_id": "b"}, "b", REPLAYS, headers=(("x-order", b"12"),)))
    assert [events for _, events in bench.sent()] == [["b12"]]


def test_where_no_dead_letters_are_written_what_fails_is_only_counted():
    bench = Bench(dead_letters_on=False)
    bench.deliver(upsert(1), record(2, b"{"))
    bench.answer(bench.send(), BAD)
    assert (bench.letters(), bench.committable()) == ([], {0: 3})
    assert bench.flow.stats(0.0).finished == {("dropped", "invalid_product"): 1, ("dropped", "not_json"): 1}
    assert bench.flow.idle()
