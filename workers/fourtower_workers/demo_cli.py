"""The command `fourtower demo`: everything at work, on a freshly drawn catalog, without a server."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from fourtower_search.client import SearchClient
    from fourtower_search.display import Section
    from fourtower_workers.demonstration import Figures


def demo(
    *,
    out: Annotated[Path, typer.Option(help="Folder for the catalog, the index and the page.")] = Path("demo"),
    products: Annotated[int, typer.Option(min=100, max=100_000, help="How many products to draw.")] = 2000,
    queries: Annotated[int, typer.Option(min=4, max=1200, help="How many photos with words to measure with.")] = 600,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Another seed, another catalog.")] = 42,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Draw a catalog, index it, and search it in every way.

    The shipped towers index products that they have never seen into a file;
    then photos, words, both, filters, minus-words and similar products are
    searched and explained. Look at OUT/index.html afterwards.

    \b
    Example:
      fourtower demo --out demo
    """
    from rich.console import Console
    from rich.progress import Progress

    notes = Console(stderr=True)
    with Progress(console=notes, transient=True, disable=not notes.is_terminal) as progress:
        folder, db = _prepare(out, products, seed, notes, progress)
        with _opened(db, folder) as client:
            from fourtower_workers import demonstration

            sections = list(demonstration.show(client, folder))
            task = progress.add_task("Measuring", total=queries)
            figures = demonstration.measure(
                client, folder, most=queries, progress=lambda done: progress.advance(task, done)
            )
    page = out / "index.html"
    _write_page(page, sections, figures)
    _report(sections, figures, as_json=as_json)
    notes.print("The shipped towers are a demo trained on such drawings; train your own for real photos.")
    notes.print(f"Look at {page}, and search on: fourtower search 'red bag' --index {db}", markup=False)
    notes.print(f"Or open a page to search from: fourtower serve --index {db} --image-root {folder}", markup=False)


def _prepare(out: Path, products: int, seed: int, notes: Console, progress: Progress) -> tuple[Path, Path]:
    """The drawn catalog, and its index in a new file."""
    from fourtower_encoders.embedder import Embedder
    from fourtower_workers import demonstration

    folder = out / f"catalog-{products}-{seed}"
    config = demonstration.configure(products, seed)

    def started(title: str) -> Callable[[int], Callable[[int], None]]:
        def start(total: int) -> Callable[[int], None]:
            task = progress.add_task(title, total=total)
            return lambda done: progress.advance(task, done)

        return start

    demonstration.draw(folder, config, workers=os.cpu_count() or 1, started=started("Drawing"))
    with Embedder.load("demo", runtime="onnx") as embedder:
        db = out / f"catalog-{products}-{seed}-{embedder.model_id[:8]}.db"
        size = (folder / "events.jsonl").stat().st_size
        report = demonstration.index(folder, db, embedder, progress=started("Indexing")(size))
    rate = report.lines / max(report.seconds, 1e-9)
    notes.print(f"{report.lines} products are in {db}, at {rate:.0f} a second.", markup=False, highlight=False)
    return folder, db


def _opened(db: Path, folder: Path) -> SearchClient:
    from fourtower_search.client import SearchClient

    return SearchClient(db, image_root=folder)


def _report(sections: list[Section], figures: Figures, *, as_json: bool) -> None:
    from rich.console import Console

    from fourtower_search import display

    if as_json:
        typer.echo(json.dumps(_plain(figures), indent=2, allow_nan=False))
        return
    console = Console()
    for section in sections:
        console.print(f"\n[bold]{section.title}[/bold]: {section.note}", highlight=False)
        console.print(section.result)
        if section.result.hits and (why := section.result.hits[0].explanation):
            console.print(f"Why {section.result.hits[0].product_id} is first:", highlight=False)
            console.print(display.tree(why, deepest=4))
    console.print(_table(figures))


def _table(figures: Figures) -> Table:
    from rich.table import Table

    from fourtower_workers.demonstration import METHODS

    total = sum(figures.queries.values())
    table = Table(title=f"Hit@1 on {total} photos with words, none of them trained on", title_justify="left")
    table.add_column("the words ask for")
    for method in METHODS:
        table.add_column(method, justify="right")
    for kind, values in figures.hit_at_1.items():
        shown = ["-" if math.isnan(values[method]) else f"{values[method]:.2f}" for method in METHODS]
        table.add_row(kind.replace("_", " "), *shown)
    return table


def _plain(figures: Figures) -> dict[str, Any]:
    return {
        "queries": figures.queries,
        "hit_at_1": {
            kind: {method: None if math.isnan(value) else round(value, 4) for method, value in values.items()}
            for kind, values in figures.hit_at_1.items()
        },
    }


def _write_page(page: Path, sections: list[Section], figures: Figures) -> None:
    from fourtower_search.display import contact_sheet

    lines = [
        f"{kind.replace('_', ' ')} {values['image and text']:.2f} (image alone {values['image alone']:.2f})"
        for kind, values in figures.hit_at_1.items()
    ]
    note = f"Hit@1 of photos with words: {'; '.join(lines)}. Outlined hits are known right answers."
    page.write_text(contact_sheet("Fourtower demo", sections, note=note), encoding="utf-8")
