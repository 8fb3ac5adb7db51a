"""The `fourtower evaluate` command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from fourtower_encoders.embedder import Embedder
    from fourtower_encoders.evaluate import EmbeddedDataset, Evaluation
    from fourtower_encoders.manifest import Dataset

_DEMO_NOTE = "The shipped demo model is trained on drawings: its figures say nothing about real photos."


def evaluate(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint folder, or `demo` for the shipped model.")],
    *,
    data: Annotated[Path, typer.Option(help="Data folder with products, queries and, if any, tasks.")],
    split: Annotated[str, typer.Option(help="Which split to measure.")] = "test",
    on_bad: Annotated[Literal["fail", "skip"], typer.Option(help="What to do with bad lines and pictures.")] = "fail",
    picture: Annotated[Path | None, typer.Option(help="Also draw what was found, as .png or .jpg.")] = None,
    runtime: Annotated[Literal["auto", "torch", "onnx"], typer.Option(help="What runs the towers.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    bootstrap: Annotated[bool, typer.Option("--bootstrap", help="Add 95 % intervals over queries.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measure a checkpoint on a data folder.

    Street photos search the split's products: R@k is how often the right one
    is among the first k hits, XC@k how many hits have another category.
    Photos combined with words are measured task by task.

    \b
    Example:
      fourtower synth --products 2000 --out catalog
      fourtower evaluate demo --data catalog --picture found.png
    """
    from rich.console import Console

    from fourtower_encoders import report
    from fourtower_encoders.embedder import Embedder
    from fourtower_encoders.evaluate import score
    from fourtower_encoders.manifest import load_dataset
    from fourtower_encoders.training_data import readable

    dataset = load_dataset(data, split, on_bad=on_bad)
    if on_bad == "skip":  # looks at every picture once more; without it the first bad one stops the embedding
        dataset = readable(dataset, on_bad=on_bad)
    errors = Console(stderr=True)
    for line in dataset.bad:
        errors.print(f"skipped: {line}", markup=False)
    with Embedder.load(checkpoint, runtime=runtime, device=device) as embedder:
        embedded = _embed(embedder, dataset, errors)
        evaluation = score(embedded, embedder.params)
    if picture:
        report.picture(evaluation, embedded, picture)
        errors.print(f"What was found: {picture}", markup=False)
    if checkpoint == "demo":
        errors.print(_DEMO_NOTE)
    _show(evaluation, bootstrap=bootstrap, as_json=as_json)


def _show(evaluation: Evaluation, *, bootstrap: bool, as_json: bool) -> None:
    import json

    from rich.console import Console

    from fourtower_encoders import report

    ranges = report.intervals(evaluation) if bootstrap else None
    if as_json:
        typer.echo(json.dumps(report.to_dict(evaluation, ranges), indent=2, allow_nan=False))
        return
    for table in report.tables(evaluation, ranges):
        Console().print(table)


def _embed(embedder: Embedder, dataset: Dataset, errors: Console) -> EmbeddedDataset:
    """Embed the dataset with a progress bar, which only a terminal shows."""
    from rich.progress import Progress

    from fourtower_encoders.evaluate import embed_dataset

    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task("Embedding", total=None)
        return embed_dataset(
            embedder, dataset, progress=lambda done, total: progress.update(task, completed=done, total=total)
        )
