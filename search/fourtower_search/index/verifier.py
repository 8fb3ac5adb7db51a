"""The one thread of a process that checks writes: a strong read for many batches at once, then outdated rows go.

A strong read takes a server some 250 ms however much it reads, so it must never be made for one batch alone.
"""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from fourtower_search.errors import IndexUnavailable, SearchError
from fourtower_search.index.convergence import Stored, Verdict, outdated, stored_by_product, verdict
from fourtower_search.index.rows import Order
from fourtower_search.index.store import RowStore

log = logging.getLogger(__name__)

Result = Verdict | SearchError
"""What became of one product's write; an error where that could not be found out."""
MOST_AT_ONCE = 4096
"""Products of one strong read."""
MOST_WAITING = 100_000
"""Products that may wait for a later sweep; the oldest are forgotten beyond it, and `reconcile` finds those."""


@dataclass(frozen=True, slots=True)
class _Check:
    """One batch that waits for its verdicts."""

    orders: Mapping[str, Order]
    done: Future[dict[str, Result]]


@dataclass(frozen=True, slots=True, order=True)
class _Sweep:
    """Products to look at again, some time after an attempt that may still take effect."""

    due: float
    product_ids: tuple[str, ...] = field(compare=False)


class Verifier:
    """Checks batches in the background, from when the first one arrives until `close`."""

    def __init__(self, store: RowStore, *, timeout_s: float = 10.0, resweep_after_s: float = 30.0) -> None:
        self._store = store
        self._timeout_s = timeout_s
        self._resweep_after_s = resweep_after_s
        self._changed = threading.Condition()
        self._checks: deque[_Check] = deque()
        self._sweeps: list[_Sweep] = []
        self._thread: threading.Thread | None = None
        self._closed = False

    def check(self, orders: Mapping[str, Order]) -> Future[dict[str, Result]]:
        """Find out what became of one write per product; also where nothing had to be written."""
        done: Future[dict[str, Result]] = Future()
        done.set_running_or_notify_cancel()  # nobody can cancel it any more
        if not orders:
            done.set_result({})
            return done
        with self._changed:
            if self._closed:
                done.set_result(dict.fromkeys(orders, IndexUnavailable("The index was closed before it was checked.")))
                return done
            self._checks.append(_Check(orders, done))
            self._wake()
        return done

    def resweep(self, product_ids: Collection[str], *, after_s: float | None = None) -> None:
        """Look again later: a write or a delete that was given up may still reach the engine."""
        if not product_ids:
            return
        due = time.monotonic() + (self._resweep_after_s if after_s is None else after_s)
        with self._changed:
            if self._closed:
                return
            heapq.heappush(self._sweeps, _Sweep(due, tuple(product_ids)))
            while sum(len(sweep.product_ids) for sweep in self._sweeps) > MOST_WAITING:
                heapq.heappop(self._sweeps)
            self._wake()

    def close(self, *, timeout_s: float | None = None) -> None:
        """Answer every batch, sweep once what waits for it, and stop."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="fourtower-verifier", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _run(self) -> None:
        while (work := self._next()) is not None:
            checks, sweeps = work
            try:
                self._round(checks, {product_id for sweep in sweeps for product_id in sweep.product_ids})
            except BaseException as error:  # whatever it was, somebody waits for these answers
                if not checks:
                    log.exception("A later sweep failed; reconcile finds what it left.")
                for check in checks:
                    if not check.done.done():
                        check.done.set_exception(error)

    def _next(self) -> tuple[list[_Check], list[_Sweep]] | None:
        """Wait for work; None when there will be no more."""
        with self._changed:
            while not self._checks and not self._due():
                if self._closed:
                    return None
                self._changed.wait(self._sweeps[0].due - time.monotonic() if self._sweeps else None)
            return self._take()

    def _due(self) -> bool:
        return bool(self._sweeps) and (self._closed or self._sweeps[0].due <= time.monotonic())

    def _take(self) -> tuple[list[_Check], list[_Sweep]]:
        checks: list[_Check] = []
        sweeps: list[_Sweep] = []
        room = MOST_AT_ONCE
        while self._checks and (not checks or len(self._checks[0].orders) <= room):
            checks.append(self._checks.popleft())
            room -= len(checks[-1].orders)
        while self._due() and (not (checks or sweeps) or len(self._sweeps[0].product_ids) <= room):
            sweeps.append(heapq.heappop(self._sweeps))
            room -= len(sweeps[-1].product_ids)
        return checks, sweeps

    def _round(self, checks: Sequence[_Check], swept: set[str]) -> None:
        product_ids = swept.union(*(check.orders for check in checks))
        stored, errors = self._look_and_sweep(product_ids)
        self.resweep(errors)
        for check in checks:
            check.done.set_result(
                {
                    product_id: errors.get(product_id) or verdict(order, stored[product_id])
                    for product_id, order in check.orders.items()
                }
            )

    def _look_and_sweep(self, product_ids: set[str]) -> tuple[dict[str, Stored], dict[str, SearchError]]:
        """What is stored of each product, and for which of them that, or the removal of old rows, failed."""
        try:
            rows = self._store.states(product_ids, consistency="strong", timeout_s=self._timeout_s)
        except SearchError as error:
            return {}, dict.fromkeys(product_ids, error)
        stored = stored_by_product(product_ids, rows)
        old = {product_id: keys for product_id, rows in stored.items() if (keys := outdated(rows))}
        try:
            if old:
                self._store.delete([key for keys in old.values() for key in keys], timeout_s=self._timeout_s)
        except SearchError as error:
            return stored, dict.fromkeys(old, error)
        return stored, {}
