"""What becomes of batches when children are killed, hang or are told to end, and when Redis goes away."""

import os
import signal
import time
from pathlib import Path

import pytest
from tests.services.milvus import start_lite
from tests.workers.shop import upsert
from tests.workers.stream.station import until


def wait_for(station, name):
    """The title of a product whose encoding waits for a file, and that file."""
    return f"mug wait={station.folder / name}", station.folder / name


def _runs(pid):
    return Path(f"/proc/{pid}").exists()


def test_a_killed_child_is_reported_and_replaced_however_long_loading_takes(station, new_index):
    station.start(environment={"OBEDIENT_LOAD_S": "5"})
    title, file = wait_for(station, "gate")
    attempt = station.send(upsert(1, "p1", title=title))
    pid = int(until(lambda: Path(f"{file}.pid").exists() and Path(f"{file}.pid").read_text(), what="encoding"))
    assert pid in station.children()
    os.kill(pid, signal.SIGKILL)
    lost = station.answer(attempt, "lost", seconds=15)
    assert "SIGKILL" in lost.reason
    (report,) = station.done(upsert(2, "p1", title="mug"))
    assert report.status == "applied"
    assert station.kinds(attempt) == ["started", "lost"], "reported once, and not run again"
    until(lambda: station.queued() == (0, 0), what="the acknowledgement")
    until(lambda: (status := station.status()) and status.facts["respawns"] == 1, what="a status with the respawn")
    assert station.status().facts["lost"] == 1


def test_children_are_replaced_though_the_tracker_of_semaphores_was_killed(station):
    station.start()
    station.done(upsert(1, "p1", title="mug"))
    (child,), (tracker,) = station.children(), station.trackers()
    os.kill(tracker, signal.SIGKILL)
    os.kill(child, signal.SIGKILL)
    (report,) = station.done(upsert(2, "p1", title="lamp"))
    assert report.status == "applied"
    assert child not in station.children()
    assert tracker not in station.trackers()
    station.process.send_signal(signal.SIGTERM)
    assert station.process.wait(20) == 0


def test_what_a_killed_child_was_writing_is_looked_at_by_its_successor(station, new_index):
    """It may have written what is old: what it was writing when it was frozen, and wrote when it woke."""
    station.start()
    station.done(upsert(1, "p1", title="old mug"), upsert(1, "p2", title="old lamp"))
    old = [
        row for found in new_index.get(["p1", "p2"], vectors=True, consistency="strong").values() for row in found.rows
    ]
    station.done(upsert(2, "p1", title="mug"), upsert(2, "p2", title="lamp"))
    (folder,) = station.folder.glob("fourtower-worker-*/unfinished")
    assert list(folder.iterdir()) == [], "what was checked is noted no longer"
    new_index.store.upsert(old, timeout_s=10)
    (pid,) = station.children()
    (folder / f"{pid}-99.json").write_text('["p1"]')
    os.kill(pid, signal.SIGKILL)
    until(lambda: len(new_index.read(["p1"], consistency="strong")["p1"].rows) == 1, what="the removal of the old row")
    assert len(new_index.read(["p2"], consistency="strong")["p2"].rows) == 2
    assert list(folder.iterdir()) == []


def test_a_child_that_hangs_is_killed_at_the_time_limit(station):
    station.start(time_limit_s=2)
    title, _ = wait_for(station, "never")
    attempt = station.send(upsert(1, "p1", title=title))
    lost = station.answer(attempt, "lost", seconds=15)
    assert "TimeLimitExceeded" in lost.reason
    (report,) = station.done(upsert(2, "p1", title="mug"))
    assert report.status == "applied"
    assert station.kinds(attempt) == ["started", "lost"]
    until(lambda: station.queued() == (0, 0), what="the acknowledgement")


def test_an_unexpected_error_counts_as_a_loss_and_the_child_goes_on(station):
    station.start()
    (pid,) = station.children()
    attempt = station.send(upsert(1, "p1", title="please fail!"), upsert(1, "p2", title="mug"))
    assert station.answer(attempt, "lost").reason == "ArithmeticError: told to fail"
    assert [report.status for report in station.done(upsert(1, "p2", title="mug"))] == ["applied"]
    assert station.children() == [pid]


def test_told_to_end_it_finishes_what_it_works_on(station, new_index):
    station.start()
    title, file = wait_for(station, "gate")
    attempt = station.send(upsert(1, "p1", title=title))
    station.answer(attempt, "started")
    until(Path(f"{file}.pid").exists, what="encoding")
    station.process.send_signal(signal.SIGTERM)
    until(lambda: "shutdown" in station.said(), what="the beginning of the end")
    file.touch()
    (report,) = station.answer(attempt).reports
    assert report.status == "applied"
    assert station.process.wait(timeout=30) == 0, station.said()
    assert station.queued() == (0, 0)
    assert "p1" in new_index.get(["p1"], consistency="strong")


