"""The servers and processes on a stage, each of which may be ended, killed, frozen and started again, on the record."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from tests.faults.history import History
from tests.services.processes import Server
from tests.stream.cluster import Process


class Actor:
    """A server, or one of our processes, whose fate is noted in the history.

    Args:
        name: in the history; `worker-1`.
        target: what is started and ended.
        history: where to.
        metrics_port: where it shows its metrics; 0: nowhere.
    """

    def __init__(self, name: str, target: Server | Process, history: History, *, metrics_port: int = 0) -> None:
        self.name, self.target, self.metrics_port = name, target, metrics_port
        self.wanted = False
        """Whether it should be running: started, and not ended by us."""
        self.frozen = False
        self._history = history

    @property
    def alive(self) -> bool:
        """Whether its process runs, frozen or not."""
        return self.target.alive

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        return self.target.pid

    @property
    def process(self) -> Process:
        """If it is one of ours."""
        assert isinstance(self.target, Process)
        return self.target

    def start(self) -> None:
        """Start it; a server answers when this returns."""
        self.target.start()
        self.wanted = True
        self._note("start", pid=self.pid)

    def stop(self) -> int | None:
        """End it as an operator would; one of our processes gives its exit code."""
        self.wanted = False
        code = self.target.stop()
        self._note("stop", code=code)
        return code

    def kill(self) -> None:
        """End it at once, with all that it started."""
        self.wanted = self.frozen = False
        self._note("kill")
        self.target.kill()

    def freeze(self) -> None:
        """Keep it and its children from doing anything; their connections stay open."""
        self.frozen = True
        self._note("freeze")
        self.target.freeze()

    def thaw(self) -> None:
        """Let it go on."""
        self.frozen = False
        self._note("thaw")
        self.target.thaw()

    def kill_child(self, pid: int) -> None:
        """Kill one process of a worker's pool."""
        assert pid in self.process.children(), f"{pid} is no child of {self.name}"
        self._note("kill_child", pid=pid)
        os.kill(pid, signal.SIGKILL)

    def do(self, op: str, action: Callable[[], Any]) -> Any:
        """Something else that befalls it."""
        self._note(op)
        return action()

    def _note(self, op: str, **facts: Any) -> None:
        self._history.note(self.name, op, **facts)
