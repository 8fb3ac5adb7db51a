"""The checkpoint folder: what is in it, how it is read, and that damage never goes unnoticed.

config.json         the towers' configuration
model.safetensors   their weights, the role means included
tokenizer.json      where the text network has one
image.onnx, text.onnx
query.json          the numbers fitted after training; may be replaced without touching the towers
model.json          the model's id, and the size and SHA-256 of each file above but query.json
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from fourtower_encoders.config import SCHEMA_VERSION, Frozen, TowerConfig
from fourtower_encoders.errors import CheckpointError, MissingExtra
from fourtower_encoders.joint import QueryParams
from fourtower_encoders.tokens import Tokenizer, build_tokenizer

if TYPE_CHECKING:
    from fourtower_encoders.model import FourTower

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
IMAGE_GRAPH, TEXT_GRAPH = "image.onnx", "text.onnx"
PARAMS, IDENTITY = "query.json", "model.json"

RUN_CHECKPOINT = "checkpoint"
"""Where a training run leaves its towers, below its own folder."""
DEMO = Path(__file__).parent / "demo"
"""The small checkpoint that ships with the package; it was trained on drawings."""

Parsed = TypeVar("Parsed", bound=BaseModel)


class FileRecord(Frozen):
    """What a file of a checkpoint must look like."""

    bytes: int
    sha256: str


class Identity(Frozen):
    """Who a checkpoint is: `model.json`."""

    schema_version: Literal[1] = 1
    model_id: str
    """Short hash of all that determines what the towers say; `query.json` has no part in it."""
    library_version: str
    files: dict[str, FileRecord]
    provenance: dict[str, Any] = Field(default_factory=dict)
    """How the towers came to be: data, steps, seeds, losses."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint folder whose small files are read and whose big ones are not yet."""

    folder: Path
    config: TowerConfig
    params: QueryParams
    identity: Identity

    @property
    def model_id(self) -> str:
        """Short hash of all that determines what the towers say."""
        return self.identity.model_id

    def has(self, name: str) -> bool:
        """Whether the checkpoint was saved with this file."""
        return name in self.identity.files

    def file(self, name: str) -> Path:
        """Path of a file whose content was just compared with its record.

        Raises:
            CheckpointError: the file is missing or isn't the one that was saved.
        """
        record = self.identity.files.get(name)
        path = self.folder / name
        if record is None or not path.is_file():
            raise CheckpointError(f"{self.folder} lacks {name}; copy the checkpoint again, with all its files.")
        if path.stat().st_size != record.bytes or _sha256(path) != record.sha256:
            raise CheckpointError(f"{path} is not the file that was saved; copy the checkpoint again.")
        return path

    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the text network."""
        return build_tokenizer(self.config.text, self.file(TOKENIZER) if self.has(TOKENIZER) else None)


def locate(source: str | Path) -> Path:
    """The folder that a user means: `demo` is the shipped model, else a checkpoint or the run that made one."""
    if source == "demo":
        return DEMO
    folder = Path(source)
    made = folder / RUN_CHECKPOINT
    return made if not is_checkpoint(folder) and is_checkpoint(made) else folder


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint's small files; neither torch nor weights are loaded.

    Raises:
        CheckpointError: the folder is damaged, foreign or too new.
    """
    _check_ours(folder)
    identity = _parse(folder / IDENTITY, Identity)
    recorded = Checkpoint(folder, TowerConfig(), QueryParams(), identity)
    config = _parse(recorded.file(CONFIG), TowerConfig)
    return Checkpoint(folder, config, _parse(folder / PARAMS, QueryParams), identity)


def load_model(folder: Path) -> FourTower:
    """Load the towers in PyTorch, on the CPU, ready for inference.

    Raises:
        CheckpointError: the folder is damaged, foreign or too new.
        MissingExtra: torch is not installed.
    """
    checkpoint = read_checkpoint(folder)
    try:
        from fourtower_encoders.model import FourTower
        from fourtower_encoders.weights import read_weights
    except ImportError as error:
        raise MissingExtra(
            "torch is not installed, and this way of running the towers needs it; run pip install 'fourtower[train]'."
        ) from error
    model = FourTower(checkpoint.config, pretrained=False)
    read_weights(model, checkpoint.file(WEIGHTS))
    return model.eval()


def record_of(path: Path) -> FileRecord:
    """Size and digest of a file as it is now."""
    return FileRecord(bytes=path.stat().st_size, sha256=_sha256(path))


def is_checkpoint(folder: Path) -> bool:
    """Whether a folder looks like one of our checkpoints."""
    return (folder / CONFIG).is_file() and (folder / IDENTITY).is_file()


def _check_ours(folder: Path) -> None:
    if not folder.is_dir():
        raise CheckpointError(f"There is no checkpoint folder {folder}; correct the path.")
    if is_checkpoint(folder):
        return
    missing = IDENTITY if (folder / CONFIG).is_file() else CONFIG
    if "model_type" in _keys(folder / CONFIG):
        raise CheckpointError(
            f"{folder} is a transformers model; turn it into a Fourtower checkpoint with 'fourtower model import'."
        )
    raise CheckpointError(f"{folder} is not a Fourtower checkpoint: it has no {missing}; correct the path.")


def _keys(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _parse(path: Path, kind: type[Parsed]) -> Parsed:
    version = _keys(path).get("schema_version", SCHEMA_VERSION)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise CheckpointError(
            f"{path} was written by a newer Fourtower (schema {version}, this one reads {SCHEMA_VERSION}); "
            "upgrade Fourtower."
        )
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"{path} can't be read ({error.strerror}); copy the checkpoint again.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise CheckpointError(f"{path} is damaged: {where}: {first['msg']}; copy the checkpoint again.") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
