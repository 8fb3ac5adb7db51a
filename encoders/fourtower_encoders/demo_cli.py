"""The command `fourtower demo`: the shipped towers on a freshly drawn catalog, as a table and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from fourtower_encoders.manifest import Dataset


def demo(
    *,
    out: Annotated[Path, typer.Option(help="Folder for the catalog and the picture.")] = Path("demo"),
    products: Annotated[int, typer.Option(min=50, max=100_000, help="How many products to draw.")] = 600,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Another seed, another catalog.")] = 42,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Draw a small catalog and search it by photo.

    The shipped towers embed products that they have never seen and find
    them again from street photos, from photos with words, and from words.

    \b
    Example:
      fourtower demo --out demo
    """
    import json

    from rich.console import Console

    from fourtower_encoders import report
    from fourtower_encoders.embedder import Embedder
    from fourtower_encoders.evaluate import embed_dataset
    from fourtower_encoders.scoring import score

    notes = Console(stderr=True)
    dataset = _draw(out / f"catalog-{products}-{seed}", products=products, seed=seed, notes=notes)
    with Embedder.load("demo") as embedder, notes.status("Embedding the catalog with the shipped towers ..."):
        embedded = embed_dataset(embedder, dataset)
        evaluation = score(embedded, embedder.params)
    picture = out / "nearest.png"
    report.picture(evaluation, embedded, picture)
    if as_json:
        typer.echo(json.dumps(report.to_dict(evaluation), indent=2, allow_nan=False))
    else:
        for table in report.tables(evaluation):
            Console().print(table)
    notes.print("The shipped towers are a demo trained on such drawings; train your own for real photos.")
    notes.print(f"Look at {picture}: photos and words on the left, what they find on the right.", markup=False)


def _draw(folder: Path, *, products: int, seed: int, notes: Console) -> Dataset:
    """Draw the catalog, or take the whole one that an earlier call drew with the same settings."""
    from rich.progress import Progress

    from fourtower_encoders.manifest import load_dataset
    from fourtower_encoders.synth import SynthConfig, holds_catalog, image_count, write_catalog

    # Nothing is trained here: nearly all products are for searching.
    config = SynthConfig(products=products, seed=seed, photos=1, val_share=0.0, test_share=0.9)
    if not holds_catalog(folder, config):
        with Progress(console=notes, transient=True, disable=not notes.is_terminal) as progress:
            task = progress.add_task("Drawing a catalog", total=image_count(config))
            write_catalog(folder, config, progress=lambda pictures: progress.advance(task, pictures))
    return load_dataset(folder, "test")
