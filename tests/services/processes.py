"""Starts a server process for a test session, waits until it answers, and ends its whole process group."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Service:
    """A running server process."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and all that it started."""
        os.killpg(self.process.pid, number)

    def stop(self) -> None:
        """End it and all that it started."""
        for number, patience in ((signal.SIGCONT, 0), (signal.SIGTERM, 10), (signal.SIGKILL, 10)):
            try:
                self.signal(number)
                self.process.wait(timeout=patience)
            except ProcessLookupError:
                return
            except subprocess.TimeoutExpired:
                continue


def start(
    command: Sequence[str],
    *,
    port: int,
    log: Path,
    ready: Callable[[], bool],
    timeout_s: float = 120,
    env: dict[str, str] | None = None,
) -> Service:
    """Start a server in a process group of its own and wait until `ready()`."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, start_new_session=True, env={**os.environ, **(env or {})}
        )
    service = Service(process, port, log)
    deadline = time.monotonic() + timeout_s
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            service.stop()
            raise RuntimeError(f"{command[0]} did not start; its log ends: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.1)
    return service
