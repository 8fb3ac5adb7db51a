"""The commands `fourtower model import` and `fourtower model info`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fourtower_encoders.checkpoint import Checkpoint

app = typer.Typer(no_args_is_help=True)


@app.callback()
def model() -> None:
    """Import and inspect checkpoints.

    A checkpoint is a folder with all that is needed to embed pictures and texts.

    \b
    Example:
      fourtower model info demo
    """


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="A CLIP or SigLIP model in a local folder.")],
    out: Annotated[Path, typer.Option("--out", help="Where to put the checkpoint.")],
    fit: Annotated[Path | None, typer.Option("--fit", help="Data folder to fit means and query weights on.")] = None,
    half: Annotated[bool, typer.Option("--half", help="Store the weights as float16.")] = False,
) -> None:
    """Turn a CLIP or SigLIP model into a checkpoint.

    The source is a folder as transformers saves it. Without --fit the checkpoint's embeddings are the
    source's own; --fit centres them on the data and fits the numbers of its query.json.

    \b
    Example:
      fourtower model import ./clip-vit-base-patch32 --out ./checkpoints/clip
    """
    from fourtower_encoders.importing import import_model

    checkpoint = import_model(source, out, fit=fit, precision="float16" if half else "float32")
    typer.echo(f"Wrote {out}: model {checkpoint.model_id}, {checkpoint.config.dim} numbers per embedding.")
    if fit is None:
        typer.echo("Its query numbers are defaults, not fitted on data: --fit DATA fits them.")


@app.command("info")
def info(
    checkpoint: Annotated[str, typer.Argument(help="A checkpoint folder, or 'demo' for the shipped model.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Show what a checkpoint is.

    Its id, its networks, its files, the numbers that queries are made with, and how it came to be.

    \b
    Example:
      fourtower model info ./checkpoints/clip --json
    """
    from fourtower_encoders.checkpoint import locate, read_checkpoint

    facts = describe(read_checkpoint(locate(checkpoint)))
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        typer.echo(f"{name:16}{value if isinstance(value, str | int) else json.dumps(value)}")


def describe(checkpoint: Checkpoint) -> dict[str, Any]:
    """What `fourtower model info` shows, as plain JSON values."""
    from fourtower_encoders.checkpoint import WEIGHTS

    config, identity = checkpoint.config, checkpoint.identity
    return {
        "model_id": checkpoint.model_id,
        "image_network": _named(config.image.model_dump(mode="json")),
        "text_network": _named(config.text.model_dump(mode="json")),
        "heads_per_role": config.heads_per_role,
        "weights": _count_weights(checkpoint.file(WEIGHTS)),
        "dim": config.dim,
        "picture_size": config.preprocess.size,
        "demo": bool(identity.provenance.get("demo", False)),
        "library_version": identity.library_version,
        "files": {name: record.bytes for name, record in identity.files.items()},
        "query": checkpoint.params.model_dump(mode="json"),
        "provenance": identity.provenance,
    }


def _count_weights(path: Path) -> int:
    """Numbers in a safetensors file: its header, after eight bytes that state its length, lists the shapes."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def _named(network: dict[str, Any]) -> str:
    """A network in a few words: its kind, then its name or its architecture's name."""
    name = network.get("name") or network.get("architecture", {}).get("model_type")
    return f"{network['kind']} {name}" if name else str(network["kind"])
