"""The command `fourtower synth`: writes a synthetic catalog to a folder."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fourtower_encoders.errors import InvalidConfig

if TYPE_CHECKING:
    from fourtower_encoders.synth import CatalogSummary
    from fourtower_encoders.synth.writer import Progress


def synth(
    *,
    out: Annotated[Path, typer.Option("--out", help="The folder to write; new or empty, unless --force.")],
    products: Annotated[int, typer.Option(min=1, max=10_000_000, help="How many products to invent.")] = 5000,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Another seed, another catalog.")] = 7,
    size: Annotated[int, typer.Option(min=32, max=1024, help="Width and height of the pictures, in pixels.")] = 128,
    photos: Annotated[int, typer.Option(min=1, max=20, help="Street photos per training product.")] = 3,
    workers: Annotated[int | None, typer.Option(min=1, max=256, help="Processes; one per core if not given.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that is not empty.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Draw a synthetic street-to-shop catalog.

    Products, their pictures, street photos, search tasks, judged queries and catalog events:
    everything that training, evaluation and ingestion read. Equal options give equal files.

    \b
    Example:
      fourtower synth --products 5000 --seed 7 --out ./data
    """
    from fourtower_encoders.synth import SynthConfig, image_count, write_catalog

    _check_folder(out, force=force)
    config = SynthConfig(products=products, seed=seed, size=size, photos=photos)
    started = time.perf_counter()
    with _progress_bar(image_count(config)) as progress:
        summary = write_catalog(out, config, workers=workers or os.cpu_count() or 1, progress=progress)
    _report(out, summary, time.perf_counter() - started, as_json=as_json)


def _check_folder(out: Path, *, force: bool) -> None:
    if out.exists() and not out.is_dir():
        raise InvalidConfig(f"{out} is a file. Name a folder with --out.")
    if out.is_dir() and any(out.iterdir()) and not force:
        raise InvalidConfig(f"{out} is not empty. Choose a new folder, or pass --force to write into it.")


@contextmanager
def _progress_bar(total: int) -> Iterator[Progress]:
    """A bar on stderr; nothing at all where stderr is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("Drawing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Drawing", total=total)
        yield lambda pictures: bar.advance(task, pictures)


def _report(out: Path, summary: CatalogSummary, seconds: float, *, as_json: bool) -> None:
    """Say what was written and how fast."""
    facts: dict[str, Any] = {
        "folder": str(out),
        "products": summary.products,
        "catalog_images": summary.catalog_images,
        "street_images": summary.street_images,
        "tasks": summary.tasks,
        "images_per_s": round(summary.images / seconds, 1),
    }
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    facts["tasks"] = {split: sum(kinds.values()) for split, kinds in summary.tasks.items()}
    for name, value in facts.items():
        shown = ", ".join(f"{count} {split}" for split, count in value.items()) if isinstance(value, dict) else value
        typer.echo(f"{name.replace('_', ' '):16}{shown}")
