"""Why a training run ends early: turns what commonly goes wrong into a sentence that names the way on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from fourtower_encoders.errors import TrainingStopped
from fourtower_encoders.training_state import STATE_FILE


def finite(figures: Mapping[str, Tensor], step: int, *, kind: str = "loss term") -> dict[str, float]:
    """The figures as plain numbers.

    Raises:
        FloatingPointError: one of them is no number any more.
    """
    numbers = {name: value.item() for name, value in figures.items()}
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise FloatingPointError(f"the {kind} {name} became {value} by step {step}")
    return numbers


@contextmanager
def explained(out: Path | None, *, batch_size: int) -> Iterator[None]:
    """Turn figures that are no numbers, a full memory and a failing disk into `TrainingStopped`."""
    try:
        yield
    except FloatingPointError as error:
        raise TrainingStopped(f"Training stopped: {error}. Lower --learning-rate. {_usable(out)}") from error
    except OSError as error:
        raise TrainingStopped(f"Training stopped: {error}. Mend that, then --resume. {_usable(out)}") from error
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _out_of_memory(error):
            raise
        raise TrainingStopped(
            f"Out of memory with --batch-size {batch_size}; choose a smaller one. {_usable(out)}"
        ) from error


def _out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)


def _usable(out: Path | None) -> str:
    if out is not None and (out / STATE_FILE).exists():
        return f"The last usable state is {out / STATE_FILE}."
    return "No state was saved before it."
