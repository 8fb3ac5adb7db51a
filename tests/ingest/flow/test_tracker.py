"""What may be committed: the prefix of delivered offsets below which nothing is owed."""

from hypothesis import given
from hypothesis import strategies as st

from fourtower_ingest.flow.tracker import Tracker, Trackers
from fourtower_ingest.log import Partition, Place

P0, P1 = Partition("t", 0), Partition("t", 1)


def tracker(*offsets):
    tracked = Tracker()
    for at, offset in enumerate(offsets):
        tracked.add(offset, float(at))
    return tracked


def test_holes_of_a_compacted_topic_hold_nothing_up():
    tracked = tracker(5, 9, 30)
    tracked.done(9)
    assert (tracked.next_offset(31), tracked.span, tracked.oldest) == (5, 26, 0.0)
    tracked.done(5)
    assert (tracked.next_offset(31), tracked.span, tracked.oldest) == (30, 1, 2.0)
    tracked.done(30)
    assert (tracked.next_offset(31), tracked.span, tracked.oldest) == (31, 0, None)


def test_where_nothing_is_owed_the_position_counts():
    tracked = tracker(5)
    tracked.done(5)
    assert tracked.next_offset(90) == 90, "compaction may have left nothing after the last record"
    assert tracked.next_offset() == 6
    assert Tracker().next_offset() is None
    assert Tracker().next_offset(7) == 7


def test_a_commit_never_passes_what_was_not_delivered():
    """Records of an earlier time that the partition was ours may come in late; reading goes on from the position."""
    tracked = tracker(150)
    tracked.done(150)
    assert tracked.next_offset(100) == 100
    tracked.add(100, 1.0)
    assert tracked.next_offset(101) == 100


def test_an_offset_is_owed_once():
    tracked = tracker(5)
    assert not tracked.add(5, 1.0)
    tracked.done(5)
    assert tracked.add(5, 2.0), "delivered again after it was done, it is owed again"
    assert tracked.next_offset(6) == 5


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=60))
def test_the_prefix_is_the_lowest_offset_that_is_owed(steps):
    tracked, owed, last = Tracker(), set(), -1
    for offset, add in steps:
        if add:
            assert tracked.add(offset, 0.0) == (offset not in owed)
            owed.add(offset)
            last = max(last, offset)
        else:
            tracked.done(offset)
            owed.discard(offset)
        expected = min(owed) if owed else (last + 1 if last >= 0 else None)
        assert tracked.next_offset() == expected


def test_only_partitions_that_rose_are_committed():
    trackers = Trackers()
    trackers.assign([P0, P1])
    trackers.add(Place(P0, 3), 0.0)
    assert trackers.committable({P0: 4, P1: 9}) == {P0: 3, P1: 9}
    trackers.committed({P0: 3, P1: 9})
    assert trackers.committable({P0: 4, P1: 9}) == {}
    trackers.done(Place(P0, 3))
    assert trackers.committable({P0: 4, P1: 9}) == {P0: 4}


def test_a_partition_that_goes_takes_everything_with_it():
    trackers = Trackers()
    trackers.assign([P0])
    trackers.add(Place(P0, 3), 0.0)
    trackers.add(Place(P0, 4), 0.0)
    trackers.done(Place(P0, 3))
    assert trackers.forget([P0, P1]) == {P0: 4}
    assert P0 not in trackers
    assert not trackers.add(Place(P0, 5), 0.0)
    trackers.done(Place(P0, 4))
    trackers.committed({P0: 4})
    trackers.assign([P0])
    assert trackers.committable({P0: 4}) == {P0: 4}, "what was known of it is forgotten, too"


def test_fifty_thousand_records_that_are_owed_cost_nothing_extra():
    """Each look at the prefix may only cost what has changed; the limit is some hundred times what is needed."""
    trackers, looks = Trackers(), 0
    trackers.assign([P0])
    for offset in range(50_000):
        trackers.add(Place(P0, offset), 0.0)
    for offset in range(1, 50_000):
        trackers.done(Place(P0, offset))
        looks += trackers.committable({P0: 50_000}) == {P0: 0}
    trackers.done(Place(P0, 0))
    assert (looks, trackers.committable({P0: 50_000})) == (49_999, {P0: 50_000})
