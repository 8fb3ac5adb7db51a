"""Turns a CLIP or SigLIP checkpoint of transformers into a Fourtower checkpoint."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple, cast

from fourtower_encoders.backends import resolve
from fourtower_encoders.backends.resolve import published_preprocess
from fourtower_encoders.backends.source import read_config, read_tokenizer
from fourtower_encoders.checkpoint import TOKENIZER, Checkpoint
from fourtower_encoders.config import TowerConfig, TransformersText, VisionTransformer
from fourtower_encoders.errors import InvalidConfig
from fourtower_encoders.fitting import save_fitted
from fourtower_encoders.joint import QueryParams
from fourtower_encoders.manifest import load_dataset
from fourtower_encoders.model import FourTower
from fourtower_encoders.saving import check_target, save_checkpoint
from fourtower_encoders.weights import Precision


class Imported(NamedTuple):
    """Towers made from somebody else's checkpoint, not saved yet."""

    model: FourTower
    tokenizer_json: str
    family: str


def import_model(source: Path, out: Path, *, fit: Path | None = None, precision: Precision = "float32") -> Checkpoint:
    """Make a Fourtower checkpoint that embeds exactly as the given model does.

    Args:
        source: a CLIP or SigLIP model in a local folder, as transformers saves it.
        out: where to put the checkpoint.
        fit: a data folder; role means are fitted on its split `train`, query numbers on `val`. Without it
            the means are zero and the numbers are the stated defaults, marked as not fitted.
        precision: how weights are stored.

    Raises:
        InvalidConfig: the folder holds another kind of model, or one whose pictures are prepared in a way
            that can't be reproduced.
    """
    check_target(out)
    splits = [load_dataset(fit, split) for split in ("train", "val")] if fit else []
    imported = read_model(source)
    origin: dict[str, Any] = {"imported": {"family": imported.family, "name": source.resolve().name}}
    with TemporaryDirectory() as scratch:
        tokenizer_file = Path(scratch) / TOKENIZER
        tokenizer_file.write_text(imported.tokenizer_json, "utf-8")
        files: dict[str, Any] = {"tokenizer_file": tokenizer_file, "precision": precision}
        if fit is None:
            return save_checkpoint(out, imported.model, QueryParams(), provenance=origin, **files)
        origin["fitted_on"] = fit.resolve().name
        return save_fitted(out, imported.model, *splits, provenance=origin, **files)


def read_model(source: Path) -> Imported:
    """Read towers with their weights; nothing is written.

    Raises:
        InvalidConfig: see `import_model`.
    """
    if not source.is_dir():
        raise InvalidConfig(f"There is no folder {source}; pass a folder with a CLIP or SigLIP model.")
    described = read_config(str(source))
    if described.model_type not in ("clip", "siglip"):
        raise InvalidConfig(
            f"{source} holds a '{described.model_type}' model; only clip and siglip can be imported whole."
        )
    config = resolve(_tower_config(str(source), described))
    return Imported(FourTower(config).eval(), read_tokenizer(str(source)).text, described.model_type)


def _tower_config(source: str, described: Any) -> TowerConfig:
    family = cast(Literal["clip", "siglip"], described.model_type)
    text_kind = cast(Literal["clip-text", "siglip-text"], f"{family}-text")
    image = VisionTransformer(kind=family, source=source)
    length = described.text_config.max_position_embeddings
    dim = described.projection_dim if family == "clip" else described.vision_config.hidden_size
    return TowerConfig(
        image=image,
        text=TransformersText(kind=text_kind, source=source, max_tokens=length),
        preprocess=published_preprocess(image),
        dim=dim,
        head="none",
    )
