"""Callers of a service: some that ask one thing after the other, or many that keep to a plan whatever is answered."""

from __future__ import annotations

import itertools
import json
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from benchmarks.service.percentiles import OK, Seen
from benchmarks.service.settings import Kind

TIMEOUT_S = 30
Body = tuple[bytes, str]
"""A request's content and its type."""


def bodies(kind: Kind, queries: Sequence[str]) -> list[Body]:
    """Requests that are ready to be sent, so that making them costs nothing while it counts."""
    if kind == "text":
        return [(json.dumps({"query": words}).encode(), "application/json") for words in queries]
    return [_multipart(Path(path).read_bytes()) for path in queries]


def _multipart(picture: bytes) -> Body:
    boundary = secrets.token_hex(16)
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="photo"\r\n\r\n'
    return head.encode() + picture + f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


class Caller:
    """One connection that is kept open."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)

    def ask(self, body: Body) -> int:
        """The status; what was found is read."""
        content, kind = body
        try:
            self._connection.request("POST", "/search", content, {"Content-Type": kind})
            answer = self._connection.getresponse()
            text = answer.read()
        except (HTTPException, OSError):
            self._connection.close()  # it opens again by itself
            return 0
        if answer.status == OK and b'"hits"' not in text:
            raise AssertionError(f"No search was answered: {text[:200]!r}")
        return answer.status

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def one_after_another(port: int, asked: Sequence[Body], *, clients: int, seconds: float) -> Seen:
    """Each client asks again as soon as it was answered."""
    turn = itertools.count()
    end = time.perf_counter() + seconds

    def call(caller: Caller, seen: Seen) -> None:
        while (began := time.perf_counter()) < end:
            status = caller.ask(asked[next(turn) % len(asked)])
            _note(seen, status, time.perf_counter() - began)

    return _together(call, port, clients, seconds)


def by_plan(port: int, asked: Sequence[Body], *, per_s: float, callers: int, seconds: float, settle_s: float) -> Seen:
    """So many questions per second, evenly spread, by whoever is free; times count from when each was due.

    Those of the first `settle_s` don't count: in that time the queue fills, once.
    """
    turn, began = itertools.count(), time.perf_counter()

    def call(caller: Caller, seen: Seen) -> None:
        while (due := began + (number := next(turn)) / per_s) < began + settle_s + seconds:
            time.sleep(max(0.0, due - time.perf_counter()))
            late = time.perf_counter() - due
            status = caller.ask(asked[number % len(asked)])
            if due >= began + settle_s:
                seen.late_s.append(late)
                _note(seen, status, time.perf_counter() - due)

    return _together(call, port, callers, seconds)


def _note(seen: Seen, status: int, seconds: float) -> None:
    if status == OK:
        seen.answered_s.append(seconds)
    else:
        seen.others[status] += 1


def _together(call: Callable[[Caller, Seen], None], port: int, count: int, seconds: float) -> Seen:
    """What all of them saw."""
    callers, parts = [Caller(port) for _ in range(count)], [Seen(seconds) for _ in range(count)]
    threads = [threading.Thread(target=call, args=both, daemon=True) for both in zip(callers, parts, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = Seen(seconds)
    for caller, part in zip(callers, parts, strict=True):
        caller.close()
        whole.answered_s += part.answered_s
        whole.late_s += part.late_s
        whole.others += part.others
    return whole
