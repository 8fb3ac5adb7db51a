"""The command: measures, prints a table, keeps benchmarks/results/search.json: `python -m benchmarks.search`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.machine import RESULTS, refuse_quick_results, rounded, write_result
from benchmarks.pages import terminal_table
from benchmarks.search.measure import AT_MOST, TARGETS, Finding, measure
from benchmarks.search.picture import draw
from benchmarks.search.report import write_docs
from benchmarks.search.server import versions
from benchmarks.search.settings import QUICK, Settings

app = typer.Typer(add_completion=False)
DATA = Path(__file__).parents[2] / "data"


@app.command()
def search(
    *,
    rows: Annotated[
        list[int] | None, typer.Option(help="Rows per index, repeatable; the largest is what the figures are of.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Do very little, to see that it runs; not a result.")] = False,
    data: Annotated[Path, typer.Option(help="Folder that the catalog is drawn into, and found in again.")] = DATA,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of the result file.")] = RESULTS,
    docs: Annotated[bool, typer.Option("--write-docs", help="Also write tables and picture of docs/.")] = False,
) -> None:
    """Measure how exact, fast and fresh search is beside plain pymilvus, on a real Milvus server of its own.

    \b
    Example:
      python -m benchmarks.search --rows 10000 --rows 100000 --rows 300000 --write-docs
    """
    refuse_quick_results(quick=quick, docs=docs, out=out)
    settings = QUICK if quick else Settings()
    if rows:
        settings = settings.model_copy(update={"sizes": tuple(sorted(rows))})
    result = written(_measure_all(settings, data), settings, _command(rows, docs=docs), out)
    if docs:
        write_docs(result)
        draw(result)
    if as_json:
        typer.echo(json.dumps(result, indent=2))
    else:
        Console().print(terminal_table(result, AT_MOST))


def _measure_all(settings: Settings, data: Path) -> list[Finding]:
    """Measure; stderr says what came out."""
    console = Console(stderr=True)
    findings: list[Finding] = []
    folder = data / f"bench-search-{settings.catalog.products}-{settings.catalog.seed}"
    with console.status("Drawing, filling servers, measuring ..."):
        for finding in measure(folder, settings):
            findings.append(finding)
            console.print(finding.name, finding.figures or "")
    return findings


def written(findings: list[Finding], settings: Settings, command: str, out: Path) -> dict[str, Any]:
    """Keep what was found as search.json in a folder; returns what was written."""
    figures = {name: round(value, 4) for finding in findings for name, value in finding.figures.items()}
    return write_result(
        "search",
        figures=figures,
        targets=TARGETS,
        command=command,
        settings={"versions": versions(), **settings.model_dump(mode="json")},
        details={finding.name: rounded(finding.details) for finding in findings},
        folder=out,
    )


def _command(rows: list[int] | None, *, docs: bool) -> str:
    arguments = [*(f"--rows {size}" for size in rows or ()), *(["--write-docs"] if docs else [])]
    return "make bench-search" + (f' ARGS="{" ".join(arguments)}"' if arguments else "")


if __name__ == "__main__":
    app()
