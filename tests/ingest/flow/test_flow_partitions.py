"""Partitions that come and go while their records are owed."""

from tests.ingest.flow.bench import APPLIED, BAD, NO_BASE, P0, P1, Bench, patch, record, upsert

from fourtower_ingest.log import Place


def test_a_revoked_partition_is_committed_up_to_what_is_owed_and_forgotten():
    bench = Bench()
    bench.deliver(upsert(1), upsert(2, "b"), upsert(3, "c"), upsert(4, "d", partition=P1))
    attempt = bench.send()
    bench.deliver(record(5, b"{"))
    assert bench.flow.revoked([P0]) == {P0: 1}
    assert bench.flow.stats(0.0).records_held == 1
    bench.answer(attempt, *[APPLIED] * 4)
    assert bench.ends() == {4: "applied"}
    assert (bench.committable(), bench.letters(), bench.flow.idle()) == ({1: 5}, [], True)


def test_records_that_come_again_are_sent_at_once_whatever_became_of_the_old_attempt():
    bench = Bench()
    bench.deliver(upsert(1), upsert(2))
    old = bench.send()
    bench.flow.revoked([P0])
    assert bench.flow.stats(0.0).batches_in_flight == 0
    bench.flow.assigned([P0], bench.now)
    bench.deliver(upsert(1), upsert(2))
    new = bench.send()
    bench.answer(old, BAD)
    assert (bench.letters(), bench.committable()) == ([], {0: 1})
    bench.answer(new, APPLIED)
    assert bench.committable() == {0: 3}


def test_an_item_of_two_partitions_goes_on_for_the_one_that_stays():
    bench = Bench()
    bench.deliver(upsert(1, version=1), upsert(7, version=2, partition=P1))
    ((attempt, events),) = bench.sent()
    assert events == ["a2"]
    assert bench.flow.revoked([P1]) == {P1: 7}
    assert bench.sent() == [], "its product is still in flight"
    bench.answer(attempt, APPLIED)
    assert bench.ends() == {1: "superseded"}
    assert bench.flow.idle()


def test_what_superseded_a_record_may_fail_after_its_partition_went():
    bench = Bench()
    bench.deliver(upsert(1, version=1), upsert(7, version=2, partition=P1))
    attempt = bench.send()
    bench.flow.revoked([P1])
    bench.answer(attempt, BAD)
    assert bench.letters() == []
    assert [events for _, events in bench.sent()] == [["a1"]]


def test_the_mailbox_goes_on_when_the_head_is_forgotten():
    bench = Bench()
    bench.deliver(upsert(1))
    bench.send()
    bench.deliver(upsert(7, version=9, partition=P1))
    bench.flow.lost([P0])
    ((attempt, events),) = bench.sent()
    assert events == ["a9"]
    bench.answer(attempt, APPLIED)
    assert bench.flow.idle()


def test_letters_of_a_revoked_partition_are_forgotten():
    bench = Bench()
    bench.deliver(upsert(1), record(2, b"{"))
    bench.answer(bench.send(), BAD)
    bench.deliver(upsert(9, version=9, partition=P1))
    assert len(bench.letters()) == 2
    assert bench.flow.revoked([P0]) == {P0: 1}
    assert bench.flow.stats(0.0).letters_pending == 0
    assert [events for _, events in bench.sent()] == [["a9"]], "nothing has to be buried before it any more"
    bench.flow.assigned([P0], bench.now)
    bench.deliver(record(2, b"{"))
    bench.bury(2)
    assert bench.committable() == {0: 2, 1: 9}, "the letter of the earlier time does not count"


def test_patches_that_wait_are_forgotten_with_their_partition():
    bench = Bench()
    bench.deliver(patch(5), patch(6, title="t", partition=P1))
    bench.answer(bench.send(), NO_BASE, NO_BASE)
    bench.flow.revoked([P0])
    bench.wait(1)
    ((attempt, _),) = bench.sent()
    bench.answer(attempt, NO_BASE, NO_BASE)
    bench.wait(2)
    ((attempt, events),) = bench.sent()
    assert events == ["a6"], "what is not ours is not sent for ever"
    bench.answer(attempt, APPLIED)
    assert bench.ends() == {6: "applied"}


def test_records_of_partitions_that_are_not_ours_are_left_alone():
    bench = Bench(partitions=[P0])
    bench.deliver(upsert(1, partition=P1))
    assert (bench.sent(), bench.flow.idle(), bench.committable()) == ([], True, {})
    bench.bury(1, partition=P1)


def test_a_record_that_is_delivered_twice_is_owed_once():
    bench = Bench()
    bench.deliver(upsert(1), upsert(1))
    attempt = bench.send()
    bench.deliver(upsert(1))
    bench.answer(attempt, APPLIED)
    assert (bench.sent(), bench.committable(), bench.flow.idle()) == ([], {0: 2}, True)


def test_a_partition_that_is_assigned_again_without_going_keeps_its_records():
    bench = Bench()
    bench.deliver(upsert(1))
    bench.flow.assigned([P0, P1], bench.now)
    bench.deliver(upsert(1))
    bench.answer(bench.send(), APPLIED)
    assert bench.flow.committable({P0: 2}) == {P0: 2}
    bench.flow.committed({P0: 2})
    assert bench.flow.committable({P0: 2}) == {}


def test_too_much_of_anything_pauses():
    bench = Bench(most_items=3)
    bench.deliver(upsert(1), upsert(2, "b"))
    assert not bench.flow.pausing()
    bench.deliver(record(3, b"{"))
    assert bench.flow.pausing(), "a letter that is not buried is held, too"
    bench.letters()
    bench.flow.buried(Place(P0, 3), bench.now)
    assert not bench.flow.pausing()
    bench = Bench(most_age_s=10)
    bench.deliver(upsert(1))
    bench.wait(11)
    assert bench.flow.pausing()
