"""Says on what machine a benchmark ran, and keeps its figures as benchmarks/results/NAME.json."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import typer

from fourtower_encoders.runtimes import usable_cores

RESULTS = Path(__file__).parent / "results"
_LIBRARIES = ("torch", "onnxruntime", "pillow", "numpy")


def refuse_quick_results(*, quick: bool, docs: bool, out: Path) -> None:
    """What a quick run gives must not pass for a result.

    Raises:
        BadParameter: it would.
    """
    if quick and (docs or out == RESULTS):
        raise typer.BadParameter("--quick gives no result worth keeping: pass --out FOLDER, and no --write-docs.")


def describe_machine() -> dict[str, Any]:
    """Processor, memory, GPU and the versions that decide how fast things are."""
    return {
        "cpu": _cpu_model(),
        "cores": usable_cores(),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "gpu": _gpu_name(),
        "python": platform.python_version(),
        **{name: _version(name) for name in _LIBRARIES},
    }


def machine_sentence(machine: Mapping[str, Any]) -> str:
    """The machine in one line of prose."""
    versions = ", ".join(f"{name} {machine[name]}" for name in ("python", *_LIBRARIES) if machine[name])
    gpu = machine["gpu"] or "no GPU"
    cores = f"{machine['cores']} core{'' if machine['cores'] == 1 else 's'}"
    return f"{machine['cpu']}, {cores}, {machine['memory_gb']} GB, {gpu}; {versions}"


def write_result(
    name: str,
    *,
    figures: Mapping[str, float],
    targets: Mapping[str, float],
    command: str,
    settings: Mapping[str, Any],
    details: Mapping[str, Any] | None = None,
    folder: Path = RESULTS,
) -> dict[str, Any]:
    """Write a benchmark's figures with all that is needed to judge and repeat them; returns what was written."""
    result = {
        "figures": dict(figures),
        "targets": dict(targets),
        "machine": describe_machine(),
        "command": command,
        "settings": dict(settings),
        **({"details": dict(details)} if details else {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result


def rounded(details: Any) -> Any:
    """The same with four digits after the point, all the way down."""
    if isinstance(details, dict):
        return {name: rounded(value) for name, value in details.items()}
    if isinstance(details, list):
        return [rounded(value) for value in details]
    return round(details, 4) if isinstance(details, float) else details


def _cpu_model() -> str:
    """The processor's name where the system tells it, else its architecture."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _gpu_name() -> str | None:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
