"""Keeps a worker able to start children when the process that counts billiard's semaphores has been killed.

Billiard starts that process once and never looks whether it still runs: the next child then costs the whole worker.
"""

from __future__ import annotations

import logging
import os
import select
from typing import Any

from billiard import semaphore_tracker
from celery.signals import worker_before_create_process

log = logging.getLogger("fourtower.worker.semaphores")


def keep_tracked() -> None:
    """Look after the tracker whenever a child is about to be started."""
    worker_before_create_process.connect(_start_again, weak=False)


def _start_again(**_: Any) -> None:
    known = semaphore_tracker.getfd()
    if not _nobody_reads(known):
        return
    log.warning("The process that counts semaphores is gone; another one is started")
    pipe = semaphore_tracker.SemaphoreTracker().getfd()
    os.dup2(pipe, known, inheritable=False)  # billiard goes on writing to the descriptor that it knows
    os.close(pipe)


def _nobody_reads(pipe: int) -> bool:
    """Whether the other end of a pipe is closed, which a look at this end tells without writing."""
    poll = select.poll()
    poll.register(pipe, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))
