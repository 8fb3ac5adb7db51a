"""The small parts of a worker's parent process."""

import os
import signal
import subprocess
import sys
import threading

import pytest
from tests.workers.stream.station import until

from fourtower_ingest.environment import read_settings
from fourtower_ingest.errors import InvalidSettings
from fourtower_ingest.settings import FlowSettings
from fourtower_ingest.wire import Lost
from fourtower_workers.assignment import check_times, processes_of
from fourtower_workers.lost_acks import PATIENCE_S, LostAcks
from fourtower_workers.metrics import Count
from fourtower_workers.presence import Nursery, note
from fourtower_workers.settings import WorkerSettings


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("FOURTOWER_WORKER_ALLOW_HOSTS", "img.example, *.example.com")
    monkeypatch.setenv("FOURTOWER_WORKER_FETCH_PORTS", "443,8443")
    monkeypatch.setenv("FOURTOWER_WORKER_ALIAS", "shop")
    settings = read_settings(WorkerSettings, generation=3)
    assert settings.allow_hosts == ("img.example", "*.example.com")
    assert settings.fetch_ports == (443, 8443)
    assert settings.queue == "fourtower.shop.3"
    assert WorkerSettings(allow_hosts=("a", "b")).allow_hosts == ("a", "b")
    monkeypatch.setenv("FOURTOWER_WORKER_DEVICE", "tpu")
    with pytest.raises(InvalidSettings, match="FOURTOWER_WORKER_DEVICE is 'tpu'"):
        read_settings(WorkerSettings)


def test_every_setting_is_described():
    assert [name for name, field in WorkerSettings.model_fields.items() if not field.description] == []


def test_a_time_limit_above_the_ingesters_deadline_is_refused():
    check_times(WorkerSettings(), FlowSettings())
    with pytest.raises(InvalidSettings, match="FOURTOWER_WORKER_TIME_LIMIT_S \\(600\\) must be below"):
        check_times(WorkerSettings(time_limit_s=600), FlowSettings())


def test_a_gpu_has_two_children_and_a_cpu_one():
    assert processes_of(WorkerSettings(device="cuda")) == 2
    assert processes_of(WorkerSettings(device="cpu")) == 1
    assert processes_of(WorkerSettings(device="cuda", processes=5)) == 5


def test_children_are_known_by_their_notes(tmp_path):
    folder = tmp_path / "children"
    nursery = Nursery(folder, 2)
    code = "import sys, time; from pathlib import Path; from fourtower_workers.presence import note\n"
    code += "note(Path(sys.argv[1]), 'ready'); time.sleep(60)"
    start = lambda: subprocess.Popen([sys.executable, "-c", code, str(folder)])  # noqa: E731
    note(folder, "loading")
    found = nursery.look()
    assert (found.ready, found.loading, found.respawns, found.ever_ready) == ((), (os.getpid(),), 0, False)
    with start() as child:
        until(lambda: nursery.look().ready == (child.pid,), what="its note")
        child.kill()
    found = nursery.look()
    assert (found.ready, found.respawns, found.ever_ready) == ((), 0, True)
    assert [path.name for path in folder.iterdir()] == [f"{os.getpid()}.json"]
    with start() as child:
        until(lambda: nursery.look().ready == (child.pid,), what="its note")
        assert nursery.look().respawns == 1
        os.kill(child.pid, signal.SIGKILL)
        until(lambda: not nursery.look().ready, what="its end, though nobody has collected it")


def test_a_pulse_is_missed_only_while_the_loop_should_turn():
    from fourtower_workers.parent import STUCK_AFTER_S, Pulse

    clock = Clock()
    pulse = Pulse(clock)
    clock.now += STUCK_AFTER_S + 1
    assert pulse.problem == "", "not connected yet"
    pulse.connected()
    assert (pulse.problem, pulse.consuming) == ("", True)
    clock.now += STUCK_AFTER_S - 1
    assert pulse.problem == ""
    clock.now += 2
    assert "has not turned for 31 s" in pulse.problem
    pulse.turn()
    assert pulse.problem == ""
    pulse.disconnected()
    clock.now += 10_000
    assert (pulse.problem, pulse.consuming) == ("", False), "it waits for Redis"


