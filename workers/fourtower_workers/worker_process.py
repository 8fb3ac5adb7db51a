"""Runs a worker: settles what it has to do, starts Celery, and puts everything away at the end."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fourtower_encoders.checkpoint import locate, read_checkpoint
from fourtower_encoders.errors import CheckpointError
from fourtower_ingest.logs import fields, set_up_logs
from fourtower_ingest.redis_client import answering, connect
from fourtower_ingest.settings import FlowSettings, RedisSettings
from fourtower_search.errors import IndexMismatch
from fourtower_search.index.generations import GenerationRecord
from fourtower_workers.assignment import (
    CHECKPOINT,
    Assignment,
    check_times,
    generation_of,
    generations_of,
    processes_of,
)
from fourtower_workers.settings import WorkerSettings

if TYPE_CHECKING:
    from celery import Celery

    from fourtower_ingest.probes import ProbeServer
    from fourtower_workers.parent import Parent

log = logging.getLogger("fourtower.worker")

TOLD_BY_US = ("celery.worker.request", "multiprocessing")
"""Loggers that report a child's death at length; `losses` says it in one line."""


def run(settings: WorkerSettings, redis: RedisSettings, flow: FlowSettings) -> int:
    """Work until told to end; returns the exit code.

    Raises:
        InvalidSettings: settings contradict each other.
        IndexUnavailable: the index can't be reached.
        RedisUnavailable: Redis can't.
        IndexMismatch: there is no such generation, or its model is another one.
    """
    check_times(settings, flow)
    record = _generation(settings)
    check_model(settings, record)
    check_redis(redis)
    os.nice(settings.nice)  # children inherit it
    with _folder() as folder:
        assignment = Assignment(
            worker=settings,
            redis=redis,
            visibility_timeout_s=flow.visibility_timeout_s,
            processes=processes_of(settings),
            name=f"worker-{socket.gethostname()}-{os.getpid()}",
            folder=folder,
        )
        set_up_logs(settings.log_format, settings.log_level, process=assignment.name)
        said: dict[str, Any] = {
            "queue": settings.queue,
            "children": assignment.processes,
            "model": settings.model or record.model,
        }
        log.info("The worker starts", extra=fields(**said))
        return _run(assignment)


def check_model(settings: WorkerSettings, record: GenerationRecord) -> None:
    """Find out now, rather than in each child, that the model is not the generation's.

    Raises:
        IndexMismatch: it is another one, or can't be loaded here.
    """
    if settings.encoder != CHECKPOINT:
        return
    source = settings.model or record.model
    try:
        found = read_checkpoint(locate(source)).model_id
    except CheckpointError as error:
        raise IndexMismatch(
            f"The model {source} can't be loaded here ({error}) "
            "Set FOURTOWER_WORKER_MODEL to where that checkpoint is on this machine."
        ) from error
    if found != record.model_id:
        raise IndexMismatch(
            f"Generation {record.generation} of {record.alias} was built with model {record.model_id}, {source} is "
            f"{found}; set FOURTOWER_WORKER_MODEL to the checkpoint that built it, or build the next generation."
        )


def check_redis(settings: RedisSettings) -> None:
    """Refuse to start without Redis: once started, a worker waits for it.

    Raises:
        RedisUnavailable: it does not answer.
    """

    def told(where: str, error: Exception) -> str:
        return f"Redis at {where} can't be reached ({type(error).__name__}); start it, or set FOURTOWER_REDIS_URL."

    with answering(settings, told), connect(settings) as client:
        client.ping()


def _generation(settings: WorkerSettings) -> GenerationRecord:
    with closing(generations_of(settings)) as generations:
        return generation_of(settings, generations)


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="fourtower-worker-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(assignment: Assignment) -> int:
    from fourtower_workers.metrics import WorkerMetrics, share_metrics

    share_metrics(assignment.counters)  # before prometheus_client is imported
    from fourtower_workers.celery_app import make_app
    from fourtower_workers.losses import Losses
    from fourtower_workers.parent import Parent, Pulse, pulse_step
    from fourtower_workers.reporting import Reporter
    from fourtower_workers.semaphores import keep_tracked

    settings = assignment.worker
    metrics, pulse = WorkerMetrics(), Pulse()
    reporter = Reporter(
        partial(connect, assignment.redis), prefix=assignment.redis.prefix, timeout_s=settings.report_timeout_s
    )
    Losses(reporter, metrics.lost).watch()
    keep_tracked()
    app = make_app(assignment)
    app.steps["consumer"].add(pulse_step(pulse))
    parent = Parent(assignment, metrics, pulse)
    with ExitStack() as open_things:
        open_things.callback(reporter.close, timeout_s=5)
        open_things.callback(parent.close)
        parent.start()
        if settings.metrics_port:
            open_things.callback(_serve(parent, settings).close)
        return _celery(app, assignment)


def _serve(parent: Parent, settings: WorkerSettings) -> ProbeServer:
    from fourtower_ingest.probes import ProbeServer
    from fourtower_workers.metrics import all_processes

    host, port = settings.metrics_host, settings.metrics_port
    return ProbeServer(all_processes(), host=host, port=port, live=parent.live, ready=parent.ready)


def _celery(app: Celery, assignment: Assignment) -> int:
    """Run Celery in this thread until a signal ends it."""
    import warnings

    from celery.platforms import SecurityWarning
    from celery.signals import worker_shutting_down

    # It speaks of options that are Celery's, not ours; who runs as root is told so by every container scanner.
    warnings.simplefilter("ignore", SecurityWarning)
    for name in TOLD_BY_US:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    end = End(assignment.worker.soft_shutdown_s)
    worker_shutting_down.connect(end.begun, weak=False)
    worker = app.Worker(
        hostname=f"{assignment.name}@{socket.gethostname()}",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    with suppress(SystemExit):
        worker.start()
    log.info("The worker ends", extra=fields(signal=end.signal))
    # Celery takes an end in which it put tasks back for a failure; told to end, it is none.
    return 0 if end.signal else int(worker.exitcode or 1)


class End:
    """Lets a worker that is told to end finish its batches, and after a while has it put them back into the queue.

    Celery's own limit (`worker_soft_shutdown_timeout`) makes a worker sleep for all of that time, whether anything is
    left to wait for or not.
    """

    def __init__(self, patience_s: float) -> None:
        self.signal = ""
        """The one that asked for it; empty until then."""
        self._patience_s = patience_s

    def begun(self, *, sig: str = "", how: str = "", **_: Any) -> None:
        """Celery calls this, in the thread of the signal handler, when the end begins."""
        self.signal = self.signal or sig
        if how == "Warm":
            timer = threading.Timer(self._patience_s, os.kill, (os.getpid(), signal.SIGQUIT))
            timer.daemon = True
            timer.start()
