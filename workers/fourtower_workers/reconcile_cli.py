"""The command `fourtower reconcile`: compare the index with the log, and mend what differs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from fourtower_ingest.settings import FlowSettings, IngesterSettings, KafkaSettings, RedisSettings, TopicSettings
    from fourtower_search.index.generations import GenerationRecord
    from fourtower_search.index.product_index import ProductIndex
    from fourtower_workers.reconciling.comparing import Comparison
    from fourtower_workers.reconciling.findings import Kind
    from fourtower_workers.reconciling.folding_log import Reader
    from fourtower_workers.reconciling.reconciliation import Wishes
    from fourtower_workers.reconciling.reporting import Report
    from fourtower_workers.reconciling.snapshot import Snapshot
    from fourtower_workers.settings import WorkerSettings


def reconcile(
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Have workers index again what differs; forget old deletes.")
    ] = False,
    delete_extra: Annotated[
        bool, typer.Option("--delete-extra", help="Delete products of this topic that the compacted log doesn't know.")
    ] = False,
    rate: Annotated[
        float, typer.Option(min=0, help="Products per second, in looking and in repairing; 0: as fast as it goes.")
    ] = 0.0,
    state: Annotated[
        Path | None, typer.Option(help="Folder for what was found so far: a run that was killed goes on there.")
    ] = None,
    metrics_file: Annotated[
        Path | None, typer.Option(help="File for Prometheus' node exporter, such as reconcile.prom.")
    ] = None,
    most: Annotated[int, typer.Option(min=0, help="Findings that are listed.")] = 50,
    ignore: Annotated[
        list[str] | None,
        typer.Option(help="A class of findings that is only counted, such as image_missing; repeat for several."),
    ] = None,
    index: Annotated[
        str | None, typer.Option(help="Server of the index, milvus://host:19530.", envvar="FOURTOWER_WORKER_INDEX")
    ] = None,
    alias: Annotated[
        str | None, typer.Option(help="Which index of the server.", envvar="FOURTOWER_WORKER_ALIAS")
    ] = None,
    generation: Annotated[
        int | None, typer.Option(min=1, help="Which generation of it.", envvar="FOURTOWER_WORKER_GENERATION")
    ] = None,
    token: Annotated[
        str | None, typer.Option(help="Of the server, user:password.", envvar="FOURTOWER_WORKER_TOKEN")
    ] = None,
    kafka: Annotated[
        str | None,
        typer.Option(help="Addresses of Kafka, separated by commas.", envvar="FOURTOWER_KAFKA_BOOTSTRAP"),
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="The ingesters' group of consumers.", envvar="FOURTOWER_INGESTER_GROUP")
    ] = None,
    redis: Annotated[
        str | None, typer.Option(help="Where workers are reached, for repairs.", envvar="FOURTOWER_REDIS_URL")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare the index with the log, and mend what differs.

    Reads the whole log up to now, folds it on disk, and compares each
    product whose last event is done with. What seems wrong is looked at
    twice. Ingestion goes on meanwhile. Repairs take the way of all events,
    so workers must be running. Topics are described by FOURTOWER_TOPIC_...,
    as for `ingest`. Exit code 0 if nothing differs any more, else 1.

    \b
    Example:
      fourtower reconcile
      fourtower reconcile --repair --state reconcile --rate 500
    """
    from fourtower_ingest.environment import read_settings
    from fourtower_ingest.settings import FlowSettings, IngesterSettings, KafkaSettings, RedisSettings, TopicSettings
    from fourtower_workers.reconciling.reconciliation import Wishes
    from fourtower_workers.settings import WorkerSettings

    parts = _Parts(
        kafka=read_settings(KafkaSettings, bootstrap=kafka),
        redis=read_settings(RedisSettings, url=redis),
        topics=read_settings(TopicSettings),
        flow=read_settings(FlowSettings),
        ingester=read_settings(IngesterSettings, group=group),
        worker=read_settings(WorkerSettings, index=index, alias=alias, generation=generation, token=token),
    )
    wishes = Wishes(repair=repair, delete_extra=delete_extra, rate=rate, most=most, ignore=_kinds(ignore or []))
    report = _run(parts, wishes, state)
    _show(report, as_json=as_json)
    if metrics_file is not None:
        from fourtower_workers.reconciling.reporting import write_metrics

        write_metrics(report, metrics_file)
    if report.alarming:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Parts:
    """All settings that play a role."""

    kafka: KafkaSettings
    redis: RedisSettings
    topics: TopicSettings
    flow: FlowSettings
    ingester: IngesterSettings
    worker: WorkerSettings

    def reader(self) -> Reader:
        """What reads a stretch of a topic."""
        from functools import partial

        from fourtower_ingest.broker.ranges import read_range

        return partial(read_range, self.kafka, max_record_bytes=self.topics.max_event_bytes)

    def snapshot(self, record: GenerationRecord) -> Snapshot:
        """How the log stands now."""
        from fourtower_ingest.broker.admin import LogAdmin
        from fourtower_workers.reconciling.snapshot import take_snapshot

        with LogAdmin(self.kafka) as admin:
            return take_snapshot(admin, self.topics, group=self.ingester.group, record=record)

    @contextmanager
    def opened(self) -> Iterator[tuple[ProductIndex, GenerationRecord]]:
        """The generation, for reading."""
        from fourtower_search.index.opening import open_generation
        from fourtower_workers.assignment import generation_of, generations_of

        with ExitStack() as stack:
            generations = generations_of(self.worker)
            stack.callback(generations.close)
            record = generation_of(self.worker, generations)
            index = open_generation(generations, record, timeout_s=self.worker.open_timeout_s)
            yield stack.enter_context(index), record

    def mend(self, comparison: Comparison, kinds: frozenset[Kind], advance: Callable[[int], None]) -> str:
        """Have workers mend findings; why that stopped early, if it did."""
        from fourtower_workers.reconciling.repairing import mend_by_workers

        return mend_by_workers(
            comparison, kinds, advance, worker=self.worker, redis=self.redis, flow=self.flow, topics=self.topics
        )


def _kinds(names: list[str]) -> frozenset[Kind]:
    from fourtower_workers.reconciling.findings import KINDS

    unknown = sorted(set(names) - set(KINDS))
    if unknown:
        raise typer.BadParameter(f"There is no class {unknown[0]!r}; there are {', '.join(KINDS)}.")
    return frozenset(kind for kind in KINDS if kind in names)


def _run(parts: _Parts, wishes: Wishes, state: Path | None) -> Report:
    from fourtower_workers.reconciling.reconciliation import Reconciliation

    with parts.opened() as (index, record):
        return Reconciliation(
            index=index,
            record=record,
            topics=parts.topics,
            read=parts.reader(),
            snapshot=lambda: parts.snapshot(record),
            mend=parts.mend,
            wishes=wishes,
            bars=_bar,
            tell=lambda text: typer.echo(text, err=True),
        ).run(parts.ingester.group, state)


def _show(report: Report, *, as_json: bool) -> None:
    from fourtower_workers.reconciling.reporting import render, summary

    if as_json:
        typer.echo(json.dumps(summary(report), indent=2))
        return
    from rich.console import Console

    Console().print(render(report))


@contextmanager
def _bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar, for terminals only."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done: progress.advance(task, done)
