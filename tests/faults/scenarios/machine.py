"""What befalls the machine: the disk of the index is full, the clocks of our processes jump."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from tests.faults.metrics import total
from tests.faults.runner import Skipped
from tests.faults.scenario import Limits, Scenario, StageSettings
from tests.faults.stage import Stage
from tests.faults.traffic import new_products

from fourtower_search import SearchClient

DISK_MB = 200
BALLAST = "ballast"
STEP = timedelta(minutes=5)
SHIFTED_CLOCK = """
import os, sys, time
from pathlib import Path

SHIFT, LOOKED_EVERY_S = Path(os.environ["SHIFTED_CLOCK"]), 0.2
true_time, state = time.time, {"seconds": 0.0, "looked": 0.0}


def shifted_time():
    if sys._getframe(1).f_globals.get("__name__", "").startswith("grpc"):
        return true_time()
    now = time.monotonic()
    if now - state["looked"] > LOOKED_EVERY_S:
        state["seconds"], state["looked"] = float(SHIFT.read_text()), now
    return true_time() + state["seconds"]


time.time = shifted_time
time.time_ns = lambda: int(shifted_time() * 1e9)
"""
"""Comes before everything that a process of ours imports. Clocks that only measure time stay as they are, and so does
gRPC's: it hands its deadlines to C code, which would see them against the machine's clock."""


@contextmanager
def on_a_small_disk(stage: Stage) -> Iterator[Mapping[str, str]]:
    """Give Milvus Lite a file system of its own; `stage.extra` says why that could not be."""
    folder = stage.milvus_folder
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        stage.extra = f"a small disk can't be made: {error}"
        yield {}
        return
    if done.returncode:
        stage.extra = f"a small disk can't be made: {done.stderr.strip()}"
    try:
        yield {}
    finally:
        if not done.returncode:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def disk_is_full(stage: Stage) -> None:
    """Nothing can be written for a while; what is stored is still found, and what came meanwhile is written later."""
    if stage.extra:
        raise Skipped(stage.extra)
    stage.publish(stage.messages())
    stage.wait_until_committed(300)
    with SearchClient(stage.index, alias=stage.cluster.alias) as client:
        assert client.search("mug").hits
        ballast = stage.milvus_folder / BALLAST
        _fill(ballast)
        stage.publish(new_products(600, seed=stage.seed))
        stage.strike("the disk of the index is full")
        stage.pause(20)
        left = stage.left()
        stage.note("full", left=left, disk=os.statvfs(ballast).f_bavail)
        assert left > 0, "the disk was not full enough to matter"
        assert client.search("mug").hits, "what is stored is found all the same"
    ballast.unlink()
    stage.heal()
    stage.settle()


def _fill(ballast: Path) -> None:
    """Take all the room that there is."""
    with ballast.open("wb", buffering=0) as file:
        piece = bytes(2**20)
        while piece:
            try:
                file.write(piece)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                piece = piece[: len(piece) // 2]


@contextmanager
def with_a_clock_of_their_own(stage: Stage) -> Iterator[Mapping[str, str]]:
    """Have our processes add to their time of day what a file says; servers and the stage keep the machine's."""
    folder = stage.folder / "clock"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SHIFTED_CLOCK)
    _set_clock(stage, timedelta())
    yield {"PYTHONPATH": str(folder), "SHIFTED_CLOCK": str(_shift(stage))}


def clocks_jump(stage: Stage) -> None:
    """Five minutes ahead, then five minutes behind, then right again: nothing is given up or done twice for that."""
    stage.publish(stage.messages())
    stage.wait_until_committed(100)
    stage.publish_steadily(new_products(1_000, seed=stage.seed), per_s=25)
    stage.strike("clocks jump")
    for step in (STEP, -STEP, timedelta()):
        _set_clock(stage, step)
        stage.pause(3)
        stage.wait_for_progress(100)
        seen = _ahead(stage)
        stage.note("clock", step_s=step.total_seconds(), seen_s=seen)
        assert abs(seen - step.total_seconds()) < 60, f"a process's clock is {seen:.0f} s off, not {step}"
    stage.heal()
    stage.settle()
    figures = stage.metrics(stage.ingester)
    lost = total(figures, "fourtower_ingest_losses_total")
    again = total(figures, "fourtower_ingest_resubmissions_total")
    assert (lost, again) == (0, 0), f"{lost:g} attempts counted as lost and {again:g} were made again"


def _shift(stage: Stage) -> Path:
    return stage.folder / "clock" / "seconds"


def _set_clock(stage: Stage, step: timedelta) -> None:
    """So far ahead of the machine's; the file is never half written."""
    fresh = _shift(stage).with_suffix(".new")
    fresh.write_text(f"{step.total_seconds():.0f}")
    fresh.replace(_shift(stage))


def _ahead(stage: Stage) -> float:
    """By how many seconds the worker's log is ahead of the machine's time of day."""
    last = stage.worker.process.log.read_text(errors="replace").splitlines()[-1]
    shown = datetime.strptime(last.split()[0], "%H:%M:%S")
    now = datetime.strptime(time.strftime("%H:%M:%S"), "%H:%M:%S")
    seconds = (shown - now).total_seconds()
    return (seconds + 43_200) % 86_400 - 43_200  # midnight may lie between


SCENARIOS = [
    Scenario(
        "F20a",
        "The disk of the index is full",
        disk_is_full,
        setup=StageSettings(around=on_a_small_disk),
        limits=Limits(encodes=3.0),
    ),
    Scenario("F20b", "Clocks jump by five minutes", clocks_jump, setup=StageSettings(around=with_a_clock_of_their_own)),
]
