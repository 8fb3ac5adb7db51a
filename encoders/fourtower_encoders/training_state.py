"""Saves and restores a run between two steps; a resumed run continues as if it had never stopped."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fourtower_encoders.errors import CheckpointError, TrainingStopped

STATE_FILE = "state.safetensors"
# Everything random is a function of (seed, step), so that weights, moments and the step are the whole state.


def save_state(
    folder: Path,
    *,
    step: int,
    modules: nn.Module,
    optimizer: torch.optim.Optimizer,
    extra: dict[str, Tensor],
    config: str,
) -> None:
    """Replace the saved state in one move; a failed write leaves the previous one usable.

    Raises:
        TrainingStopped: the disk refused it.
    """
    tensors = {f"module.{name}": value for name, value in modules.state_dict().items()}
    tensors |= {f"extra.{name}": value for name, value in extra.items()}
    for number, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in moments.items()}
    target = folder / STATE_FILE
    temporary = target.with_suffix(".partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        metadata = {"step": str(step), "config": config}
        save_file({name: value.detach().contiguous() for name, value in tensors.items()}, temporary, metadata)
        _flush(temporary)
        os.replace(temporary, target)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        kept = f"{target} still holds the previous state" if target.exists() else "nothing was saved yet"
        raise TrainingStopped(
            f"Could not save the state after step {step} to {folder} ({error}); {kept}. "
            f"Free some space there and continue with --resume."
        ) from error


def load_state(
    folder: Path, *, modules: nn.Module, optimizer: torch.optim.Optimizer, config: str
) -> tuple[int, dict[str, Tensor]]:
    """Restore modules and optimizer in place; return the number of finished steps and the extra tensors.

    Args:
        folder: where `save_state` put the state.
        modules: what `save_state` was given, freshly built.
        optimizer: its optimizer, freshly built.
        config: the settings as a JSON object; they must be those that were saved.

    Raises:
        CheckpointError: there is no state, it is damaged, or a run with other settings wrote it.
    """
    path = folder / STATE_FILE
    if not path.is_file():
        raise CheckpointError(f"{folder} holds no saved state to resume. Train without --resume first.")
    try:
        step, settings, parts = _read(path)
        changed = sorted(_differences(settings, json.loads(config)))
        if not changed:
            modules.load_state_dict(parts["module"])
            _restore_moments(optimizer, parts["optimizer"])
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} is damaged ({error}). Delete it and train anew.") from error
    if changed:
        raise CheckpointError(
            f"{path} belongs to a run with other settings ({', '.join(changed)}). Use those, or another --out."
        )
    return step, parts["extra"]


def _read(path: Path) -> tuple[int, dict[str, object], dict[str, dict[str, Tensor]]]:
    """The finished steps, the settings, and the tensors of each part by their names there."""
    metadata = _metadata(path)
    parts: dict[str, dict[str, Tensor]] = {"module": {}, "extra": {}, "optimizer": {}}
    for name, value in load_file(path).items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    return int(metadata["step"]), dict(json.loads(metadata["config"])), parts


def _flush(path: Path) -> None:
    """Have the disk hold what was written, before anything is replaced by it."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _restore_moments(optimizer: torch.optim.Optimizer, saved: dict[str, Tensor]) -> None:
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in saved.items():
        number, _, key = name.partition(".")
        moments.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    for parameter, restored in optimizer.state.items():
        for name, value in restored.items():
            if value.shape == parameter.shape:
                # The fused update walks through memory, so that moments must lie there as their parameter does.
                restored[name] = torch.empty_like(parameter).copy_(value)


def _metadata(path: Path) -> dict[str, str]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})


def _differences(old: object, new: object, name: str = "") -> set[str]:
    """Dotted names of the settings that are not equal."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return set() if old == new else {name}
    prefix = f"{name}." if name else ""
    return {
        found for key in old.keys() | new.keys() for found in _differences(old.get(key), new.get(key), prefix + key)
    }