def test_told_to_end_it_puts_back_what_takes_too_long(station, new_index):
    station.start(soft_shutdown_s=1)
    title, file = wait_for(station, "gate")
    attempt = station.send(upsert(1, "p1", title=title))
    station.answer(attempt, "started")
    until(Path(f"{file}.pid").exists, what="encoding")
    station.process.send_signal(signal.SIGTERM)
    assert station.process.wait(timeout=30) == 0, station.said()
    assert station.queued() == (1, 0), station.said()
    file.touch()
    station.start()
    assert [report.status for report in station.answer(attempt).reports] == ["applied"]
    assert station.kinds(attempt).count("started") == 2


def test_redis_may_go_away_and_forget_everything(lonely_station, own_redis):
    station = lonely_station
    station.start()
    assert station.done(upsert(1, "p1", title="mug"))[0].status == "applied"
    heartbeat = station.folder / "heartbeat"
    own_redis.kill()
    gone = time.time()
    until(lambda: heartbeat.stat().st_mtime > gone + 3, what="a heartbeat without Redis")
    own_redis.start()
    (report,) = station.done(upsert(2, "p1", title="mug"))
    assert report.status == "applied"
    assert station.process.poll() is None


def test_a_moment_without_redis_at_the_end_of_a_batch_stops_nothing(lonely_station, own_redis):
    """The report arrives late, the acknowledgement never does, and the worker must not wait for it for ever."""
    station = lonely_station
    station.start()
    title, file = wait_for(station, "gate")
    attempt = station.send(upsert(1, "p1", title=title))
    station.answer(attempt, "started")
    until(Path(f"{file}.pid").exists, what="encoding")
    own_redis.kill()
    file.touch()
    until(lambda: "Couldn't ack" in station.said(), what="the acknowledgement that fails")
    own_redis.start()
    assert [report.status for report in station.answer(attempt).reports] == ["applied"]
    assert station.done(upsert(2, "p1", title="mug"))[0].status == "applied"


@pytest.mark.parametrize("moment", ["before written", "after written"])
def test_a_worker_that_is_killed_as_a_whole_loses_no_batch_unseen(station, moment):
    """Its task stays unacknowledged, and goes back into the queue after the visibility timeout."""
    station.start()
    title, file = wait_for(station, "gate")
    attempt = station.send(upsert(1, "p1", title=title))
    station.answer(attempt, "started")
    until(Path(f"{file}.pid").exists, what="encoding")
    if moment == "after written":
        file.touch()
        station.answer(attempt, "written")
    station.process.kill()
    station.process.wait()
    until(lambda: not _runs(int(Path(f"{file}.pid").read_text())), what="the end of the child with its parent")
    assert station.queued()[0] == 0
    if moment == "before written":
        assert station.queued() == (0, 1)
        assert "done" not in station.kinds(attempt)


def test_it_ends_when_told_to_while_redis_is_away(lonely_station, own_redis):
    station = lonely_station
    station.start()
    own_redis.kill()
    until(lambda: "Cannot connect" in station.said() or "Connection to broker lost" in station.said(), what="the loss")
    station.process.send_signal(signal.SIGTERM)
    assert station.process.wait(timeout=30) == 0, station.said()


@pytest.mark.long  # `tests/stream/test_faults.py` does it with all parts
def test_while_the_index_is_away_batches_are_given_back(station_on_own_lite, own_lite, tmp_path):
    """Also by a child that starts in that time, and can't open the index."""
    station = station_on_own_lite
    station.start(open_timeout_s=2)
    assert station.done(upsert(1, "p1", title="mug"))[0].status == "applied"
    own_lite.stop()
    (report,) = station.done(upsert(2, "p1", title="mug"))
    assert (report.stage, report.code, report.retryable) == ("read", "unavailable", True)
    (pid,) = station.children()
    os.kill(pid, signal.SIGKILL)
    until(lambda: "A child can't work yet" in station.said(), what="the new child's start")
    (report,) = station.done(upsert(2, "p1", title="mug"))
    assert (report.stage, report.code, report.retryable) == ("read", "unavailable", True)
    again = start_lite(tmp_path / "lite", port=own_lite.port)
    try:
        assert station.done(upsert(2, "p1", title="mug"))[0].status == "applied"
    finally:
        station.stop()
        again.stop()
