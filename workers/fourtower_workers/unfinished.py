"""Notes which products a child is writing, so that whoever takes a dead child's place looks at them again.

A child that was frozen writes, when it wakes, what others have long replaced. Killed right then, for its time is up, it
leaves rows of old versions behind, and nobody is waiting any more to hear what became of its batch.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Collection
from contextlib import suppress
from itertools import count
from pathlib import Path

from fourtower_workers.presence import runs

log = logging.getLogger("fourtower.worker.unfinished")


class Unfinished:
    """The notes of all children of a worker; each child writes its own.

    Args:
        folder: where they lie; made here. Gone when the worker ends.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._numbers = count()

    def begin(self, product_ids: Collection[str]) -> Path:
        """These are about to be written; give what is returned to `end` when they have been checked."""
        note = self._folder / f"{os.getpid()}-{next(self._numbers)}.json"
        with suppress(OSError):  # a full disk must not stop the work; reconcile finds what would have been swept
            note.write_text(json.dumps(list(product_ids)), encoding="utf-8")
        return note

    def end(self, note: Path) -> None:
        """What was noted has been checked, or was never written."""
        with suppress(OSError):
            note.unlink(missing_ok=True)

    def left(self) -> set[str]:
        """Products that children noted which run no more; each is given once."""
        found: set[str] = set()
        for note in sorted(self._folder.glob("*.json")):
            pid = int(note.stem.partition("-")[0])
            if pid == os.getpid() or not runs(pid):
                found |= self._taken(note)
        return found

    def _taken(self, note: Path) -> set[str]:
        try:
            product_ids = set(json.loads(note.read_text(encoding="utf-8")))
            note.unlink()
        except (OSError, ValueError):  # another child took it, or its writer was killed while it wrote
            return set()
        return product_ids
