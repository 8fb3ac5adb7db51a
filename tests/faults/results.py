"""Keeps what runs found in benchmarks/results, for `report` to write the document from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.machine import RESULTS, describe_machine
from tests.faults.report import write_document
from tests.faults.runner import Result


def keep_matrix(results: Sequence[Result], *, seed: int, whole: bool, folder: Path = RESULTS) -> None:
    """Keep a run of the matrix; of a part, only what was run is replaced."""
    path = folder / "faults.json"
    kept = {} if whole or not path.exists() else {each["name"]: each for each in _read(path)["scenarios"]}
    kept |= {result.name: _brief(result) for result in results}
    _write(path, {"command": f"make faults SEED={seed}", "scenarios": list(kept.values())})


def keep(name: str, found: Mapping[str, Any], *, folder: Path = RESULTS) -> None:
    """Keep what another command found."""
    _write(folder / f"{name}.json", found)


def _brief(result: Result) -> dict[str, Any]:
    """A result whose violations are a line each; `violations.txt` has the whole story."""
    brief = (replace(each, message=_last_line(each.message)) for each in result.violations)
    return replace(result, violations=tuple(brief)).to_dict()


def _last_line(message: str) -> str:
    """Of a traceback, what was raised; its other lines speak of folders on one machine."""
    if not message.startswith("Traceback"):
        return message
    return [line for line in message.splitlines() if line[:1].strip()][-1]


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _write(path: Path, found: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": describe_machine(), **found}, indent=2) + "\n", encoding="utf-8")
    write_document(path.parent)
