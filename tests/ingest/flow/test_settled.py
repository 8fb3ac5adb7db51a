"""What is certain is done at once when it comes again; everything else goes to a worker, as if nothing were known."""

import json

import pytest
from tests.ingest.flow.bench import (
    APPLIED,
    BAD,
    NO_BASE,
    P0,
    P1,
    REPLAYS,
    STALE,
    UNAVAILABLE,
    Bench,
    delete,
    failed,
    patch,
    record,
    upsert,
)

from fourtower_ingest.events import Image
from fourtower_ingest.records import TopicRules
from fourtower_ingest.wire import EventReport

PICTURE = "data:image/png;base64,iVBORw0KGgo="
AGAIN = failed("incomplete", retryable=True, stage="verify")


def bench_with(*records, reports=(APPLIED,), **settings):
    """A bench on which these records were sent in one batch, and answered."""
    bench = Bench(**settings)
    bench.deliver(*records)
    bench.answer(bench.send(), *reports)
    bench.ends()
    return bench


def done_at_once(bench, record):
    """Whether a record that is delivered now is stale without being sent."""
    bench.deliver(record)
    return not bench.sent() and bench.ends() == {record.place.offset: "stale"}


def as_stored(original, offset):
    """The same event as a seeded index has it: the same order, without the bytes of its pictures."""
    event = json.loads(original.value)
    event["product"]["images"] = [{"url": Image(url=image["url"]).kept.url} for image in event["product"]["images"]]
    return record(offset, event)


# What is known


def test_a_record_that_comes_again_is_done_at_once():
    bench = bench_with(upsert(1, version=5))
    assert done_at_once(bench, upsert(2, version=5))
    assert done_at_once(bench, upsert(3, version=5, partition=P1))
    assert bench.committable() == {0: 3, 1: 4}


@pytest.mark.parametrize(
    "older", [upsert(2, version=4), patch(2, version=4), patch(2, version=5), delete(2, version=4)]
)
def test_what_a_worker_would_find_stale_is_done_at_once(older):
    bench = bench_with(upsert(1, version=5))
    assert done_at_once(bench, older)


@pytest.mark.parametrize(
    "other",
    [
        upsert(2, version=6),
        patch(2, version=6),
        delete(2, version=5),
        upsert(2, version=5, title="another"),
        upsert(2, "b", version=5),
    ],
)
def test_everything_else_is_sent(other):
    bench = bench_with(upsert(1, version=5))
    assert not done_at_once(bench, other)
    assert bench.ends() == {}


def test_a_stale_event_is_certain_too():
    bench = bench_with(upsert(1, version=5), reports=[STALE])
    assert done_at_once(bench, upsert(2, version=5))
    assert done_at_once(bench, upsert(3, version=4))


def test_a_delete_covers_all_of_its_version():
    bench = bench_with(delete(1, version=5))
    assert done_at_once(bench, upsert(2, version=5))
    assert done_at_once(bench, delete(3, version=5))
    assert done_at_once(bench, patch(4, version=5))
    assert not done_at_once(bench, upsert(5, version=6))


def test_a_patch_proves_its_version_but_not_what_it_led_to():
    bench = bench_with(patch(1, version=5))
    assert done_at_once(bench, patch(2, version=5))
    assert done_at_once(bench, upsert(3, version=4))
    assert not done_at_once(bench, upsert(4, version=5))


def test_of_several_events_sent_together_the_highest_version_counts():
    bench = bench_with(upsert(1, version=5), patch(2, version=7), reports=[APPLIED, APPLIED])
    assert done_at_once(bench, upsert(3, version=6))
    assert done_at_once(bench, patch(4, version=7))
    assert not done_at_once(bench, upsert(5, version=7))


def test_what_is_certain_does_not_wait_for_what_is_under_way():
    bench = bench_with(upsert(1, version=5))
    bench.deliver(upsert(2, version=6))
    newer = bench.send()
    assert done_at_once(bench, upsert(3, version=5))
    assert bench.committable() == {0: 2}
    bench.answer(newer, APPLIED)
    assert bench.committable() == {0: 4}


def test_an_older_report_makes_nothing_less_certain():
    bench = bench_with(upsert(1, version=5))
    bench.deliver(upsert(2, version=5, title="another"))
    bench.answer(bench.send(), STALE)
    bench.ends()
    assert done_at_once(bench, upsert(3, version=5, title="another"))
    assert done_at_once(bench, upsert(4, version=5))


def test_a_late_report_is_as_good_as_one_in_time():
    bench = Bench()
    bench.deliver(upsert(1, version=5))
    attempt = bench.send()
    bench.write(attempt)
    bench.wait(bench.settings.verify_deadline_s + 1)
    bench.answer(attempt, APPLIED)
    bench.ends()
    assert done_at_once(bench, upsert(2, version=5))


# What is not


def test_nothing_is_certain_before_a_worker_has_verified_it():
    bench = Bench()
    bench.deliver(upsert(1, version=5))
    attempt = bench.send()
    bench.start(attempt)
    bench.write(attempt)
    bench.deliver(upsert(2, version=5), upsert(3, version=4))
    assert bench.ends() == {}
    bench.answer(attempt, AGAIN)
    assert bench.ends() == {}
    assert bench.committable() == {0: 1}


def test_an_event_without_all_of_its_pictures_is_not_remembered():
    bench = bench_with(upsert(1, version=5), reports=[EventReport(status="applied", images_missing=1)])
    assert not done_at_once(bench, upsert(2, version=5))


