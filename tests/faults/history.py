"""What happened, one JSON line per operation: when, who, what, and facts; written by everybody, judged by `checker`."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Operation:
    """One line."""

    at: float
    """Seconds since the stage was opened."""
    actor: str
    op: str
    facts: dict[str, Any] = field(default_factory=dict)


class History:
    """An open file of operations; threads may share it.

    Args:
        path: where to; other processes may append to it as well.
        origin: the moment from which seconds count, on the machine's monotonic clock, which all processes share.
    """

    def __init__(self, path: Path, *, origin: float | None = None) -> None:
        self.path = path
        self.origin = time.monotonic() if origin is None else origin
        self._lock = threading.Lock()
        self._file = path.open("a", encoding="utf-8")

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.origin

    def note(self, actor: str, op: str, **facts: Any) -> None:
        """Write a line; it is in the file when this returns."""
        line = json.dumps({"at": round(self.now, 3), "actor": actor, "op": op, **facts}, default=str)
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()

    def close(self) -> None:
        """Write no more."""
        self._file.close()


def read(path: Path) -> Iterator[Operation]:
    """All operations in the order of their times; a last line that was cut off by a kill is left out."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            facts = json.loads(line)
        except json.JSONDecodeError:
            continue
        found.append(Operation(facts.pop("at"), facts.pop("actor"), facts.pop("op"), facts))
    yield from sorted(found, key=lambda operation: operation.at)
