"""Fits a saved checkpoint on data: role means into its towers, weights, κ and calibration into `query.json`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from fourtower_encoders.checkpoint import TOKENIZER, Checkpoint, load_model, read_checkpoint
from fourtower_encoders.config import ROLES, Role
from fourtower_encoders.embedder import Embedder
from fourtower_encoders.fit_data import embed_fit_data
from fourtower_encoders.joint import Array, QueryParams
from fourtower_encoders.manifest import Dataset
from fourtower_encoders.model import FourTower
from fourtower_encoders.query_fit import fit
from fourtower_encoders.saving import save_checkpoint
from fourtower_encoders.weights import Precision


def fit_checkpoint(
    folder: Path,
    train: Dataset,
    val: Dataset,
    *,
    device: str = "auto",
    precision: Precision = "float32",
    provenance: Mapping[str, Any] | None = None,
) -> Checkpoint:
    """Replace a checkpoint by its fitted self, with ONNX graphs.

    Means come from the training split, everything else from the validation split.
    """
    checkpoint = read_checkpoint(folder)
    tokenizer_file = checkpoint.file(TOKENIZER) if checkpoint.has(TOKENIZER) else None
    kept = dict(checkpoint.identity.provenance) | dict(provenance or {})
    model = load_model(folder)
    set_means(model, {})
    again = partial(save_checkpoint, folder, model, tokenizer_file=tokenizer_file, provenance=kept, precision=precision)
    again(QueryParams(), onnx=False)
    with Embedder.load(folder, runtime="torch", device=device) as plain:
        means, params = fit(embed_fit_data(plain, train), embed_fit_data(plain, val))
    set_means(model, means)
    return again(params)


def set_means(model: FourTower, means: Mapping[Role, Array]) -> None:
    """Centre the towers on these means [D] by role; a role that is not named is not centred."""
    for role in ROLES:
        buffer: torch.Tensor = getattr(model, f"mean_{role}")
        buffer.copy_(torch.from_numpy(means[role]) if role in means else torch.zeros_like(buffer))
