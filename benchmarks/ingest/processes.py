"""The processes under test: `fourtower` commands pinned to a core, frozen and thawed, watched through /metrics."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

from tests.services.processes import free_port

from benchmarks.cores import REST, pin

FOURTOWER = [sys.executable, "-c", "from fourtower_workers.cli import main; main()"]
READY_WITHIN_S = 120.0
LOOK_EVERY_S = 0.1


def wait_for(condition: Callable[[], bool], what: str, *, within_s: float = READY_WITHIN_S) -> float:
    """Wait for something, and say when it was seen.

    Raises:
        TimeoutError: it did not come.
    """
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {within_s:g} s")
        time.sleep(LOOK_EVERY_S)
    return time.perf_counter()


class Process:
    """One `fourtower` process with its children, its log and its metrics."""

    def __init__(self, *words: str, env: Mapping[str, str], log: Path, port_variable: str, core: int = REST) -> None:
        self.name = words[0]
        self.log, self.port = log, free_port()
        environment = os.environ | env | {port_variable: str(self.port)}
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*FOURTOWER, *words], stdout=output, stderr=output, env=environment, start_new_session=True
            )
        pin(core, self._process.pid)

    @property
    def pid(self) -> int:
        """Of the process, and of the group that it leads."""
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Wait until it works."""
        wait_for(self._ready, f"{self.name} becoming ready (its log is {self.log})")

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric over all labels that are not given."""
        return sum(
            value for found, value in self._samples(name) if all(f'{k}="{v}"' in found for k, v in labels.items())
        )

    def freeze(self) -> None:
        """Keep it from doing anything."""
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.killpg(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """Tell it to end, and wait."""
        self.thaw()
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it with all that it started, whatever it is doing."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self._process.wait(10)

    def _ready(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.name} has ended; its log ends: {self.log.read_text(errors='replace')[-2000:]}")
        try:
            return bool(self._get("readyz"))
        except (URLError, OSError):
            return False

    def _samples(self, name: str) -> Iterator[tuple[str, float]]:
        for line in self._get("metrics").decode().splitlines():
            found, _, value = line.rpartition(" ")
            if found.partition("{")[0] == name:
                yield found, float(value)

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=10) as answer:
            content: bytes = answer.read()
            return content


@contextmanager
def frozen(*processes: Process) -> Iterator[None]:
    """Keep processes from doing anything, for less time than their group's patience."""
    for process in processes:
        process.freeze()
    try:
        yield
    finally:
        for process in processes:
            process.thaw()


def run(*words: str, env: Mapping[str, str]) -> str:
    """Run a command to its end."""
    done = subprocess.run([*FOURTOWER, *words], env=os.environ | env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"fourtower {' '.join(words)}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    return done.stdout
