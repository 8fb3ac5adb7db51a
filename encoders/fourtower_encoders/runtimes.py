"""Chooses what runs a checkpoint's towers: PyTorch where there is a GPU, else ONNX Runtime."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from fourtower_encoders.checkpoint import IMAGE_GRAPH, TEXT_GRAPH, Checkpoint
from fourtower_encoders.config import ImageRole, TextRole
from fourtower_encoders.errors import InvalidConfig, MissingExtra

Array = NDArray[np.float32]
RuntimeName = Literal["auto", "onnx", "torch"]
Precision = Literal["auto", "fp32", "bf16"]


class Runtime(Protocol):
    """Towers that run; what they return has unit norm. Any call raises OutOfMemory where a batch is too big."""

    name: str

    def place(self, batch: NDArray[np.generic]) -> Any:
        """Bring a batch to where the towers are, ahead of its start; what is returned may be started in its stead."""
        ...

    def start_pixels(self, pixels: Any, role: ImageRole) -> Callable[[], Array]:
        """Begin to embed pixels [B, S, S, 3]; the returned function waits and gives [B, D]."""
        ...

    def start_ids(self, ids: Any, role: TextRole) -> Callable[[], Array]:
        """Begin to embed token ids [B, T]; the returned function waits and gives [B, D]."""
        ...


def open_runtime(
    checkpoint: Checkpoint, *, runtime: RuntimeName, device: str = "auto", precision: Precision = "auto"
) -> Runtime:
    """Load the towers into a runtime.

    Raises:
        InvalidConfig: the choice contradicts itself, or there is no such device.
        CheckpointError: the files of that runtime are missing or damaged.
        MissingExtra: torch is needed and not installed.
    """
    if _choose(checkpoint, runtime, device, precision) == "onnx":
        from fourtower_encoders.onnx_runtime import OnnxRuntime

        return OnnxRuntime(checkpoint)
    if find_spec("torch") is None:
        raise MissingExtra(
            "torch is not installed, and this way of running the towers needs it; run pip install 'fourtower[train]'."
        )
    from fourtower_encoders.torch_runtime import TorchRuntime

    return TorchRuntime(checkpoint, device=device, precision=precision)


def usable_cores() -> int:
    """How many cores this process may run on, which a container can limit."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _choose(checkpoint: Checkpoint, runtime: RuntimeName, device: str, precision: Precision) -> str:
    if runtime not in ("auto", "onnx", "torch"):
        raise InvalidConfig(f"'{runtime}' is not a runtime; use auto, onnx or torch.")
    if precision not in ("auto", "fp32", "bf16"):
        raise InvalidConfig(f"'{precision}' is not a precision; use auto, fp32 or bf16.")
    needs_torch = device not in ("auto", "cpu") or precision == "bf16"
    if runtime == "onnx" and needs_torch:
        raise InvalidConfig(
            f"The onnx runtime runs on the CPU in fp32, not on '{device}' in {precision}; use runtime='torch'."
        )
    if runtime != "auto":
        return runtime
    exported = checkpoint.has(IMAGE_GRAPH) and checkpoint.has(TEXT_GRAPH)
    if needs_torch or not exported or (device == "auto" and _gpu_usable()):
        return "torch"
    return "onnx"


def gpu_likely() -> bool:
    """Whether there is a driver of a GPU, and torch to use it; nothing heavy is imported to find out."""
    driver = any(Path(node).exists() for node in ("/dev/nvidiactl", "/dev/dxg")) or shutil.which("nvidia-smi")
    return bool(driver) and find_spec("torch") is not None


def _gpu_usable() -> bool:
    """Whether torch sees a GPU; torch, which is slow to import, is only asked where a driver is."""
    if not gpu_likely():
        return False
    import torch

    return torch.cuda.is_available()
