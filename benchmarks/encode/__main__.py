"""The command: measures, prints a table, keeps benchmarks/results/encode.json: `python -m benchmarks.encode`."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.encode.measure import TARGETS, Finding, measure, usable_gpu
from benchmarks.encode.report import terminal_table, write_docs
from benchmarks.encode.settings import QUICK, Settings
from benchmarks.machine import RESULTS, refuse_quick_results, write_result

app = typer.Typer(add_completion=False)


@app.command()
def encode(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Do very little, to see that it runs; not a result.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of the result file.")] = RESULTS,
    docs: Annotated[bool, typer.Option("--write-docs", help="Also write the table of docs/benchmarks.md.")] = False,
) -> None:
    """Measure how near bulk embedding and training come to the networks' own speed.

    \b
    Example:
      python -m benchmarks.encode --write-docs
    """
    refuse_quick_results(quick=quick, docs=docs, out=out)
    settings = QUICK if quick else Settings()
    findings = _measure_all(settings)
    result = write_result(
        "encode",
        figures={name: value for finding in findings for name, value in finding.figures.items()},
        targets={name: target for name, target in TARGETS.items() if any(f.key == name for f in findings)},
        command="make bench-encode" + (' ARGS="--write-docs"' if docs else ""),
        settings={"what": {f.key: f.what for f in findings}, **settings.model_dump(mode="json")},
        folder=out,
    )
    if docs:
        write_docs(findings, result)
    if as_json:
        typer.echo(json.dumps(result, indent=2))
    else:
        Console().print(terminal_table(findings))


def _measure_all(settings: Settings) -> list[Finding]:
    """Measure in a folder that is removed afterwards; stderr says what is done."""
    console = Console(stderr=True)
    findings: list[Finding] = []
    with TemporaryDirectory() as folder, console.status("Drawing, saving towers, measuring ..."):
        for finding in measure(Path(folder), settings, gpu=usable_gpu()):
            findings.append(finding)
            console.print(f"{finding.key}: {finding.race.ratio:.3f} ({finding.what})")
    return findings


if __name__ == "__main__":
    app()
