"""Which core does what: what is measured, and what it is compared with, have one to themselves; the rest shares one."""

from __future__ import annotations

import os

CORES = sorted(os.sched_getaffinity(0))
WORKER = CORES[0]
REST = CORES[min(1, len(CORES) - 1)]


def pin(core: int, pid: int = 0) -> None:
    """Keep a process, and all that it starts from now on, on one core; 0 is this process."""
    os.sched_setaffinity(pid, {core})


def unpin() -> None:
    """Let this process run on any core again."""
    os.sched_setaffinity(0, CORES)
