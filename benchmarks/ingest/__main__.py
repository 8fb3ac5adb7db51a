"""The command: measures, prints a table, keeps benchmarks/results/ingest.json: `python -m benchmarks.ingest`."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from benchmarks.ingest.measure import AT_MOST, TARGETS, Finding, measure
from benchmarks.ingest.picture import draw
from benchmarks.ingest.report import write_docs
from benchmarks.ingest.settings import QUICK, Settings
from benchmarks.machine import RESULTS, refuse_quick_results, rounded, write_result
from benchmarks.pages import terminal_table

app = typer.Typer(add_completion=False)


@app.command()
def ingest(
    *,
    milvus: Annotated[
        Literal["lite", "server"] | None, typer.Option(help="Milvus Lite's own server, or the server of Milvus 2.3.")
    ] = None,
    rounds: Annotated[int | None, typer.Option(help="Of each race.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Do very little, to see that it runs; not a result.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of the result file.")] = RESULTS,
    docs: Annotated[bool, typer.Option("--write-docs", help="Also write tables and picture of docs/.")] = False,
) -> None:
    """Measure how fast and how steadily events become searchable, on a Kafka, a Redis and a Milvus of its own.

    \b
    Example:
      python -m benchmarks.ingest --write-docs
    """
    refuse_quick_results(quick=quick, docs=docs, out=out)
    changes = {name: value for name, value in {"milvus": milvus, "rounds": rounds}.items() if value is not None}
    settings = (QUICK if quick else Settings()).model_copy(update=changes)
    words = [f"--{name} {value}" for name, value in changes.items()] + ["--write-docs"] * docs
    command = "make bench-ingest" + (f' ARGS="{" ".join(words)}"' if words else "")
    result = written(_measure_all(settings), settings, command, out)
    if docs:
        write_docs(result)
        draw(result)
    if as_json:
        typer.echo(json.dumps(result, indent=2))
    else:
        Console().print(terminal_table(result, AT_MOST))


def _measure_all(settings: Settings) -> list[Finding]:
    """Measure in a folder that is removed afterwards; stderr says what came out."""
    console = Console(stderr=True)
    findings: list[Finding] = []
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder, console.status("Starting servers, measuring ..."):
        for finding in measure(Path(folder), settings):
            findings.append(finding)
            console.print(finding.name, dict(finding.figures))
    return findings


def written(findings: list[Finding], settings: Settings, command: str, out: Path) -> dict[str, Any]:
    """Keep what was found as ingest.json in a folder; returns what was written."""
    return write_result(
        "ingest",
        figures={name: round(value, 4) for finding in findings for name, value in finding.figures.items()},
        targets=TARGETS,
        command=command,
        settings={"versions": _versions(settings), **settings.model_dump(mode="json")},
        details={finding.name: rounded(finding.details) for finding in findings},
        folder=out,
    )


def _versions(settings: Settings) -> dict[str, str]:
    names = {"lite": "milvus-lite", "server": "milvus"}
    return {name: version(name) for name in (names[settings.milvus], "pymilvus", "kafka-python", "celery")}


if __name__ == "__main__":
    app()
