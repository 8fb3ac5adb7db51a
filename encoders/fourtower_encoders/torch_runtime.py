"""Runs the towers with PyTorch, on the CPU or a GPU."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fourtower_encoders.checkpoint import Checkpoint, load_model
from fourtower_encoders.config import ImageRole, TextRole
from fourtower_encoders.errors import InvalidConfig, OutOfMemory
from fourtower_encoders.runtimes import Precision

Array = NDArray[np.float32]


class TorchRuntime:
    """The towers of a checkpoint on one device; safe to use from several threads."""

    name = "torch"

    def __init__(self, checkpoint: Checkpoint, *, device: str = "auto", precision: Precision = "auto") -> None:
        """Load the towers.

        Args:
            checkpoint: the towers.
            device: `auto` takes a GPU where there is one.
            precision: `auto` computes in bf16 on a GPU, else in fp32.

        Raises:
            CheckpointError: the weights are missing or damaged.
            InvalidConfig: there is no such device.
        """
        self._device = find_device(device)
        self._on_gpu = self._device.type == "cuda"
        self._half = precision == "bf16" or (precision == "auto" and self._on_gpu)
        self._model = load_model(checkpoint.folder).to(self._device)
        self._model = self._model.to(memory_format=torch.channels_last)

    def place(self, batch: NDArray[np.generic]) -> Tensor:
        """Copy a batch to the device; on a GPU the copy runs while this thread goes on."""
        tensor = torch.from_numpy(batch)
        if not self._on_gpu:
            return tensor
        with _translated(len(batch)):
            return tensor.pin_memory().to(self._device, non_blocking=True)

    def start_pixels(self, pixels: NDArray[np.uint8] | Tensor, role: ImageRole) -> Callable[[], Array]:
        """Begin to embed pixels [B, S, S, 3]; the returned function waits and gives [B, D]."""
        return self._start(pixels, lambda moved: self._model.embed_image(moved, role))

    def start_ids(self, ids: NDArray[np.int64] | Tensor, role: TextRole) -> Callable[[], Array]:
        """Begin to embed token ids [B, T]; the returned function waits and gives [B, D]."""
        return self._start(ids, lambda moved: self._model.embed_text(moved, role))

    @torch.inference_mode()
    def _start(self, batch: NDArray[np.generic] | Tensor, embed: Callable[[Tensor], Tensor]) -> Callable[[], Array]:
        tensor = batch if isinstance(batch, Tensor) else self.place(batch)
        with _translated(len(batch)), torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._half):
            output = embed(tensor)
        # On a GPU nothing has waited so far; the copy back is what waits.
        return lambda: _to_numpy(output)


def _to_numpy(output: Tensor) -> Array:
    with _translated(len(output)):
        array: Array = output.float().cpu().numpy()
    return array


@contextmanager
def _translated(size: int) -> Iterator[None]:
    """Say that memory ran out in our own words, and give back what the failed attempt still holds."""
    try:
        yield
    except RuntimeError as error:  # the root of OutOfMemoryError; on the CPU only the text tells
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        traceback.clear_frames(error.__traceback__)  # they refer to the layers' outputs
        torch.cuda.empty_cache()
        raise OutOfMemory(f"There is no memory left for a batch of {size}; embed fewer at a time.") from error


def find_device(name: str) -> torch.device:
    """The device of a name; `auto` takes a GPU where there is one.

    Raises:
        InvalidConfig: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InvalidConfig(f"'{name}' is not a device; use auto, cpu, cuda or cuda:0.") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InvalidConfig(
            f"There is no device '{name}' (torch sees {torch.cuda.device_count()} GPUs); use auto or cpu."
        )
    return device
