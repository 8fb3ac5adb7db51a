"""Waits for something to become true, and says what it waited for if it never does."""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import Empty
from typing import TypeVar

from fourtower_ingest.news import Inbox, News

_News = TypeVar("_News", bound=News)


def eventually(condition: Callable[[], object], what: str, *, within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {within_s:g} s"
        time.sleep(0.02)


def next_of(inbox: Inbox, kind: type[_News], *, within_s: float = 20.0) -> _News:
    """The next news of a kind; others before it are dropped."""
    deadline = time.monotonic() + within_s
    while (left := deadline - time.monotonic()) > 0:
        try:
            found = inbox.get(timeout=left)
        except Empty:
            break
        if isinstance(found, kind):
            return found
    raise AssertionError(f"no {kind.__name__} within {within_s:g} s")


def all_of(inbox: Inbox) -> list[News]:
    """What lies there now."""
    found = []
    while not inbox.empty():
        found.append(inbox.get())
    return found
