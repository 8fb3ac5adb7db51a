"""The folded log: on disk it is what folding in memory would be, however it is cut, and it goes on after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ingest.strategies import events
from tests.workers.reconciling.shelves import DAY_MS, PATCHED, TOPICS, Log
from tests.workers.shop import delete, patch, upsert

from fourtower_ingest.errors import InvalidSettings
from fourtower_ingest.folding import State, apply_all
from fourtower_ingest.log import Partition, Place
from fourtower_workers.reconciling.folded_log import Entry, FoldedLog
from fourtower_workers.reconciling.folding_log import fold_log, read_letters
from fourtower_workers.reconciling.workbook import Workbook

entries = st.builds(
    lambda event, product_id, refused, settled, at: Entry(
        product_id, None if refused else event.model_copy(update={"product_id": product_id}), settled, at
    ),
    events,
    st.sampled_from(["p1", "p2", "\u5546\u54c1"]),
    st.integers(0, 5).map(lambda number: number == 0),
    st.booleans(),
    st.integers(0, 9),
)


@pytest.fixture
def book(tmp_path):
    with Workbook(tmp_path / "state") as book:
        yield book


@settings(deadline=None, max_examples=50)  # each example has a file of its own
@given(st.lists(st.lists(entries, max_size=5), max_size=8))
def test_folding_to_disk_is_folding_in_memory(batches):
    with Workbook(None) as book:
        log = FoldedLog(book)
        for batch in batches:
            log.take(batch, {}, records=len(batch))
        found = dict(log.iterate())
        assert book.count("records") == sum(map(len, batches))
    flat = [entry for batch in batches for entry in batch]
    assert list(found) == sorted({entry.product_id for entry in flat})
    for name, folded in found.items():
        own = [entry for entry in flat if entry.product_id == name]
        known = [entry for entry in own if entry.event is not None]
        assert folded.state == apply_all(State(), [entry.event for entry in known])
        assert [event.order for event in folded.events] == [
            event.order for event in in_order(apply_all(State(), [entry.event for entry in known]))
        ]
        assert folded.settled == all(entry.settled for entry in known)
        assert folded.last_ms == max(entry.timestamp_ms for entry in own)


def in_order(state):
    return [*([state.full] if state.full is not None else []), *state.waiting]


def folded(book, log, *, topics=None, snapshot=None):
    kept = FoldedLog(book)
    read_letters(kept, log.read(log.topics.dead_letters))
    fold_log(kept, log.read, snapshot or log.snapshot(), topics or log.topics, lambda _: None)
    return kept


def test_refused_and_set_aside_records_are_no_events_but_known(book):
    log = Log()
    log.add(upsert(1, title="mug"))
    log.bury(log.add(upsert(2, title="bad mug")))
    log.add(b"{]", key=b"p1")
    log.add(b"{]", key=b"p2")
    log.add(patch(9, "p3", title="no patches here"))
    log.add(b"{]", key=b"\xff")
    kept = dict(folded(book, log).iterate())
    assert set(kept) == {"p1", "p2", "p3"}
    assert kept["p1"].state.full.version == 1
    assert kept["p2"].events == kept["p3"].events == ()
    assert FoldedLog(book).has_letters("p1")
    assert not FoldedLog(book).has_letters("p2")


def test_replayed_records_count_and_a_letter_of_a_replay_names_the_replay(book):
    log = Log()
    log.bury(log.add(upsert(1, title="mug")))
    log.bury(log.add(upsert(2, title="mug"), topic="shop.replay"))
    log.add(upsert(3, title="mug"), topic="shop.replay", number=1)
    kept = folded(book, log)
    assert kept.is_set_aside(Place(Partition("shop", 0), 0))
    assert kept.is_set_aside(Place(Partition("shop.replay", 0), 0))
    assert not kept.is_set_aside(Place(Partition("shop.replay", 1), 0))
    assert kept.get(["p1"])["p1"].state.full.version == 3


def test_only_what_the_group_has_committed_is_settled(book):
    log = Log()
    log.add(upsert(1, "a"))
    log.add(upsert(1, "b"))
    log.add(upsert(2, "a"), committed=False)
    log.add(upsert(1, "c"), number=1, committed=False)
    kept = folded(book, log)
    assert {name: each.settled for name, each in kept.iterate()} == {"a": False, "b": True, "c": False}
    assert kept.counts() == (3, 2)


def test_records_after_the_snapshot_are_left_for_another_time(book):
    log = Log()
    log.add(upsert(1))
    snapshot = log.snapshot()
    log.add(upsert(2))
    assert folded(book, log, snapshot=snapshot).get(["p1"])["p1"].state.full.version == 1


def test_patches_apply_where_the_topic_takes_them(book):
    log = Log(PATCHED)
    log.add(upsert(1, title="mug", attributes={"price": 5}))
    log.add(patch(2, attributes={"price": 6}), timestamp_ms=DAY_MS)
    log.add(patch(2, "p2", title="nothing to change"))
    kept = folded(book, log)
    assert kept.get(["p1"])["p1"].state.full.product.attributes == {"price": 6}
    assert [event.version for event in kept.get(["p2"])["p2"].state.waiting] == [2]


def test_folding_goes_on_where_it_was_killed(tmp_path):
    log = Log()
    for version in range(2_500):
        log.add(upsert(version, f"p{version % 7}"), number=version % 2)
    snapshot = log.snapshot()
    with Workbook(tmp_path) as book, pytest.raises(ZeroDivisionError):
        fold_log(FoldedLog(book), lambda *a, **b: failing(log.read(*a, **b), 1_700), snapshot, TOPICS, lambda _: None)
    done: list[int] = []
    with Workbook(tmp_path) as book:
        kept = FoldedLog(book)
        assert sum(kept.progress().values()) == 1_000
        fold_log(kept, log.read, snapshot, TOPICS, done.append)
        assert {name: each.state.full.version for name, each in kept.iterate()} == {
            f"p{number}": max(range(number, 2_500, 7)) for number in range(7)
        }
        assert book.count("records") == 2_500
    assert sum(done) == 2_500
    assert log.reads[-2] == ("shop", {Partition("shop", 0): 500, Partition("shop", 1): 500})


def failing(records, after):
    for number, record in enumerate(records):
        yield record
        if number == after:
            1 / 0  # noqa: B018


def test_a_state_belongs_to_one_process(tmp_path):
    with Workbook(tmp_path), pytest.raises(InvalidSettings, match="Another `fourtower reconcile` uses"):
        Workbook(tmp_path)
    Workbook(tmp_path).close()


def test_a_process_that_is_killed_leaves_what_it_had_noted(tmp_path):
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from fourtower_workers.reconciling.workbook import Workbook\n"
        "book = Workbook(Path(sys.argv[1])); book.write(snapshot='s')\n"
        "book.db.execute('INSERT INTO graves VALUES (?)', ('not committed',))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    with Workbook(tmp_path) as book:
        assert book.note("snapshot") == "s"
        assert book.db.execute("SELECT count(*) FROM graves").fetchone() == (0,)


def test_a_file_that_is_no_state_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "reconcile.sqlite").write_bytes(b"something else" * 100)
    with pytest.raises(InvalidSettings, match="delete it, or name another folder"):
        Workbook(tmp_path)


def test_a_state_of_another_format_begins_anew(tmp_path):
    with Workbook(tmp_path) as book:
        book.write(snapshot="s")
        book.db.execute("PRAGMA user_version = 99")
    with Workbook(tmp_path) as book:
        assert book.note("snapshot") == ""


def test_a_temporary_state_is_gone_afterwards():
    with Workbook(None) as book:
        folder = book.db.execute("PRAGMA database_list").fetchone()[2]
        assert os.path.exists(folder)
    assert not os.path.exists(os.path.dirname(folder))


def test_a_deleted_product_keeps_the_time_of_its_youngest_record(book):
    log = Log()
    log.add(delete(2), timestamp_ms=5)
    log.add(delete(2), timestamp_ms=9)
    log.add(upsert(1), timestamp_ms=7)
    assert folded(book, log).get(["p1"])["p1"].last_ms == 9
