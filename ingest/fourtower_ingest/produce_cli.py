"""The command `fourtower produce`: publish a file of catalog events."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from fourtower_ingest.options import AsJson, Kafka, option

if TYPE_CHECKING:
    from collections.abc import Callable

    from fourtower_ingest.producing import PublishReport
    from fourtower_ingest.settings import KafkaSettings, TopicSettings

STDIN = Path("-")


def produce(
    events: Annotated[Path, typer.Argument(help="File of catalog events, one JSON object a line; - reads them here.")],
    *,
    bootstrap: Kafka = None,
    topic: Annotated[str | None, option("Where to publish.", "TOPIC_UPDATES")] = None,
    check: Annotated[
        bool,
        typer.Option("--check/--no-check", help="Leave out what breaks the contract, or publish every line as it is."),
    ] = True,
    rate: Annotated[float, typer.Option(min=0, help="Lines per second, at most; 0: as fast as it goes.")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Publish a file of catalog events to Kafka, each under its product's id.

    Lines that break the contract are reported and left out; the others are
    published. Exit code 1 if there were any. Publishing a file again does
    no harm.

    \b
    Example:
      fourtower synth --products 2000 --out catalog
      fourtower produce catalog/events.jsonl --kafka localhost:9092
    """
    from fourtower_ingest.broker.producer import LogProducer

    kafka, topics = _settings(bootstrap, topic)
    with _opened(events) as (file, size):
        _check_topic(kafka, topics.updates)
        with LogProducer(kafka) as producer, _bar(size) as progress:
            report = _publisher(producer, topics, checked=check, rate=rate, progress=progress).publish(file)
    _show(report, topics.updates, as_json=as_json)
    if report.left_out:
        raise typer.Exit(1)


def _settings(bootstrap: str | None, topic: str | None) -> tuple[KafkaSettings, TopicSettings]:
    from fourtower_ingest.environment import read_settings
    from fourtower_ingest.settings import KafkaSettings, TopicSettings

    return read_settings(KafkaSettings, bootstrap=bootstrap), read_settings(TopicSettings, updates=topic)


def _check_topic(kafka: KafkaSettings, topic: str) -> None:
    """A missing topic is found before the first line, not after a time limit."""
    from fourtower_ingest.broker.admin import LogAdmin, missing_topic

    with LogAdmin(kafka) as admin:
        if admin.topic(topic) is None:
            raise missing_topic(topic, kafka)


def _publisher(producer: Any, topics: TopicSettings, **options: Any) -> Any:
    from fourtower_ingest.producing import Publisher

    return Publisher(producer, topics.updates, rules=topics.rules, **options)


@contextmanager
def _opened(events: Path) -> Iterator[tuple[BinaryIO, int | None]]:
    """The file and its size, if that is known."""
    if events == STDIN:
        yield sys.stdin.buffer, None
        return
    if not events.is_file():
        raise typer.BadParameter(f"{events} is not a file; name a file of catalog events, one JSON object a line.")
    with events.open("rb") as file:
        yield file, events.stat().st_size


def _show(report: PublishReport, topic: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(report.to_dict(), indent=2))
        return
    for complaint in report.complaints:
        typer.echo(str(complaint), err=True)
    if report.left_out > len(report.complaints):
        typer.echo(f"and {report.left_out - len(report.complaints)} more", err=True)
    left_out = f"; {report.left_out} lines left out" if report.left_out else ""
    typer.echo(f"{report.published} events published to {topic} in {report.seconds:.1f} s{left_out}")


@contextmanager
def _bar(total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar over the file's bytes, for terminals only."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("Publishing"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Publishing", total=total)
        yield lambda done: progress.advance(task, done)
