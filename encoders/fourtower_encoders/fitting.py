"""Saves towers fitted on data: role means in the towers, weights, κ and calibration in `query.json`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from fourtower_encoders.checkpoint import Checkpoint
from fourtower_encoders.config import ROLES, Role
from fourtower_encoders.embedder import Embedder
from fourtower_encoders.fit_data import embed_fit_data
from fourtower_encoders.joint import Array, QueryParams
from fourtower_encoders.manifest import Dataset
from fourtower_encoders.model import FourTower
from fourtower_encoders.query_fit import fit
from fourtower_encoders.saving import save_checkpoint
from fourtower_encoders.weights import Precision


def save_fitted(
    folder: Path,
    model: FourTower,
    train: Dataset,
    val: Dataset,
    *,
    tokenizer_file: Path | None = None,
    provenance: Mapping[str, Any] | None = None,
    device: str = "auto",
    precision: Precision = "float32",
) -> Checkpoint:
    """Save towers with ONNX graphs, fitted; until that is done `folder` holds what it held before.

    Means come from the training split, everything else from the validation split.
    """
    files: dict[str, Any] = {"tokenizer_file": tokenizer_file, "precision": precision}
    set_means(model, {})
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-unfitted-") as scratch:
        plain_towers = save_checkpoint(Path(scratch) / "plain", model, QueryParams(), onnx=False, **files)
        with Embedder.load(plain_towers.folder, runtime="torch", device=device) as plain:
            means, params = fit(embed_fit_data(plain, train), embed_fit_data(plain, val))
    set_means(model, means)
    return save_checkpoint(folder, model, params, provenance=provenance, **files)


def set_means(model: FourTower, means: Mapping[Role, Array]) -> None:
    """Centre the towers on these means [D] by role; a role that is not named is not centred."""
    for role in ROLES:
        buffer: torch.Tensor = getattr(model, f"mean_{role}")
        buffer.copy_(torch.from_numpy(means[role]) if role in means else torch.zeros_like(buffer))
