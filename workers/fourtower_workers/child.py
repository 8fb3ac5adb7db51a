"""What a child process of the worker holds: the towers, the index, the way to Redis; each loaded once, in the child.

Nothing of it is ever made in the parent: neither CUDA nor gRPC survives being handed to another process.
"""

from __future__ import annotations

import gc
import logging
import os
import time
from contextlib import ExitStack
from functools import partial
from typing import Any, cast

from fourtower_encoders.embedder import Embedder
from fourtower_encoders.errors import EncoderError
from fourtower_encoders.fetch_policy import FetchPolicy
from fourtower_ingest.logs import fields, set_up_logs
from fourtower_ingest.redis_client import connect
from fourtower_search.errors import SearchError
from fourtower_search.index.generations import GenerationRecord
from fourtower_search.index.opening import open_generation
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.plugins import load_plugin
from fourtower_workers.assignment import Assignment, generation_of, generations_of
from fourtower_workers.encoding_lock import EncodingLock
from fourtower_workers.indexing import Indexer
from fourtower_workers.metrics import MeteredFetcher, WorkerMetrics
from fourtower_workers.pipeline import Pipeline
from fourtower_workers.presence import note
from fourtower_workers.reindexing.seeded import Seeded
from fourtower_workers.reporting import Reporter
from fourtower_workers.unfinished import Unfinished

log = logging.getLogger("fourtower.worker.child")

CLOSE_TIMEOUT_S = 10.0


class Child:
    """One child process; `pipeline` loads what it lacks when it is asked for."""

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self.metrics = WorkerMetrics()
        self.reporter = Reporter(
            partial(connect, assignment.redis),
            prefix=assignment.redis.prefix,
            timeout_s=assignment.worker.report_timeout_s,
        )
        self._unfinished = Unfinished(assignment.unfinished)
        self._open = ExitStack()
        self._pipeline: Pipeline | None = None

    def pipeline(self) -> Pipeline:
        """What takes batches.

        Raises:
            SearchError: the index can't be opened, now or as things are.
            EncoderError: the model can't be loaded.
        """
        if self._pipeline is None:
            began = time.monotonic()
            self._pipeline = self._load()
            # What was loaded stays; looking through all of it for garbage again and again takes a tenth of the time.
            gc.collect()
            gc.freeze()
            note(self.assignment.notes, "ready")
            log.info("A child is ready", extra=fields(pid=os.getpid(), seconds=round(time.monotonic() - began, 2)))
        return self._pipeline

    def close(self) -> None:
        """Finish what was written, report it, and let go of everything."""
        self._open.close()
        self.reporter.close(timeout_s=CLOSE_TIMEOUT_S)

    def _load(self) -> Pipeline:
        settings = self.assignment.worker
        with ExitStack() as opened:
            generations = generations_of(settings)
            opened.callback(generations.close)
            record = generation_of(settings, generations)
            embedder = opened.enter_context(self._embedder(record, opened))
            index = open_generation(generations, record, params=embedder.params, timeout_s=settings.open_timeout_s)
            opened.callback(index.close)
            lock = EncodingLock(self.assignment.lock_file, timeout_s=settings.time_limit_s / 2)
            opened.callback(lock.close)
            pipeline = self._assembled(Seeded(generations, record), embedder, index, lock)
            if left := self._unfinished.left():
                log.warning("A child died while it wrote; its products are checked", extra=fields(products=len(left)))
                index.expect_late(left)
            self._open = opened.pop_all()
            return pipeline

    def _embedder(self, record: GenerationRecord, opened: ExitStack) -> Embedder:
        settings = self.assignment.worker
        fetcher = None
        if settings.allow_hosts:
            policy = FetchPolicy(
                allow_hosts=settings.allow_hosts,
                allow_private=settings.allow_private,
                ports=settings.fetch_ports,
                deadline_s=settings.fetch_deadline_s,
            )
            fetcher = opened.enter_context(MeteredFetcher(policy, self.metrics))
        load = load_plugin("fourtower.encoders", settings.encoder)
        source = settings.model or record.model
        return cast(Embedder, load(source, runtime="auto", device=settings.device, fetcher=fetcher))

    def _assembled(self, generation: Seeded, embedder: Embedder, index: ProductIndex, lock: EncodingLock) -> Pipeline:
        settings = self.assignment.worker
        indexer = Indexer(
            index,
            embedder,
            image_root=settings.image_root,
            refetch=settings.refetch,
            threads=settings.threads or None,
            batch=settings.batch,
            turn=partial(self.metrics.turn, lock),
            on_halved=self.metrics.halved,
        )
        return Pipeline(
            indexer,
            generation.record,
            self.reporter,
            self.assignment.name,
            seeding=generation.under_way,
            unfinished=self._unfinished,
            on_done=self.metrics.done,
        )


_own: list[Child] = []
"""This process's one, once it has started."""


def current() -> Child:
    """This process's child."""
    return _own[0]


def on_start(**_: Any) -> None:
    """Set this process up, and load what it needs; what can't be had now is tried again with each batch."""
    from celery import current_app

    assignment: Assignment = current_app.conf["fourtower"]
    set_up_logs(assignment.worker.log_format, assignment.worker.log_level, process=assignment.name)
    note(assignment.notes, "loading")
    _own[:] = [Child(assignment)]
    try:
        current().pipeline()
    except (SearchError, EncoderError, OSError) as error:
        log.error("A child can't work yet: %s", error)


def on_end(**_: Any) -> None:
    """Finish what this process has begun."""
    while _own:
        _own.pop().close()
