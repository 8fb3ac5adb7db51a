"""Writes checkpoint folders; an interrupted save leaves the old checkpoint or none, never half of one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from fourtower_encoders.backends import resolve
from fourtower_encoders.checkpoint import (
    CONFIG,
    IDENTITY,
    IMAGE_GRAPH,
    PARAMS,
    TEXT_GRAPH,
    TOKENIZER,
    WEIGHTS,
    Checkpoint,
    FileRecord,
    Identity,
    is_checkpoint,
    read_checkpoint,
    record_of,
)
from fourtower_encoders.config import HashedText, TowerConfig
from fourtower_encoders.errors import CheckpointError
from fourtower_encoders.export import export_onnx
from fourtower_encoders.joint import QueryParams
from fourtower_encoders.model import FourTower
from fourtower_encoders.release import own_version
from fourtower_encoders.weights import Precision, digest, read_weights, write_weights


def save_checkpoint(
    folder: Path,
    model: FourTower,
    params: QueryParams,
    *,
    tokenizer_file: Path | None = None,
    provenance: Mapping[str, Any] | None = None,
    precision: Precision = "float32",
    onnx: bool = True,
) -> Checkpoint:
    """Save towers as a checkpoint folder, replacing a checkpoint that is there.

    Args:
        folder: where to; other folders than checkpoints are never replaced, unless empty.
        model: the towers.
        params: the query numbers that go with them.
        tokenizer_file: the `tokenizer.json` of the text network, where it has one.
        provenance: how the towers came to be, plain JSON values.
        precision: `float16` halves the file; the towers then are exactly those of the rounded weights.
        onnx: also write the graphs that run without torch.

    Raises:
        CheckpointError: the folder holds something else, or the tokenizer is missing.
    """
    config = _self_contained(resolve(model.config))
    check_target(folder)
    if tokenizer_file is None and not isinstance(config.text, HashedText):
        raise CheckpointError(f"The text network '{config.text.kind}' needs a tokenizer_file to be saved with it.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        _write_towers(draft, model, config, tokenizer_file, precision=precision, onnx=onnx)
        write_params(draft, params)
        _write_identity(draft, config, dict(provenance or {}))
        draft.chmod(0o755)
        _swap(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return read_checkpoint(folder)


def write_params(folder: Path, params: QueryParams) -> None:
    """Replace a checkpoint's `query.json`; its towers and its model id stay the same."""
    draft = folder / f".{PARAMS}.draft"
    _write_text(draft, params.model_dump_json(indent=2))
    draft.replace(folder / PARAMS)


def _write_towers(
    draft: Path,
    model: FourTower,
    config: TowerConfig,
    tokenizer_file: Path | None,
    *,
    precision: Precision,
    onnx: bool,
) -> None:
    _write_text(draft / CONFIG, config.model_dump_json(indent=2))
    write_weights(model, draft / WEIGHTS, precision=precision)
    if tokenizer_file is not None:
        shutil.copyfile(tokenizer_file, draft / TOKENIZER)
    if onnx:
        export_onnx(_reload(draft, config), draft)


def _reload(draft: Path, config: TowerConfig) -> FourTower:
    """The towers as a reader will see them: rounded, and rebuilt from the configuration alone."""
    model = FourTower(config, pretrained=False)
    read_weights(model, draft / WEIGHTS)
    return model.eval()


def _write_identity(draft: Path, config: TowerConfig, provenance: dict[str, Any]) -> None:
    names = [CONFIG, WEIGHTS, TOKENIZER, IMAGE_GRAPH, TEXT_GRAPH]
    files = {name: record_of(draft / name) for name in names if (draft / name).exists()}
    identity = Identity(
        model_id=_model_id(config, digest(_reload(draft, config)), files.get(TOKENIZER)),
        library_version=own_version(),
        files=files,
        provenance=provenance,
    )
    _write_text(draft / IDENTITY, identity.model_dump_json(indent=2))


def _self_contained(config: TowerConfig) -> TowerConfig:
    """Forget where weights once came from: it says nothing about what the towers are."""
    origin = {"source": "", "pretrained": False, "weights": None}
    halves = {}
    for name, half in (("image", config.image), ("text", config.text)):
        known = {key: value for key, value in origin.items() if key in type(half).model_fields}
        halves[name] = half.model_copy(update=known)
    return config.model_copy(update=halves)


def _model_id(config: TowerConfig, weights: str, tokenizer: FileRecord | None) -> str:
    parts = [config.model_dump(mode="json"), weights, tokenizer.sha256 if tokenizer else None]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def check_target(folder: Path) -> None:
    """Make sure that a save may replace the folder.

    Raises:
        CheckpointError: it holds something else than a checkpoint.
    """
    if folder.exists() and not is_checkpoint(folder) and not (folder.is_dir() and not any(folder.iterdir())):
        raise CheckpointError(f"{folder} exists and is not a checkpoint; it is not replaced, choose another path.")


def _swap(draft: Path, folder: Path) -> None:
    """Put the finished draft in place of the folder."""
    if not folder.exists():
        draft.rename(folder)
        return
    old = Path(mkdtemp(dir=folder.parent, prefix=f".{folder.name}-old-"))
    folder.rename(old)  # over an empty folder, which rename replaces
    draft.rename(folder)
    shutil.rmtree(old)


def _write_text(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
