"""A worker in a process of its own, a way to send it batches, and what it reports."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from celery import Celery

from fourtower_ingest.redis_client import broker_settings, connect, queue_key, unacked_key
from fourtower_ingest.settings import RedisSettings
from fourtower_ingest.wire import MESSAGES, TASK, IndexBatch, ProcessStatus, Topology, queue_name, stream_name

FOURTOWER = Path(sys.executable).parent / "fourtower"
PLUGIN = Path(__file__).parent / "plugin"
_NUMBERS = itertools.count(1)


def until(condition, *, seconds=60.0, what="it"):
    """Wait for a condition, and give what it gives."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.02)
    return found


class Station:
    """Everything around one worker."""

    def __init__(self, folder, redis_url, index, alias):
        self.folder, self.index, self.alias = folder, index, alias
        self.redis = RedisSettings(url=redis_url, prefix=f"t{next(_NUMBERS)}", timeout_s=2.0)
        self.client = connect(self.redis)
        self.stream = stream_name(self.redis.prefix, "me")
        self.topology = Topology(alias=alias, generation=1)
        self.log = folder / "worker.log"
        self.process = None
        self._app = Celery("sender", set_as_current=False)
        self._app.conf.update(broker_settings(self.redis, visibility_timeout_s=900))

    # The worker

    def start(self, *, ready=True, environment=None, **settings):
        """Start the worker; settings are those of `WorkerSettings`."""
        settings = {
            "index": self.index,
            "alias": self.alias,
            "encoder": "obedient",
            "device": "cpu",
            "processes": 1,
            "threads": 1,
            "image_root": self.folder,
            "heartbeat_file": self.folder / "heartbeat",
            "soft_shutdown_s": 10,
            "log_level": "INFO",
            **settings,
        }
        variables = {f"FOURTOWER_WORKER_{name}".upper(): str(value) for name, value in settings.items()}
        own = {
            "FOURTOWER_REDIS_URL": self.redis.url.get_secret_value(),
            "FOURTOWER_REDIS_PREFIX": self.redis.prefix,
            "PYTHONPATH": str(PLUGIN),
            "TMPDIR": str(self.folder),
            "PYTHONWARNINGS": "default",
        }
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [FOURTOWER, "worker"],
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, **own, **variables, **(environment or {})},
            )
        if ready:
            self.wait_ready()

    def wait_ready(self):
        """Until a child has loaded the model."""
        until(lambda: (self.folder / "heartbeat").exists() or self._ended(), what="loading the model")
        assert self.process.poll() is None, self.said()

    def _ended(self):
        return self.process.poll() is not None

    def stop(self):
        """End it and all that it started, without mercy."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def said(self):
        """Its log so far."""
        return self.log.read_text(errors="replace")

    # What is asked of it

    def send(self, *events, **changes):
        """Send a batch; gives the attempt."""
        attempt = changes.pop("attempt", f"attempt-{next(_NUMBERS)}")
        batch = IndexBatch(
            attempt=attempt,
            stream=self.stream,
            topology=changes.pop("topology", self.topology),
            source="catalog.updates",
            events=[event if isinstance(event, str) else event.to_json().decode() for event in events],
            **changes,
        )
        self.publish(batch.model_dump(mode="json"))
        return attempt

    def publish(self, *arguments, **named):
        """Send anything at all as the task's arguments."""
        self._app.send_task(TASK, args=arguments, kwargs=named, queue=queue_name(self.topology), retry=False)

    # What it answers

    def messages(self, attempt):
        """All messages about an attempt so far."""
        raw = [json.loads(fields[b"m"]) for _, fields in self.client.xrange(self.stream)]
        return [MESSAGES.validate_python(one) for one in raw if one["attempt"] == attempt]

    def kinds(self, attempt):
        return [message.kind for message in self.messages(attempt)]

    def answer(self, attempt, kind="done", *, seconds=60.0):
        """Wait for a message of a kind."""

        def find():
            return next((one for one in self.messages(attempt) if one.kind == kind), None)

        try:
            return until(find, seconds=seconds, what=f"{kind} of {attempt}")
        except AssertionError as error:
            raise AssertionError(f"{error}; its log ends:\n{self.said()[-3000:]}") from None

    def done(self, *events, **changes):
        """Send a batch, and wait for what became of it."""
        return self.answer(self.send(*events, **changes)).reports

    def status(self):
        """What the worker says of itself."""
        keys = list(self.client.scan_iter(f"{self.redis.prefix}:status:*"))
        if not keys or (raw := self.client.get(keys[0])) is None:
            return None
        return ProcessStatus.model_validate_json(raw)

    def queued(self):
        """How many tasks wait, and how many were taken and not acknowledged."""
        return self.client.llen(queue_key(self.redis, self.topology)), self.client.hlen(unacked_key(self.redis))

    def children(self):
        """Pids of the pool's processes."""
        return [pid for pid, command in self._billiard() if b"semaphore_tracker" not in command]

    def trackers(self):
        """Pids of the processes that count semaphores."""
        return [pid for pid, command in self._billiard() if b"semaphore_tracker" in command]

    def _billiard(self):
        found = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False)
        commands = [(int(pid), _command(pid)) for pid in found.stdout.split()]
        return [(pid, command) for pid, command in commands if b"billiard" in command]


def _command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
