"""Stores that misbehave the way that engines and processes do, each around a real one."""

from __future__ import annotations

import random
import threading
from typing import Any, Literal

from fourtower_search.errors import IndexUnavailable
from fourtower_search.index.store import RowStore

Moment = Literal["before", "half", "after"]


class Crash(BaseException):
    """The process is gone; nothing of ours may catch this and carry on."""


class Wrapped:
    """Passes everything on, but for closing: the store is shared."""

    def __init__(self, store: Any) -> None:
        self.inner: RowStore = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def close(self) -> None:
        pass


class Recording(Wrapped):
    """Remembers the calls, as `states:strong`, `upsert` and so on."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.calls: list[str] = []

    def states(self, product_ids: Any, *, consistency: Any, timeout_s: float) -> Any:
        self.calls.append(f"states:{consistency}")
        return self.inner.states(product_ids, consistency=consistency, timeout_s=timeout_s)

    def upsert(self, rows: Any, *, timeout_s: float) -> None:
        self.calls.append("upsert")
        self.inner.upsert(rows, timeout_s=timeout_s)

    def delete(self, keys: Any, *, timeout_s: float) -> None:
        self.calls.append("delete")
        self.inner.delete(keys, timeout_s=timeout_s)

    def flush(self, *, timeout_s: float) -> None:
        self.calls.append("flush")
        self.inner.flush(timeout_s=timeout_s)


class Crashing(Wrapped):
    """Dies at its n-th call, before it, in the middle of it or after it, and stays dead."""

    def __init__(self, store: Any, *, at: int, moment: Moment) -> None:
        super().__init__(store)
        self._left = at
        self._moment = moment
        self._lock = threading.Lock()

    def states(self, product_ids: Any, *, consistency: Any, timeout_s: float) -> Any:
        last = self._step()
        answer = self.inner.states(product_ids, consistency=consistency, timeout_s=timeout_s)
        self._die(last)
        return answer

    def upsert(self, rows: Any, *, timeout_s: float) -> None:
        last = self._step()
        self.inner.upsert(_part(rows) if last and self._moment == "half" else rows, timeout_s=timeout_s)
        self._die(last)

    def delete(self, keys: Any, *, timeout_s: float) -> None:
        last = self._step()
        self.inner.delete(_part(list(keys)) if last and self._moment == "half" else keys, timeout_s=timeout_s)
        self._die(last)

    def _step(self) -> bool:
        """Whether this call is the last one."""
        with self._lock:
            self._left -= 1
            left = self._left
        if left < 0 or (left == 0 and self._moment == "before"):
            raise Crash
        return left == 0

    def _die(self, last: bool) -> None:
        if last:
            raise Crash


class Stale(Wrapped):
    """Bounded reads of a product often show what the last but one read showed."""

    def __init__(self, store: Any, rng: random.Random) -> None:
        super().__init__(store)
        self._rng = rng
        self._seen: dict[str, list[Any]] = {}
        self._lock = threading.Lock()

    def states(self, product_ids: Any, *, consistency: Any, timeout_s: float) -> Any:
        answer = self.inner.states(product_ids, consistency=consistency, timeout_s=timeout_s)
        if consistency == "strong":
            return answer
        with self._lock:
            return [row for product_id in product_ids for row in self._snapshot(product_id, answer)]

    def _snapshot(self, product_id: str, answer: list[Any]) -> list[Any]:
        now = [row for row in answer if row.product_id == product_id]
        old = self._seen.get(product_id, [])
        self._seen[product_id] = now
        return old if self._rng.random() < 0.5 else now


class Late(Wrapped):
    """While `slow` is set, upserts fail, and reach the engine when `land` is called."""

    def __init__(self, store: Any, error: BaseException) -> None:
        super().__init__(store)
        self.slow = False
        self._error = error
        self._delayed: list[Any] = []

    def upsert(self, rows: Any, *, timeout_s: float) -> None:
        if self.slow:
            self._delayed.append(rows)
            raise self._error
        self.inner.upsert(rows, timeout_s=timeout_s)

    def land(self) -> None:
        for rows in self._delayed:
            self.inner.upsert(rows, timeout_s=10)


class Failing(Wrapped):
    """The named calls raise an error until `error` is taken back."""

    def __init__(self, store: Any, calls: tuple[str, ...], error: BaseException) -> None:
        super().__init__(store)
        self.error: BaseException | None = error
        self._calls = calls

    def states(self, product_ids: Any, *, consistency: Any, timeout_s: float) -> Any:
        self._fail(f"states:{consistency}")
        return self.inner.states(product_ids, consistency=consistency, timeout_s=timeout_s)

    def upsert(self, rows: Any, *, timeout_s: float) -> None:
        self._fail("upsert")
        self.inner.upsert(rows, timeout_s=timeout_s)

    def delete(self, keys: Any, *, timeout_s: float) -> None:
        self._fail("delete")
        self.inner.delete(keys, timeout_s=timeout_s)

    def _fail(self, call: str) -> None:
        if self.error is not None and call in self._calls:
            raise self.error


class Gated(Wrapped):
    """Calls that write or read states wait for a gate, as long as their time allows."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.gate = threading.Event()

    def states(self, product_ids: Any, *, consistency: Any, timeout_s: float) -> Any:
        self._wait(timeout_s)
        return self.inner.states(product_ids, consistency=consistency, timeout_s=timeout_s)

    def upsert(self, rows: Any, *, timeout_s: float) -> None:
        self._wait(timeout_s)
        self.inner.upsert(rows, timeout_s=timeout_s)

    def _wait(self, timeout_s: float) -> None:
        if not self.gate.wait(timeout_s):
            raise IndexUnavailable("Milvus did not answer in time.")


def _part(items: Any) -> Any:
    """Every other one, so that a version with several rows is cut in two."""
    return items[::2]
