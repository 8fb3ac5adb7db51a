"""The commands `fourtower reindex ...`: build the next generation beside the live one, and make it live."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fourtower_ingest.options import AsJson, Group, Kafka, Redis
from fourtower_workers.options import LAYOUT, Alias, Index, Token, read_both
from fourtower_workers.reindex_switch_cli import rollback, switch, verify

if TYPE_CHECKING:
    from fourtower_ingest.settings import IngestSettings
    from fourtower_search.index.life import Seeding
    from fourtower_workers.reindexing.dropping import Dropping
    from fourtower_workers.reindexing.planning import Changes
    from fourtower_workers.reindexing.starting import Begun

app = typer.Typer(no_args_is_help=True)


@app.callback()
def reindex() -> None:
    """Build the next generation of the index beside the live one, and make it live.

    Searches and updates go on meanwhile, and the old generation stays up
    to date for as long as its processes run, so that one can go back.

    \b
    Example:
      fourtower reindex start --model runs/second
      fourtower reindex verify
      fourtower reindex switch
    """


@app.command()
def start(
    *,
    model: Annotated[
        str | None, typer.Option(help="Checkpoint folder, or `demo`; by default the model stays.", show_default=False)
    ] = None,
    catalog: Annotated[
        Path | None, typer.Option(help="catalog.toml; by default the attributes stay.", show_default=False)
    ] = None,
    settings: Annotated[
        str | None,
        typer.Option(help=LAYOUT, show_default=False),
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="IP, COSINE or L2; by default it stays.", show_default=False)
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Build it even if nothing differs.")] = False,
    index: Index = None,
    alias: Alias = None,
    token: Token = None,
    kafka: Kafka = None,
    group: Group = None,
    redis: Redis = None,
    as_json: AsJson = False,
) -> None:
    """Create the next generation, and fill it from the live one.

    Rows are copied with their vectors where the model stays, else their
    products are sent to the new generation's workers. What fills it from
    now on, its own ingester and worker, is printed at once. Called again,
    it goes on where it was interrupted. Exit code 1 if products were
    refused.

    \b
    Example:
      fourtower reindex start --model runs/second --catalog catalog.toml
      fourtower reindex start --settings '{"type": "IVF_FLAT"}'
    """
    from fourtower_ingest.broker.admin import LogAdmin
    from fourtower_workers.assignment import generations_of
    from fourtower_workers.reindexing.filling import fill
    from fourtower_workers.reindexing.starting import begin

    stream, worker = read_both(kafka=kafka, redis=redis, group=group, index=index, alias=alias, token=token)
    changes = _changes(model, catalog, settings, metric)
    with closing(generations_of(worker)) as generations:
        with LogAdmin(stream.kafka) as admin:
            begun = begin(generations, admin, stream, changes, again=again)
        _announce(begun, as_json=as_json)
        seeding = fill(generations, begun, stream, timeout_s=worker.open_timeout_s)
    _show_filled(begun, seeding, as_json=as_json)
    if seeding.failed:
        raise typer.Exit(1)


@app.command()
def status(
    *,
    index: Index = None,
    alias: Alias = None,
    token: Token = None,
    kafka: Kafka = None,
    group: Group = None,
    redis: Redis = None,
    as_json: AsJson = False,
) -> None:
    """Show every generation: what it holds, how far it is, who fills it.

    The lag counts records that a generation's group is behind. Exit code 1
    if something could not be asked.

    \b
    Example:
      fourtower reindex status
    """
    from dataclasses import replace

    from rich.console import Console

    from fourtower_workers.assignment import generations_of
    from fourtower_workers.reindexing.standing import Services, look
    from fourtower_workers.reindexing.standing_view import render, summary

    stream, worker = read_both(kafka=kafka, redis=redis, group=group, index=index, alias=alias, token=token)
    services = Services(stream)
    try:
        with closing(generations_of(worker)) as generations:
            seen = look(generations, services, group=stream.ingester.group)
    finally:
        services.close()
    overview = replace(seen, problems=(*seen.problems, *services.problems))
    if as_json:
        typer.echo(json.dumps(summary(overview), indent=2))
    else:
        Console().print(render(overview))
    if overview.problems:
        raise typer.Exit(1)


app.command()(verify)
app.command()(switch)
app.command()(rollback)


@app.command()
def drop(
    generation: Annotated[int, typer.Argument(min=1, help="Number of the generation; `status` lists them.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    now: Annotated[
        bool, typer.Option("--now", help="Even if it was live a moment ago, or processes still fill it.")
    ] = False,
    index: Index = None,
    alias: Alias = None,
    token: Token = None,
    kafka: Kafka = None,
    group: Group = None,
    redis: Redis = None,
) -> None:
    """Delete a generation with its rows, its consumer group and its queue.

    The live one is refused, and so is one that somebody may still need.
    Its number is never used again. Interrupted, it can be done again.

    \b
    Example:
      fourtower reindex drop 1
    """
    from fourtower_ingest.broker.admin import LogAdmin
    from fourtower_workers.assignment import generations_of
    from fourtower_workers.reindexing.dropping import Dropping

    stream, worker = read_both(kafka=kafka, redis=redis, group=group, index=index, alias=alias, token=token)
    with closing(generations_of(worker)) as generations:
        dropping = Dropping(generations, generation, group=stream.ingester.group)
        if not now:
            _refuse(dropping, stream)
        if not yes:
            what = f"generation {generation} of {generations.alias} with all its rows"
            typer.confirm(f"Delete {what}?", abort=True)
        with LogAdmin(stream.kafka) as admin:
            dropping.run(admin, stream.redis)
    typer.echo(f"Generation {generation} of {generations.alias} is gone.")


def _changes(model: str | None, catalog: Path | None, settings: str | None, metric: str | None) -> Changes:
    from fourtower_encoders.checkpoint import locate, read_checkpoint
    from fourtower_search.schema import CatalogSchema
    from fourtower_workers.bootstrapping import layout_from
    from fourtower_workers.reindexing.planning import Changes

    return Changes(
        checkpoint=None if model is None else read_checkpoint(locate(model)),
        source=model or "",
        catalog=None if catalog is None else CatalogSchema.load(catalog),
        layout=None if settings is None else layout_from(settings),
        metric=None if metric is None else layout_from(json.dumps({"metric": metric}), "--metric").metric,
    )


def _announce(begun: Begun, *, as_json: bool) -> None:
    """Say at once what has to run: where products are encoded anew, nothing goes on without a worker."""
    from fourtower_workers.reindexing.planning import differences

    record, source = begun.record, begun.source
    how = "goes on being filled" if begun.resumed else "is filled"
    manner = "rows are copied, vectors too" if begun.copies else "its workers encode every product"
    lines = [f"Generation {record.generation} of {record.alias} {how} from generation {source.generation}; {manner}."]
    lines += [f"It differs in {difference}." for difference in differences(source, record)]
    lines += ["These processes fill it from now on, and keep it up to date:"]
    lines += [f"  {command}" for command in begun.commands]
    typer.echo("\n".join(lines), err=as_json)


def _show_filled(begun: Begun, seeding: Seeding, *, as_json: bool) -> None:
    number = begun.record.generation
    if as_json:
        facts = {"generation": number, "group": begun.record.life.group, "commands": list(begun.commands)}
        typer.echo(json.dumps({**facts, **seeding.model_dump(mode="json")}, indent=2))
        return
    typer.echo(f"Generation {number} holds all that generation {seeding.source} held: {_counted(seeding)}.")
    for told in seeding.refused:
        typer.echo(f"Refused: {told}")
    typer.echo(f"Once it has caught up with the log (`fourtower reindex status`): fourtower reindex verify {number}")


def _counted(seeding: Seeding) -> str:
    counts = {
        "products copied": seeding.copied,
        "encoded": seeding.sent,
        "of these without a picture": seeding.without_pictures,
        "refused": seeding.failed,
    }
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or "nothing"


def _refuse(dropping: Dropping, stream: IngestSettings) -> None:
    from datetime import UTC, datetime

    from fourtower_ingest.status import processes_in
    from fourtower_search.errors import InvalidQuery

    against = list(dropping.reasons_against(processes_in(stream.redis), now=datetime.now(UTC)))
    if against:
        raise InvalidQuery(f"{' '.join(against)} End its processes and wait, or say --now.")
