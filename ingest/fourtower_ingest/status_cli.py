"""The command `fourtower status`: how ingestion is, once or as a table that stays up to date."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated

import typer

from fourtower_ingest.ingest_cli import Alias, Generation, read_all
from fourtower_ingest.options import Group, Kafka, Redis

if TYPE_CHECKING:
    from fourtower_ingest.status import Observer


def status(
    *,
    bootstrap: Kafka = None,
    redis: Redis = None,
    group: Group = None,
    alias: Alias = None,
    generation: Generation = None,
    once: Annotated[bool, typer.Option("--once", help="Print it once, and stop.")] = False,
    every: Annotated[float, typer.Option(min=0.5, help="Seconds between two looks.")] = 2.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON once, and stop.")] = False,
) -> None:
    """Show how ingestion is: lag, rates, what is in flight, who is alive.

    The lag of a topic counts what is not indexed yet. Ctrl-C ends it. Exit
    code 1 if Kafka or Redis does not answer to `--once` or `--json`.

    \b
    Example:
      fourtower status --once
    """
    from fourtower_ingest.status import Observer

    own = {"group": group, "alias": alias, "generation": generation}
    settings = read_all(kafka={"bootstrap": bootstrap}, redis={"url": redis}, ingester=own)
    with Observer(settings) as observer:
        if once or as_json:
            _print(observer, as_json=as_json)
        else:
            _watch(observer, every)


def _print(observer: Observer, *, as_json: bool) -> None:
    from rich.console import Console

    from fourtower_ingest.status_view import render, summary

    overview = observer.look()
    if as_json:
        typer.echo(json.dumps(summary(overview), indent=2))
    else:
        Console().print(render(overview))
    if overview.problems:
        raise typer.Exit(1)


def _watch(observer: Observer, every: float) -> None:
    from rich.live import Live

    from fourtower_ingest.status_view import render

    before, overview = None, observer.look()
    with Live(render(overview), auto_refresh=False) as live:
        try:
            while True:
                time.sleep(every)
                before, overview = overview, observer.look()
                live.update(render(overview, before), refresh=True)
        except KeyboardInterrupt:
            return
