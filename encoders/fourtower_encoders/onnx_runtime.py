"""Runs exported towers with ONNX Runtime, on the CPU and without torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourtower_encoders.checkpoint import IMAGE_GRAPH, TEXT_GRAPH, Checkpoint
from fourtower_encoders.config import ImageRole, TextRole
from fourtower_encoders.errors import CheckpointError, OutOfMemory
from fourtower_encoders.runtimes import usable_cores

Array = NDArray[np.float32]
_NO_MEMORY = ("Failed to allocate memory", "bad_alloc", "bad allocation")


class OnnxRuntime:
    """Both graphs of a checkpoint; safe to use from several threads."""

    name = "onnx"

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Open the graphs.

        Raises:
            CheckpointError: a graph is missing or damaged.
        """
        self._image = open_session(checkpoint.file(IMAGE_GRAPH))
        self._text = open_session(checkpoint.file(TEXT_GRAPH))

    def place(self, batch: NDArray[np.generic]) -> NDArray[np.generic]:
        """Nothing needs to be moved."""
        return batch

    def start_pixels(self, pixels: NDArray[np.uint8], role: ImageRole) -> Callable[[], Array]:
        """Embed pixels [B, S, S, 3]; the returned function gives [B, D]."""
        output = _run(self._image, role, {"pixels": pixels})
        return lambda: output

    def start_ids(self, ids: NDArray[np.int64], role: TextRole) -> Callable[[], Array]:
        """Embed token ids [B, T]; the returned function gives [B, D]."""
        output = _run(self._text, role, {"ids": ids})
        return lambda: output


def _run(session: Any, role: str, inputs: dict[str, NDArray[Any]]) -> Array:
    try:
        output: Array = session.run([role], inputs)[0]
    except Exception as error:  # the library's errors share no class
        if not any(sign in str(error) for sign in _NO_MEMORY):
            raise
        size = len(next(iter(inputs.values())))
        raise OutOfMemory(f"There is no memory left for a batch of {size}; embed fewer at a time.") from error
    return output


def open_session(path: Path) -> Any:
    """Open one graph, with as many threads as this process may use."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    options.intra_op_num_threads = usable_cores()
    # Waiting threads that spin take the cores from the threads that decode pictures.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library's errors share no class
        raise CheckpointError(f"{path} can't be opened ({type(error).__name__}); export it again.") from error
