"""The commands `fourtower reindex verify | switch | rollback`: see whether a generation is good, and make it live."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fourtower_ingest.options import AsJson, Group, Kafka
from fourtower_ingest.terminal import counting_bar
from fourtower_workers.options import Alias, Index, Token, read_both

if TYPE_CHECKING:
    from fourtower_ingest.settings import IngestSettings
    from fourtower_search.index.generations import GenerationRecord
    from fourtower_workers.reindexing.opening import Surroundings
    from fourtower_workers.reindexing.switching import Move
    from fourtower_workers.settings import WorkerSettings

Number = Annotated[int | None, typer.Argument(min=1, help="Which generation; by default the newest.", metavar="N")]
MostLag = Annotated[int, typer.Option(min=0, help="Records that its group may be behind.")]
TIMEOUT_S = 60.0


def verify(
    number: Number = None,
    *,
    most_lag: MostLag = 1000,
    differing: Annotated[
        int, typer.Option(min=0, help="Products that may differ, for a new catalog that refuses some.")
    ] = 0,
    recall: Annotated[float, typer.Option(min=0, max=1, help="Least share of the ten nearest rows found.")] = 0.95,
    sample: Annotated[int, typer.Option(min=1, max=10_000, help="Rows that recall is measured with.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Of the choice of these rows.")] = 0,
    judgments: Annotated[Path | None, typer.Option(help="Judged queries, .jsonl, .csv or .tsv.")] = None,
    ndcg_loss: Annotated[float, typer.Option(min=0, help="How much worse they may be answered, on average.")] = 0.01,
    category: Annotated[str, typer.Option(help="The attribute that holds a product's category.")] = "category",
    model: Annotated[str | None, typer.Option(help="Its checkpoint, if it lies elsewhere than recorded.")] = None,
    live_model: Annotated[str | None, typer.Option(help="That of the live generation, likewise.")] = None,
    index: Index = None,
    alias: Alias = None,
    token: Token = None,
    kafka: Kafka = None,
    group: Group = None,
    as_json: AsJson = False,
) -> None:
    """Compare a generation with the live one and the log.

    It must be filled and up to date, hold the products that the live one
    holds, and what the log says; searches must find the rows that an exact
    scan finds; and with --judgments, it must answer queries as well. Updates
    go on meanwhile. What came out is recorded, and `switch` asks for it.
    Exit code 0 if every threshold is reached, else 1.

    \b
    Example:
      fourtower reindex verify
      fourtower reindex verify 2 --judgments judgments.jsonl
    """
    from fourtower_workers.reindexing import switching
    from fourtower_workers.reindexing.opening import Judged
    from fourtower_workers.reindexing.recording import record_verification
    from fourtower_workers.reindexing.showing import render, summary
    from fourtower_workers.reindexing.verifying import Thresholds

    settings = read_both(index=index, alias=alias, token=token, kafka=kafka, group=group)
    thresholds = Thresholds(most_lag, differing, recall, ndcg_loss, sample, seed)
    asked = Judged(judgments, category, model or "", live_model or "") if judgments else None
    with _opened(*settings) as around:
        live, following = switching.two_of(around.generations, number)
        with around.verifier(live, following, thresholds, asked) as verifier:
            found = verifier.run()
        record_verification(around.generations, following.generation, found.verification(_now()))
    numbers = {"live": live.generation, "following": following.generation}
    if as_json:
        typer.echo(json.dumps(summary(found, **numbers), indent=2))
    else:
        _print(render(found, **numbers))
    if not found.passed:
        raise typer.Exit(1)


def switch(
    number: Number = None,
    *,
    unverified: Annotated[bool, typer.Option("--unverified", help="Don't ask for a verification.")] = False,
    max_age: Annotated[float, typer.Option(min=0, help="Hours since it was verified, at most.")] = 24.0,
    most_lag: MostLag = 1000,
    index: Index = None,
    alias: Alias = None,
    token: Token = None,
    kafka: Kafka = None,
    group: Group = None,
    as_json: AsJson = False,
) -> None:
    """Make a generation live.

    It must be filled, up to date, and have passed `verify`. The alias moves
    in one step; running clients load the generation's model first, then
    follow. Killed at any point, the command can be given again.

    \b
    Example:
      fourtower reindex switch
      fourtower reindex switch 2 --max-age 1
    """
    from fourtower_workers.reindexing import switching
    from fourtower_workers.reindexing.opening import position

    settings = read_both(index=index, alias=alias, token=token, kafka=kafka, group=group)
    demands = switching.Demands(most_lag, None if unverified else timedelta(hours=max_age))
    with _opened(*settings) as around:
        following = switching.next_of(around.generations, number)
        if around.generations.current(timeout_s=TIMEOUT_S) != following:
            switching.check_ready(following, at=position(around.stream, following), demands=demands, now=_now())
        move = switching.switch(around.generations, following.generation, now=_now())
        _tell(around, move, as_json=as_json)


def rollback(
    *,
    most_lag: MostLag = 1000,
    index: Index = None,
    alias: Alias = None,
    token: Token = None,
    kafka: Kafka = None,
    group: Group = None,
    as_json: AsJson = False,
) -> None:
    """Make the generation live again that was so before.

    Nothing is asked of it, so that this works at once; a warning says so if
    it is behind the log.

    \b
    Example:
      fourtower reindex rollback
    """
    from fourtower_workers.reindexing import switching

    settings = read_both(index=index, alias=alias, token=token, kafka=kafka, group=group)
    with _opened(*settings) as around:
        move = switching.rollback(around.generations, now=_now())
        _tell(around, move, as_json=as_json)
        _warn_if_behind(around, move.live, most_lag)


@contextmanager
def _opened(stream: IngestSettings, worker: WorkerSettings) -> Iterator[Surroundings]:
    """The generations and all that is around them."""
    from fourtower_workers.assignment import generations_of
    from fourtower_workers.reindexing.opening import Surroundings

    with closing(generations_of(worker)) as generations:
        yield Surroundings(generations, stream, worker.open_timeout_s, counting_bar, _whisper)


def _tell(around: Surroundings, move: Move, *, as_json: bool) -> None:
    from fourtower_workers.reindexing.groups import group_of
    from fourtower_workers.reindexing.showing import advice, move_summary

    if as_json:
        typer.echo(json.dumps(move_summary(move), indent=2))
        return
    records = around.generations.records(timeout_s=TIMEOUT_S)
    groups = {record.generation: group_of(record, around.stream.ingester.group) for record in records}
    for line in advice(move, alias=around.generations.alias, groups=groups):
        typer.echo(line)


def _warn_if_behind(around: Surroundings, record: GenerationRecord, most_lag: int) -> None:
    from fourtower_ingest.errors import IngestError
    from fourtower_workers.reindexing.opening import position
    from fourtower_workers.reindexing.showing import behind_warning

    try:
        at = position(around.stream, record)
    except IngestError as error:
        _whisper(f"Whether generation {record.generation} is up to date can't be said: {error}")
        return
    if not at.begun or at.unattended or at.lag > most_lag:
        _whisper(behind_warning(record, at.lag))


def _whisper(text: str) -> None:
    typer.echo(text, err=True)


def _print(what: Any) -> None:
    from rich.console import Console

    Console().print(what)


def _now() -> datetime:
    return datetime.now(UTC)
