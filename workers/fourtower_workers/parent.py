"""What a worker's parent process does beside Celery: heartbeat, status, and counting its children.

The heartbeat says that the main loop turns, or waits for Redis to come back: that is no reason to restart a worker.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from celery import bootsteps
from celery.worker import state

from fourtower_ingest.heartbeat import Heartbeat
from fourtower_ingest.logs import fields
from fourtower_ingest.redis_client import connect
from fourtower_ingest.wire import STATUS_EVERY_S, STATUS_TTL_S, ProcessStatus, status_name
from fourtower_search.index.milvus.address import parse_address
from fourtower_workers.assignment import Assignment
from fourtower_workers.lost_acks import LostAcks
from fourtower_workers.metrics import Count, WorkerMetrics, all_processes, counts
from fourtower_workers.presence import Children, Nursery

if TYPE_CHECKING:
    from redis import Redis

log = logging.getLogger("fourtower.worker.parent")

TICK_S = 0.5
STUCK_AFTER_S = 30.0
"""A main loop that has not turned for so long is stuck."""


class Pulse:
    """Whether Celery's main loop turns; told by the loop, asked by a thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self._connected = False

    def connected(self) -> None:
        """The loop begins to turn."""
        self._connected = True
        self._last = self._clock()

    def disconnected(self) -> None:
        """The loop has left off, to connect again."""
        self._connected = False

    def turn(self) -> None:
        """The loop turns."""
        self._last = self._clock()

    @property
    def consuming(self) -> bool:
        """Whether the worker is connected to its queue."""
        return self._connected

    @property
    def problem(self) -> str:
        """Why the process should be restarted; empty if it shouldn't."""
        still = self._clock() - self._last
        return f"The main loop has not turned for {still:.0f} s." if self._connected and still > STUCK_AFTER_S else ""


def pulse_step(pulse: Pulse) -> type[Any]:
    """The part of Celery's consumer that moves a pulse: started whenever it is connected, stopped when it is not."""
    lost_acks = LostAcks()

    class PulseStep(bootsteps.StartStopStep):  # type: ignore[misc]
        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, consumer: Any) -> None:
            pulse.connected()
            self.timer = consumer.timer.call_repeatedly(TICK_S, self.turn, (consumer,))

        def turn(self, consumer: Any) -> None:
            pulse.turn()
            lost_acks.check(consumer, state.reserved_requests)

        def stop(self, consumer: Any) -> None:
            pulse.disconnected()
            if timer := getattr(self, "timer", None):
                timer.cancel()

        shutdown = stop

    return PulseStep


class Parent:
    """The thread that tells the world how this worker is."""

    def __init__(self, assignment: Assignment, metrics: WorkerMetrics, pulse: Pulse) -> None:
        self.children = Children()
        self._assignment = assignment
        self._metrics = metrics
        self._pulse = pulse
        self._nursery = Nursery(assignment.notes, assignment.processes)
        self._heartbeat = Heartbeat(assignment.worker.heartbeat_file)
        self._rates = Rates()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fourtower-parent", daemon=True)

    def start(self) -> None:
        """Begin; a heartbeat of an earlier process is removed."""
        if file := self._assignment.worker.heartbeat_file:
            with suppress(OSError):
                file.unlink(missing_ok=True)
        self._thread.start()

    def close(self) -> None:
        """Leave off."""
        self._ending.set()
        self._thread.join(10)

    def live(self) -> str:
        """Why this process should be restarted."""
        return self._pulse.problem

    def ready(self) -> str:
        """Why this process takes no batches."""
        if not self._pulse.consuming:
            return "The worker is not connected to Redis."
        return "" if self.children.ready else "No child has loaded the model."

    def _run(self) -> None:
        client = connect(self._assignment.redis)
        next_status = 0.0
        while not self._ending.wait(TICK_S):
            try:
                self._look()
                if time.monotonic() >= next_status:
                    next_status = time.monotonic() + STATUS_EVERY_S
                    self._publish(client)
            except Exception:
                log.exception("The worker's status could not be found out.")

    def _look(self) -> None:
        before = self.children
        self.children = self._nursery.look()
        if new := self.children.respawns - before.respawns:
            self._metrics.respawned(new)
            log.warning("A child was started in place of another", extra=fields(respawns=self.children.respawns))
        if self.children.ever_ready and not self._pulse.problem:
            self._heartbeat.beat(time.monotonic())

    def _publish(self, client: Redis) -> None:
        from redis.exceptions import RedisError

        status = ProcessStatus(kind="worker", process=self._assignment.name, at=time.time(), facts=self._facts())
        key = status_name(self._assignment.redis.prefix, self._assignment.name)
        with suppress(RedisError, OSError):  # Celery's own loop says that Redis is away
            client.set(key, status.model_dump_json(), ex=STATUS_TTL_S)

    def _facts(self) -> dict[str, Any]:
        worker = self._assignment.worker
        return {
            "index": parse_address(worker.index).shown,
            "queue": worker.queue,
            "children": self._assignment.processes,
            "ready": len(self.children.ready),
            "respawns": self.children.respawns,
            **self._rates.of(counts(all_processes()), time.monotonic()),
        }


class Rates:
    """Counts, and what has come to them since they were last asked for."""

    def __init__(self) -> None:
        self._before: Mapping[str, float] = {}
        self._at = 0.0

    def of(self, found: Iterable[Count], now: float) -> dict[str, Any]:
        """What a status says of the counts, and of their rates since the last one."""
        sums: defaultdict[str, float] = defaultdict(float)
        events: defaultdict[str, int] = defaultdict(int)
        for name, labels, value in found:
            sums[f"images_{name}" if labels.get("what") == "images" else name] += value
            if name == "events_total":
                events[labels["code"] or labels["status"]] += int(value)
        busy = sums["encode_seconds_total"] + sums["images_encode_seconds_total"]
        rates = self._per_second({"images": sums["images_encoded_total"], "busy": busy}, now)
        return {
            "batches": int(sums["batch_seconds_count"]),
            "images": int(sums["images_encoded_total"]),
            "lost": int(sums["batches_lost_total"]),
            "events": dict(events),
            "images_per_s": round(rates["images"], 1),
            "busy_share": round(min(1.0, rates["busy"]), 3),
        }

    def _per_second(self, sums: Mapping[str, float], now: float) -> dict[str, float]:
        seconds = now - self._at if self._before else 0.0
        rates = {name: (sums[name] - self._before[name]) / seconds if seconds else 0.0 for name in sums}
        self._before, self._at = dict(sums), now
        return rates