def test_a_failed_event_that_is_replayed_is_sent_again():
    bench = Bench()
    bench.deliver(upsert(1, version=7))
    bench.answer(bench.send(), BAD)
    assert bench.letters() == [(1, "invalid_product")]
    bench.bury(1)
    bench.deliver(upsert(2, version=6))
    bench.answer(bench.send(), APPLIED)
    bench.ends()
    assert not done_at_once(bench, upsert(3, version=7, partition=REPLAYS))


@pytest.mark.parametrize("report", [AGAIN, BAD, NO_BASE, UNAVAILABLE])
def test_a_failure_of_the_product_takes_everything_back(report):
    bench = bench_with(upsert(1, version=5))
    bench.deliver(patch(2, version=6))
    bench.answer(bench.send(), report)
    bench.deliver(upsert(3, version=5))
    assert 3 not in bench.ends()


def test_an_index_that_failed_may_come_back_as_another_one():
    bench = bench_with(upsert(1, version=5))
    bench.deliver(upsert(2, "b"))
    bench.answer(bench.send(), UNAVAILABLE)
    bench.deliver(upsert(3, version=5))
    assert bench.ends() == {}


def test_a_failure_of_one_product_says_nothing_about_others():
    bench = bench_with(upsert(1, version=5))
    bench.deliver(upsert(2, "b"))
    bench.answer(bench.send(), AGAIN)
    assert done_at_once(bench, upsert(3, version=5))


def test_a_malformed_record_is_a_dead_letter_however_old_its_version_is():
    bench = bench_with(upsert(1, version=5))
    bench.deliver(upsert(2, version=4, color="red"))
    assert bench.letters() == [(2, "unknown_field")]


def test_records_under_another_key_are_others():
    bench = bench_with(upsert(1, version=5))
    same = upsert(2, version=5)
    bench.deliver(record(2, same.value, "b"))
    assert bench.letters() == [(2, "key_mismatch")]


# Pictures inside events


def test_a_version_that_comes_again_with_its_pictures_is_sent_for_a_worker_to_mend_it():
    with_picture = upsert(0, version=5, images=[{"url": PICTURE}])
    bench = bench_with(as_stored(with_picture, 1))
    assert not done_at_once(bench, record(2, with_picture.value))


def test_pictures_of_a_record_that_was_folded_away_were_not_seen_by_a_worker():
    with_picture = upsert(0, version=5, images=[{"url": PICTURE}])
    bench = bench_with(as_stored(with_picture, 1), record(2, with_picture.value))
    assert not done_at_once(bench, record(3, with_picture.value))


def test_a_record_that_was_applied_with_its_pictures_need_not_be_mended():
    bench = bench_with(upsert(1, version=5, images=[{"url": PICTURE}]))
    assert done_at_once(bench, upsert(2, version=5, images=[{"url": PICTURE}]))


# Versions that are not inside events


def test_where_offsets_are_versions_equal_bytes_are_another_version():
    bench = bench_with(upsert(1), rules=TopicRules(version_source="offset"))
    assert not done_at_once(bench, record(2, upsert(1).value))


def test_where_offsets_are_versions_what_is_read_again_is_known():
    bench = bench_with(upsert(7, version=1), rules=TopicRules(version_source="offset"))
    replayed = record(1, upsert(0, version=1).value, partition=REPLAYS, headers=(("x-order", b"6"),))
    assert done_at_once(bench, replayed)


def test_null_values_are_told_apart_by_their_headers():
    def null(offset, version):
        return record(offset, None, headers=(("x-version", b"%d" % version),))

    bench = bench_with(null(1, 5))
    assert done_at_once(bench, null(2, 5))
    assert not done_at_once(bench, null(3, 6))


# What changes around it


@pytest.mark.parametrize("leave", ["revoked", "lost"])
def test_the_index_holds_it_whoever_has_the_partition(leave):
    bench = bench_with(upsert(1, version=5))
    getattr(bench.flow, leave)([P0])
    bench.flow.assigned([P0], bench.now)
    assert done_at_once(bench, upsert(1, version=5))
    assert bench.committable() == {0: 2}


def test_a_record_of_a_partition_that_went_away_is_certain_by_what_others_stand_for():
    bench = Bench()
    bench.deliver(upsert(1, version=5), upsert(1, version=6, partition=P1))
    attempt = bench.send()
    bench.flow.revoked([P1])
    bench.answer(attempt, APPLIED)
    bench.ends()
    assert done_at_once(bench, upsert(2, version=5))


def test_the_index_holds_it_whatever_redis_forgets():
    bench = bench_with(upsert(1, version=5))
    bench.flow.forgotten(bench.now)
    assert done_at_once(bench, upsert(2, version=5))


def test_as_many_products_are_remembered_as_is_said_those_heard_of_last():
    bench = bench_with(upsert(1, "a"), upsert(2, "b"), reports=[APPLIED] * 2, settled_products=2)
    assert done_at_once(bench, upsert(3, "a", version=1))
    bench.deliver(upsert(4, "c"))
    bench.answer(bench.send(), APPLIED)
    bench.ends()
    assert done_at_once(bench, upsert(5, "a", version=1))
    assert not done_at_once(bench, upsert(6, "b", version=2))


def test_nothing_is_remembered_where_that_is_not_wanted():
    bench = bench_with(upsert(1, version=5), settled_products=0)
    assert not done_at_once(bench, upsert(2, version=5))
