"""Plays scenarios one by one, judges each, and keeps what is needed to understand a failure."""

from __future__ import annotations

import shutil
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.faults import history
from tests.faults.checker import Case, Violation, check, encodes_per_named
from tests.faults.final import Final, gather
from tests.faults.history import Operation
from tests.faults.scenario import Limits, Scenario
from tests.faults.stage import Stage
from tests.services.kafka import KafkaBroker

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "runs" / "faults"


@dataclass(frozen=True)
class Result:
    """What became of one scenario."""

    name: str
    title: str
    seed: int
    events: int = 0
    seconds: float = 0.0
    recovered_s: float | None = None
    violations: tuple[Violation, ...] = ()
    skipped: str = ""
    """Why it did not run."""
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether it ran, and nothing was wrong."""
        return not self.violations and not self.skipped

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


class Skipped(Exception):
    """A scenario can't be played on this machine; the text says why."""


def play(
    scenario: Scenario, *, seed: int, broker: KafkaBroker | None = None, folder: Path | None = None, keep: bool = True
) -> Result:
    """Play a scenario and judge it; what it leaves is kept under `runs/faults` if something was wrong."""
    place = Path(tempfile.mkdtemp(prefix="fourtower-faults-")) if folder is None else folder
    began = time.monotonic()
    stage = Stage(place, scenario.setup, seed=seed, events=scenario.events, broker=broker)
    final, trouble, skipped = Final(), [], ""
    try:
        with stage:
            trouble, skipped = _run(scenario, stage)
            if not skipped:
                roll_call(stage)
                final = gather(stage)
    except Exception:
        trouble.append(Violation("run", traceback.format_exc(limit=-4)))
    operations = list(history.read(stage.history.path))
    if not skipped and not any(each.invariant == "run" for each in trouble):
        trouble += check(operations, final, scenario.limits)
    result = Result(
        scenario.name,
        scenario.title,
        seed,
        events=stage.published,
        seconds=round(time.monotonic() - began, 1),
        recovered_s=None if stage.recovered_s is None else round(stage.recovered_s, 1),
        violations=tuple(trouble),
        skipped=skipped,
        figures=figures_of(operations, final),
    )
    if trouble and keep:
        keep_traces(place, scenario.name, trouble)
    if folder is None:
        shutil.rmtree(place, ignore_errors=True)
    return result


def _run(scenario: Scenario, stage: Stage) -> tuple[list[Violation], str]:
    """Do the damage; what is wrong afterwards is found out even if the scenario's own check failed."""
    try:
        scenario.run(stage)
    except Skipped as reason:
        return [], str(reason)
    except Exception:
        return [Violation("scenario", traceback.format_exc(limit=-3))], ""
    return [], ""


def roll_call(stage: Stage) -> None:
    """Note who should run and does not."""
    missing = [actor.name for actor in stage.actors if actor.wanted and not actor.alive]
    stage.note("roll call", missing=missing)


def figures_of(operations: Sequence[Operation], final: Final) -> dict[str, Any]:
    """What a report says beside the verdict."""
    case = Case(operations, final, Limits())
    searches = case.operations("search")
    milliseconds = sorted(search.facts["ms"] for search in searches if search.facts["ok"])
    peaks: dict[str, float] = {}
    for shot in case.operations("footprints"):
        for name, each in shot.facts["processes"].items():
            kind = name.partition("-")[0]
            peaks[kind] = max(peaks.get(kind, 0.0), each["mb"])
    return {
        "products": sum(not held.deleted for held in final.held.values()),
        "dead_letters": len(set(final.letters)),
        "strong_reads": len(case.operations("sample")),
        "searches": len(searches),
        "searches_failed": sum(not search.facts["ok"] for search in searches),
        "search_p95_ms": milliseconds[int(0.95 * (len(milliseconds) - 1))] if milliseconds else None,
        "encodes_per_named": round(encodes_per_named(case), 3) if final.log else None,
        "peak_mb": {name: round(mb) for name, mb in sorted(peaks.items())},
    }


def keep_traces(place: Path, name: str, trouble: Sequence[Violation]) -> None:
    """Copy history and logs, not the servers' data."""
    kept = KEPT / name
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for path in _worth_keeping(place):
        shutil.copy(path, kept / f"{path.parent.name}-{path.name}")
    text = "\n\n".join(f"{violation.invariant}: {violation.message}" for violation in trouble)
    (kept / "violations.txt").write_text(text + "\n", encoding="utf-8")


def _worth_keeping(place: Path) -> Iterator[Path]:
    yield from place.glob("*.log")
    yield from place.glob("*.jsonl")
    yield from place.glob("*/*/server.log")
