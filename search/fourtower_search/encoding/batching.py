"""Joins the work of callers that come at the same time into one batch, without waiting for any of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class _Ticket(Generic[_In, _Out]):
    """What one caller wants, and what came of it."""

    def __init__(self, items: Sequence[_In]) -> None:
        self.items = items
        self.results: Sequence[_Out | Exception] | None = None


class Batching(Generic[_In, _Out]):
    """Runs a function of many items for many threads.

    One thread runs at a time. Those that come meanwhile queue up, and the first of them to get its turn
    runs for all: batches grow with the load, and a lone caller waits for nobody.
    """

    def __init__(self, run: Callable[[Sequence[_In]], Sequence[_Out | Exception]], *, largest: int = 64) -> None:
        """Take the function; it gives one result or exception for each item."""
        self._run, self._largest = run, largest
        self._queue: list[_Ticket[_In, _Out]] = []
        self._queue_lock, self._turn = threading.Lock(), threading.Lock()

    def __call__(self, items: Sequence[_In]) -> Sequence[_Out | Exception]:
        """One result or exception for each item; an exception of the whole run is raised."""
        if not items:
            return []
        ticket: _Ticket[_In, _Out] = _Ticket(items)
        with self._queue_lock:
            self._queue.append(ticket)
        while ticket.results is None:
            with self._turn:
                if ticket.results is None:
                    self._serve(self._take())
        return ticket.results

    def _take(self) -> list[_Ticket[_In, _Out]]:
        """The oldest tickets, up to `largest` items; always at least one."""
        with self._queue_lock:
            count, size = 1, len(self._queue[0].items)
            while count < len(self._queue) and size + len(self._queue[count].items) <= self._largest:
                size += len(self._queue[count].items)
                count += 1
            taken, self._queue = self._queue[:count], self._queue[count:]
        return taken

    def _serve(self, tickets: list[_Ticket[_In, _Out]]) -> None:
        items = [item for ticket in tickets for item in ticket.items]
        try:
            results: Sequence[_Out | Exception] = self._run(items)
        except Exception as error:  # each caller is told, not only the one that happened to run
            results = [error] * len(items)
        start = 0
        for ticket in tickets:
            ticket.results = results[start : start + len(ticket.items)]
            start += len(ticket.items)
