"""Starts a server process for a test session, waits until it answers, and ends its whole process group."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PORTS = (20_000, 32_000)
"""Below those that outgoing connections have."""


_chosen: set[int] = set()
"""By this process: locks of its own don't keep it out."""


def free_port() -> int:
    """A port that nobody listens on, nor will: no other test has chosen it, in this checkout or beside it.

    The kernel gives it to no outgoing connection either before it is used.
    """
    chance, choices = random.SystemRandom(), _choices()  # tests beside this one have seeds as well
    while True:
        port = chance.randrange(*PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _chosen:
                fcntl.lockf(choices, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
                _chosen.add(port)
                return port


@cache
def _choices() -> int:
    """A file in which each port that a living process has chosen is a locked byte."""
    path = Path(tempfile.gettempdir()) / f"fourtower-ports.{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


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
    try:
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                ends = log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{command[0]} did not start; its log ends: {ends}")
            time.sleep(0.1)
    except BaseException:
        service.stop()
        raise
    return service


class Server:
    """A server that a test may end, kill or freeze, and start again with the same port and data."""

    def __init__(self, launch: Callable[[], Service]) -> None:
        self._launch = launch
        self._service: Service | None = None

    @property
    def alive(self) -> bool:
        """Whether its process runs, frozen or not."""
        return self._service is not None and self._service.process.poll() is None

    @property
    def pid(self) -> int:
        """Of its process, which leads a group of its own."""
        assert self._service is not None
        return self._service.process.pid

    def start(self) -> None:
        """Start it, if it does not run, and wait until it answers."""
        if self._service is None:
            self._service = self._launch()

    def stop(self) -> None:
        """End it as an operator would."""
        if self._service is not None:
            self._service.stop()
            self._service = None

    def kill(self) -> None:
        """End it at once, with whatever it was doing."""
        if self._service is not None:
            self._service.signal(signal.SIGKILL)
            self._service.process.wait(timeout=10)
            self._service = None

    def freeze(self) -> None:
        """Keep it from doing anything; its connections stay open."""
        assert self._service is not None
        self._service.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._service is not None
        self._service.signal(signal.SIGCONT)
