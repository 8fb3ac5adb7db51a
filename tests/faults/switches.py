"""Guards that can be switched off in our processes: named in the environment, patched before anything else runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.faults.stage import Stage

VARIABLE = "FAULT_SWITCH"
ROOT = Path(__file__).parents[2]
AT_START = (
    f"import os, sys\nsys.path.append({str(ROOT)!r})\nfrom tests.faults.switches import switch_off\nswitch_off()\n"
)


def commit_what_was_read() -> None:
    """Offsets are committed although records below them are owed an effect."""
    from fourtower_ingest.flow.tracker import Tracker

    Tracker.next_offset = lambda self, position=None: position or self.beyond_last


def leave_old_rows() -> None:
    """Rows of older versions stay."""
    from fourtower_search.index import verifier

    verifier.outdated = lambda stored: []


def done_when_written() -> None:
    """A batch is reported done when its rows are written, before they are checked."""
    from fourtower_workers.indexing import Indexer
    from fourtower_workers.outcomes import Indexing

    submit = Indexer.submit

    def submitted(self: Any, prepared: Any) -> Indexing:
        written = submit(self, prepared).written
        return Indexing(written, written)

    Indexer.submit = submitted


def ignore_the_counter() -> None:
    """Nobody notices that Redis has forgotten everything."""
    from fourtower_ingest.hearing import Hearing

    check = Hearing._check

    def checked(self: Any, now: float) -> Any:
        self._epoch = 0
        return check(self, now)

    Hearing._check = checked


def report_no_losses() -> None:
    """A worker does not say that a child died of a batch."""
    from fourtower_workers.losses import Losses

    Losses.watch = lambda self: None


def forget_what_was_being_written() -> None:
    """Who takes a dead child's place does not look at what that was writing."""
    from fourtower_workers.unfinished import Unfinished

    Unfinished.left = lambda self: set()


SWITCHES: Mapping[str, Callable[[], None]] = {
    each.__name__: each
    for each in (
        commit_what_was_read,
        leave_old_rows,
        done_when_written,
        ignore_the_counter,
        report_no_losses,
        forget_what_was_being_written,
    )
}


def switch_off() -> None:
    """Switch off the guard that the environment names; called at the start of a process."""
    SWITCHES[os.environ[VARIABLE]]()


@contextmanager
def without(name: str, stage: Stage) -> Iterator[Mapping[str, str]]:
    """The environment of processes in which a guard is switched off."""
    folder = stage.folder / "switch"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(AT_START)
    others = stage.cluster.env.get("PYTHONPATH", "")
    yield {"PYTHONPATH": f"{folder}{os.pathsep}{others}", VARIABLE: name}
