"""One long-lived stage with steady traffic, on which faults strike at random; everything is checked now and then."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from tests.faults import history
from tests.faults.checker import Violation, check
from tests.faults.final import Final, gather
from tests.faults.nemesis import DEEDS, Deed
from tests.faults.runner import figures_of, keep_traces, roll_call
from tests.faults.scenario import Limits, StageSettings
from tests.faults.stage import Stage
from tests.stream.generator import Message, messages

PER_S = 25
DAY = 1_500
"""Events of one day; each day has the same products, with higher versions."""
DAYS_APART = 100_000
CHECK_EVERY_S = 300.0
CALM_S = (3.0, 15.0)
"""Between two faults."""
RECOVERY_S = 90.0
LIMITS = Limits(
    repeated_letters=True, search_failures=1.0, encodes=1.5, redis_keys=250, recovery_s=RECOVERY_S, descriptors=400
)
SETTINGS = StageSettings(
    ingesters=2,
    workers=2,
    environment={
        "FOURTOWER_WORKER_TIME_LIMIT_S": "20",
        "FOURTOWER_FLOW_START_DEADLINE_S": "25",
        "FOURTOWER_FLOW_VERIFY_DEADLINE_S": "20",
        "FOURTOWER_FLOW_VISIBILITY_TIMEOUT_S": "30",
    },
)


@dataclass
class Soak:
    """What has happened so far."""

    seed: int
    minutes: float
    faults: list[dict[str, Any]] = field(default_factory=list)
    checks: int = 0
    violations: list[Violation] = field(default_factory=list)
    events: int = 0
    figures: dict[str, Any] = field(default_factory=dict)


def soak(*, minutes: float, seed: int, say: Callable[[str], None]) -> Soak:
    """Let faults strike for so long, or until something is wrong; the worst of it is kept in `runs/faults/soak`."""
    found = Soak(seed, minutes)
    place = Path(tempfile.mkdtemp(prefix="fourtower-soak-"))
    stage = Stage(place, SETTINGS, seed=seed)
    try:
        with stage:
            _go_on(stage, found, say)
    except Exception as error:
        found.violations.append(Violation("run", f"{type(error).__name__}: {error}"[:4_000]))
    found.events = stage.published
    if found.violations:
        keep_traces(place, "soak", found.violations)
    shutil.rmtree(place, ignore_errors=True)
    return found


def _go_on(stage: Stage, found: Soak, say: Callable[[str], None]) -> None:
    end, next_check = time.monotonic() + found.minutes * 60, time.monotonic() + CHECK_EVERY_S
    days = count()
    stage.publish_steadily(day(next(days), seed=stage.seed), per_s=PER_S)
    stage.wait_until_committed(1)
    while time.monotonic() < end and not found.violations:
        if not stage.publisher.busy:
            stage.publish_steadily(day(next(days), seed=stage.seed), per_s=PER_S)
        if time.monotonic() >= next_check:
            _look(stage, found, say)
            next_check = time.monotonic() + CHECK_EVERY_S
            continue
        _strike(stage, stage.chance.choice(DEEDS), found, say)
        stage.pause(stage.chance.uniform(*CALM_S))
    if not found.violations:
        _look(stage, found, say)


def _strike(stage: Stage, deed: Deed, found: Soak, say: Callable[[str], None]) -> None:
    stage.strike(deed.name)
    deed.do(stage)
    stage.heal()
    took = stage.recover(timeout_s=RECOVERY_S)
    found.faults.append({"fault": deed.name, "at": round(stage.history.now, 1), "recovered_s": round(took, 1)})
    say(f"{stage.history.now:6.0f} s  {deed.name}: recovered in {took:.1f} s")


def _look(stage: Stage, found: Soak, say: Callable[[str], None]) -> None:
    """Let the day end, wait until all is settled, and check everything since the beginning."""
    stage.settle(timeout_s=RECOVERY_S)
    roll_call(stage)
    final = gather(stage)
    operations = list(history.read(stage.history.path))
    found.checks += 1
    found.violations += check(operations, final, LIMITS)
    found.figures = _figures(operations, final)
    say(f"{stage.history.now:6.0f} s  checked {stage.published:,} events: {len(found.violations)} violations")


def _figures(operations: Sequence[history.Operation], final: Final) -> dict[str, Any]:
    figures = figures_of(operations, final)
    peaks = figures.pop("peak_mb")
    return figures | {f"{name}_peak_mb": mb for name, mb in peaks.items()}


def day(number: int, *, seed: int) -> list[Message]:
    """A day's events: of the same products as any other day, later; what is broken is broken under a new name."""
    return [_moved(message, number) for message in messages(DAY, seed=seed + number)]


def _moved(message: Message, number: int) -> Message:
    if (message.key or b"").startswith(b"p"):
        headers = tuple((name, _later(value, number)) for name, value in message.headers)
        return Message(message.key, message.value and _in_json(message.value, number), headers, message.plain)
    key, value = (part and part.replace(b"bad0", b"bad%dx0" % number) for part in (message.key, message.value))
    return Message(key, value, message.headers, message.plain)


def _later(version: bytes, number: int) -> bytes:
    return b"%d" % (int(version) + number * DAYS_APART)


def _in_json(value: bytes, number: int) -> bytes:
    assert isinstance(json.loads(value)["version"], int)
    return re.sub(rb'(?<="version": )\d+', lambda found: _later(found[0], number), value, count=1)
