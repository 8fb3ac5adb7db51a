"""Network weights on disk: safetensors in single or half precision, and a digest of their values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from fourtower_encoders.errors import CheckpointError

Precision = Literal["float32", "float16"]

_LARGEST_HALF = 65504.0


def write_weights(model: nn.Module, path: Path, *, precision: Precision = "float32") -> None:
    """Write all parameters and buffers of `model`."""
    from safetensors.torch import save_file

    # Copies: safetensors refuses tensors that share memory.
    tensors = {name: _stored(tensor, precision) for name, tensor in model.state_dict().items()}
    save_file(tensors, str(path), metadata={"format": "pt"})
    path.chmod(0o644)  # the library lets only the owner read; a service often runs as somebody else


def read_weights(model: nn.Module, path: Path) -> None:
    """Fill `model` with the weights of a file.

    Raises:
        CheckpointError: the file can't be read, or belongs to other towers.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(str(path))
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); copy the checkpoint again.") from error
    wrong = _first_difference(model.state_dict(), tensors)
    if wrong:
        raise CheckpointError(f"{path} doesn't fit the towers of its config.json: {wrong}; use matching files.")
    model.load_state_dict(tensors)  # copies into the model's float32 tensors


def digest(model: nn.Module) -> str:
    """SHA-256 over names, shapes and values of all parameters and buffers."""
    hashed = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        hashed.update(f"{name} {tuple(tensor.shape)}\n".encode())
        hashed.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return hashed.hexdigest()


def _stored(tensor: Tensor, precision: Precision) -> Tensor:
    copy = tensor.detach().to("cpu", copy=True).contiguous()
    if precision == "float32" or not copy.is_floating_point():
        return copy
    # A running variance can leave the range of half precision; such a tensor stays as it is.
    return copy.half() if bool((copy.abs() <= _LARGEST_HALF).all()) else copy


def _first_difference(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    for name in sorted(wanted.keys() | found.keys()):
        if name not in found:
            return f"{name} is missing"
        if name not in wanted:
            return f"{name} is unknown"
        if wanted[name].shape != found[name].shape:
            return f"{name} has shape {tuple(found[name].shape)} instead of {tuple(wanted[name].shape)}"
    return ""
