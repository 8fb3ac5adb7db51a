"""Notes by which children tell their parent that they started, and that they have loaded the model: small files.

A child that is killed leaves its note; the parent sees that nobody stands behind it, and removes it.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["loading", "ready"]


def note(folder: Path, state: State) -> None:
    """Say how this process is."""
    path = folder / f"{os.getpid()}.json"
    half = path.with_suffix(".half")
    half.write_text(json.dumps(state), encoding="utf-8")
    half.replace(path)


@dataclass(frozen=True, slots=True)
class Children:
    """How the children are."""

    ready: tuple[int, ...] = ()
    loading: tuple[int, ...] = ()
    respawns: int = 0
    """Since the worker started."""
    ever_ready: bool = False


class Nursery:
    """The parent's view; one thread looks.

    Args:
        folder: where children leave their notes.
        processes: how many there should be; each one beyond these took another one's place.
    """

    def __init__(self, folder: Path, processes: int) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._processes = processes
        self._seen = 0
        self._known: dict[int, State] = {}
        self._ever_ready = False

    def look(self) -> Children:
        """Read the notes, and remove those of children that are gone."""
        noted = {int(path.stem): _state(path) for path in self._folder.glob("*.json")}
        self._seen += len(noted.keys() - self._known.keys())
        self._known = {pid: state for pid, state in noted.items() if runs(pid)}
        for pid in noted.keys() - self._known.keys():
            (self._folder / f"{pid}.json").unlink(missing_ok=True)
        ready = tuple(sorted(pid for pid, state in self._known.items() if state == "ready"))
        self._ever_ready = self._ever_ready or bool(ready)
        loading = tuple(sorted(self._known.keys() - set(ready)))
        return Children(ready, loading, max(0, self._seen - self._processes), self._ever_ready)


def _state(path: Path) -> State:
    with suppress(OSError, ValueError):
        if json.loads(path.read_text(encoding="utf-8")) == "ready":
            return "ready"
    return "loading"


def runs(pid: int) -> bool:
    """Whether it runs; one that is dead and not yet collected by its parent does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return _takes_signals(pid)
    return stat.rpartition(")")[2].split()[0] != "Z"


def _takes_signals(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not Path("/proc/self").exists()
