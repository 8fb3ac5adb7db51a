"""What the threads beside the poll loop tell it, and how such a thread runs.

Each of them waits for one outside system (Redis, the dead-letter topic), so that the poll loop never does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import NamedTuple

from fourtower_ingest.log import Place
from fourtower_ingest.wire import Done, Lost, Started, Written


class Heard(NamedTuple):
    """A worker's message."""

    message: Started | Written | Done | Lost


class Published(NamedTuple):
    """An attempt lies in the queue."""

    attempt: str


class PublishFailed(NamedTuple):
    """An attempt may lie in the queue, or not."""

    attempt: str
    reason: str


class Buried(NamedTuple):
    """The broker acknowledged the dead letter of the record at this place."""

    place: Place
    code: str
    """Of the letter."""


class Forgotten(NamedTuple):
    """Redis was wiped, or went back to an earlier state."""


class QueueSeen(NamedTuple):
    """How many tasks lay in Redis, at an instant of which all messages were heard."""

    queued: int
    unacked: int
    at: float
    """By the clock that only goes forward."""


class Died(NamedTuple):
    """A thread ended by this error; the process can't do its work any more."""

    error: BaseException


News = Heard | Published | PublishFailed | Buried | Forgotten | QueueSeen | Died
Inbox = SimpleQueue[News]


class Companion(threading.Thread):
    """A thread beside the poll loop; it never keeps the process from ending, and what it dies of is news.

    Args:
        name: for logs and debuggers.
        work: returns when it is told to, by whatever means its owner has.
        inbox: where an error goes.
    """

    def __init__(self, name: str, work: Callable[[], None], inbox: Inbox) -> None:
        super().__init__(name=f"fourtower-{name}", daemon=True)
        self._work = work
        self._inbox = inbox

    def run(self) -> None:
        """Do the work."""
        try:
            self._work()
        except BaseException as error:
            self._inbox.put(Died(error))
