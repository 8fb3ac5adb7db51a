"""The command: measures, prints a table, keeps benchmarks/results/service.json: `python -m benchmarks.service`."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.machine import RESULTS, refuse_quick_results, rounded, write_result
from benchmarks.pages import terminal_table
from benchmarks.service.measure import AT_MOST, TARGETS, figures, measure
from benchmarks.service.picture import draw
from benchmarks.service.report import write_docs
from benchmarks.service.settings import QUICK, Settings

app = typer.Typer(add_completion=False)


@app.command()
def service(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Do very little, to see that it runs; not a result.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of the result file.")] = RESULTS,
    docs: Annotated[bool, typer.Option("--write-docs", help="Also write tables and picture of docs/.")] = False,
) -> None:
    """Measure how much of the SDK's speed is left over HTTP, and what becomes of too many questions.

    \b
    Example:
      python -m benchmarks.service --write-docs
    """
    refuse_quick_results(quick=quick, docs=docs, out=out)
    settings = QUICK if quick else Settings()
    result = _measured(settings, "make bench-service" + (' ARGS="--write-docs"' if docs else ""), out)
    if docs:
        write_docs(result)
        draw(result)
    if as_json:
        typer.echo(json.dumps(result, indent=2))
    else:
        Console().print(terminal_table(result, AT_MOST))


def _measured(settings: Settings, command: str, out: Path) -> dict[str, Any]:
    """Measure in a folder that is removed afterwards; stderr says what came out."""
    console = Console(stderr=True)
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder, console.status("Indexing, then asking ..."):
        details = measure(Path(folder), settings, console.print)
    return write_result(
        "service",
        figures={name: round(value, 4) for name, value in figures(details).items()},
        targets=TARGETS,
        command=command,
        settings=settings.model_dump(mode="json"),
        details=rounded(details),
        folder=out,
    )


if __name__ == "__main__":
    app()
