"""The threads by which one process writes: batches are upserted side by side, then checked together."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from fourtower_search.errors import IndexMismatch, IndexUnavailable, SearchError
from fourtower_search.index.convergence import Stored, fold, needed, verdict
from fourtower_search.index.deadline import Deadline
from fourtower_search.index.outcomes import Outcome, outcomes
from fourtower_search.index.rows import ProductWrite
from fourtower_search.index.store import RowStore
from fourtower_search.index.verifier import Result, Verifier

MOST_PENDING = 64
"""Batches on their way; the next one waits until there is room."""
FLUSH_EVERY = 2048
"""Rows after which an engine with one writer is told to flush: until then, Milvus Lite looks for a product's rows by
reading all of its log, once per batch and again to check it."""


class Submission(NamedTuple):
    """A batch on its way; each future ends with one outcome per write, in their order."""

    written: Future[list[Outcome]]
    """What is to be expected, as soon as the rows are written; nothing is checked yet."""
    verified: Future[list[Outcome]]
    """What is certain."""


@dataclass(frozen=True, slots=True)
class _Batch:
    writes: Sequence[ProductWrite]
    winners: Mapping[str, ProductWrite]
    needed: Sequence[ProductWrite]
    stored: Mapping[str, Stored]

    def outcomes(self, results: Mapping[str, Result]) -> list[Outcome]:
        return outcomes(self.writes, self.winners, results)

    def expected(self) -> dict[str, Result]:
        """What becomes of every product if all goes well."""
        written = {write.product_id for write in self.needed}
        return {
            product_id: "applied" if product_id in written else verdict(write.order, self.stored[product_id])
            for product_id, write in self.winners.items()
        }


class Writer:
    """Writes batches; belongs to the process that made it."""

    def __init__(self, store: RowStore, *, threads: int, timeout_s: float, resweep_after_s: float) -> None:
        self._store = store
        self._pool = ThreadPoolExecutor(
            threads if store.capabilities.concurrent_writers else 1, thread_name_prefix="fourtower-writer"
        )
        self._verifier = Verifier(store, timeout_s=timeout_s, resweep_after_s=resweep_after_s)
        self._resweep_after_s = resweep_after_s
        self._timeout_s = timeout_s
        self._unflushed = 0
        self._room = threading.BoundedSemaphore(MOST_PENDING)

    def submit(self, writes: Sequence[ProductWrite], stored: Mapping[str, Stored], *, timeout_s: float) -> Submission:
        """Start writing; see `ProductIndex.submit`."""
        deadline = Deadline(timeout_s)
        if not self._room.acquire(timeout=timeout_s):
            raise IndexUnavailable(f"{MOST_PENDING} batches are still being written after {timeout_s:g} s; wait.")
        winners = fold(writes)
        known = {product_id: stored.get(product_id, Stored()) for product_id in winners}
        wanted = [write for write in winners.values() if needed(write, known[write.product_id])]
        submission = Submission(_promise(), _promise())
        submission.verified.add_done_callback(lambda _: self._room.release())
        try:
            self._pool.submit(self._write, _Batch(writes, winners, wanted, known), submission, deadline)
        except RuntimeError as error:  # the pool was shut down
            self._room.release()
            raise IndexUnavailable("This index was closed; open it again to write.") from error
        return submission

    def close(self) -> None:
        """Finish everything that was submitted."""
        self._pool.shutdown(wait=True)
        self._verifier.close()

    def _write(self, batch: _Batch, submission: Submission, deadline: Deadline) -> None:
        try:
            failed = self._upsert(batch.needed, deadline)
            submission.written.set_result(batch.outcomes(batch.expected() | failed))
            self.expect_late([product_id for product_id, error in failed.items() if _may_land(error)])
            orders = {write.product_id: write.order for write in batch.winners.values()}
            check = self._verifier.check({key: order for key, order in orders.items() if key not in failed})
            check.add_done_callback(lambda check: _finish(batch, failed, check, submission))
            self._flush_now_and_then(sum(len(write.rows) for write in batch.needed))
        except BaseException as error:
            self.expect_late([write.product_id for write in batch.needed])
            for future in submission:
                if not future.done():
                    future.set_exception(error)

    def _flush_now_and_then(self, written: int) -> None:
        if self._store.capabilities.concurrent_writers:
            return  # an engine that flushes by itself
        self._unflushed += written
        if self._unflushed >= FLUSH_EVERY:
            self._unflushed = 0
            with suppress(SearchError):  # the rows are written; only reading them stays slow
                self._store.flush(timeout_s=self._timeout_s)

    def expect_late(self, product_ids: Collection[str], *, now: bool = False) -> None:
        """A write that was given up may still land, after newer ones perhaps: look soon, and once much later."""
        for patience in (0, 1, 10) if now else (1, 10):
            self._verifier.resweep(product_ids, after_s=patience * self._resweep_after_s)

    def _upsert(self, writes: Sequence[ProductWrite], deadline: Deadline) -> dict[str, SearchError]:
        """Write all rows; what comes back are the products that failed."""
        if not writes:
            return {}
        try:
            self._store.upsert([row for write in writes for row in write.rows], timeout_s=deadline.left())
        except SearchError as error:
            if len(writes) == 1 or isinstance(error, IndexUnavailable | IndexMismatch):
                return {write.product_id: error for write in writes}
            # One product can't be stored; the others shall not share its fate.
            half = len(writes) // 2
            return self._upsert(writes[:half], deadline) | self._upsert(writes[half:], deadline)
        return {}


def _promise() -> Future[list[Outcome]]:
    future: Future[list[Outcome]] = Future()
    future.set_running_or_notify_cancel()  # nobody can cancel it any more
    return future


def _may_land(error: SearchError) -> bool:
    return isinstance(error, IndexUnavailable)


def _finish(
    batch: _Batch, failed: Mapping[str, SearchError], check: Future[dict[str, Result]], submission: Submission
) -> None:
    try:
        submission.verified.set_result(batch.outcomes({**check.result(), **failed}))
    except BaseException as error:
        submission.verified.set_exception(error)
