"""Prepares the next items in a background thread while the current one is worked on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Prefetch(Generic[_T]):
    """Iterates over `make(n)` for n in a range, `depth` items ahead; use as a context manager."""

    def __init__(self, make: Callable[[int], _T], numbers: range, *, depth: int = 2) -> None:
        self._make, self._numbers = make, numbers
        self._ready: queue.Queue[tuple[int, _T] | BaseException | None] = queue.Queue(maxsize=depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)

    def __enter__(self) -> Prefetch[_T]:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        while self._thread.is_alive():  # make room, so that a waiting put can see the stop
            try:
                self._ready.get(timeout=0.05)
            except queue.Empty:
                continue

    def __iter__(self) -> Iterator[tuple[int, _T]]:
        while (item := self._ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def _run(self) -> None:
        try:
            for number in self._numbers:
                if self._stop.is_set():
                    return
                self._ready.put((number, self._make(number)))
        except BaseException as error:  # the consumer raises it
            self._ready.put(error)
        else:
            self._ready.put(None)