def test_an_acknowledgement_is_lost_when_it_stays_away():
    clock = Clock()
    acks = LostAcks(clock)
    assert not acks.found(1, 1)
    clock.now += 1000
    assert not acks.found(1, 1), "a long task"
    assert not acks.found(2, 1)
    clock.now += PATIENCE_S / 2
    assert not acks.found(1, 1), "it came"
    assert not acks.found(2, 1)
    clock.now += PATIENCE_S + 0.1
    assert acks.found(2, 1)


def test_a_status_tells_counts_and_rates():
    from fourtower_workers.parent import Rates

    def counts(images, busy, applied):
        return [
            Count("encoded_total", {"what": "images"}, images),
            Count("encoded_total", {"what": "texts"}, 3),
            Count("encode_seconds_total", {"what": "images"}, busy),
            Count("encode_seconds_total", {"what": "texts"}, 0.5),
            Count("events_total", {"status": "applied", "code": ""}, applied),
            Count("events_total", {"status": "failed", "code": "no_base"}, 2),
            Count("events_total", {"status": "failed", "code": "invalid_product"}, 1),
            Count("batch_seconds_count", {}, 4),
            Count("batches_lost_total", {"reason": "x"}, 1),
        ]

    rates = Rates()
    first = rates.of(counts(10, 1.0, 5), 100.0)
    assert (first["images"], first["images_per_s"], first["busy_share"]) == (10, 0.0, 0.0)
    assert first["events"] == {"applied": 5, "no_base": 2, "invalid_product": 1}
    assert (first["batches"], first["lost"]) == (4, 1)
    second = rates.of(counts(30, 2.0, 9), 102.0)
    assert (second["images"], second["images_per_s"], second["busy_share"]) == (30, 10.0, 0.5)


def test_a_loss_is_reported_once_and_a_task_that_is_no_batch_not_at_all():
    from celery.exceptions import TimeLimitExceeded, WorkerLostError
    from celery.signals import task_failure

    from fourtower_workers.losses import Losses

    sent, counted = [], []

    class Recording:
        def send(self, stream, message):
            sent.append((stream, message))

    losses = Losses(Recording(), counted.append)
    losses.watch()
    task = {"attempt": "a", "stream": "s:outcomes:x", "events": ["anything"]}
    try:
        for exception in (TimeLimitExceeded(300), WorkerLostError("signal 9\n(SIGKILL)")):
            task_failure.send(sender=None, exception=exception, args=(task,), kwargs={})
        task_failure.send(sender=None, exception=WorkerLostError("again"), args=({**task, "attempt": "b"},), kwargs={})
        for args in ((), (1,), ({},), (task, task), ({"attempt": "", "stream": "s"},)):
            task_failure.send(sender=None, exception=WorkerLostError("x"), args=args, kwargs={})
    finally:
        task_failure.disconnect(losses._failed)
    assert [message for _, message in sent] == [
        Lost(attempt="a", reason="TimeLimitExceeded(300,)"),
        Lost(attempt="b", reason="again"),
    ]
    assert counted == ["TimeLimitExceeded", "WorkerLostError"]


def test_an_end_that_takes_too_long_is_hastened():
    from fourtower_workers.worker_process import End

    heard = threading.Event()
    before = signal.signal(signal.SIGQUIT, lambda *_: heard.set())
    try:
        end = End(0.1)
        end.begun(sig="SIGTERM", how="Warm")
        assert end.signal == "SIGTERM"
        until(heard.is_set, seconds=10, what="the signal")
        end.begun(sig="SIGQUIT", how="Cold")
        assert end.signal == "SIGTERM"
    finally:
        signal.signal(signal.SIGQUIT, before)
