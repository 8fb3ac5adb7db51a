"""The command `fourtower reconcile`: compare the index with the log, and mend what differs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fourtower_ingest.options import AsJson, Group, Kafka, Redis
from fourtower_ingest.terminal import counting_bar
from fourtower_workers.options import Alias, Generation, Index, Token, read_both

if TYPE_CHECKING:
    from collections.abc import Callable

    from fourtower_ingest.settings import IngestSettings
    from fourtower_search.index.generations import GenerationRecord
    from fourtower_search.index.product_index import ProductIndex
    from fourtower_workers.reconciling.comparing import Comparison
    from fourtower_workers.reconciling.findings import Kind
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
    index: Index = None,
    alias: Alias = None,
    generation: Generation = None,
    token: Token = None,
    kafka: Kafka = None,
    group: Group = None,
    redis: Redis = None,
    as_json: AsJson = False,
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
    from fourtower_workers.reconciling.reconciliation import Wishes

    parts = _Parts(
        *read_both(kafka=kafka, redis=redis, group=group, index=index, alias=alias, generation=generation, token=token)
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

    stream: IngestSettings
    worker: WorkerSettings

    def snapshot(self, record: GenerationRecord) -> Snapshot:
        """How the log stands now."""
        from fourtower_ingest.broker.admin import LogAdmin
        from fourtower_workers.reconciling.snapshot import take_snapshot

        with LogAdmin(self.stream.kafka) as admin:
            return take_snapshot(admin, self.stream.topics, group=self.stream.ingester.group, record=record)

    @contextmanager
    def opened(self) -> Iterator[tuple[ProductIndex, GenerationRecord]]:
        """The generation, for reading."""
        from fourtower_search.index.opening import open_generation
        from fourtower_workers.assignment import generation_of, generations_of

        with closing(generations_of(self.worker)) as generations:
            record = generation_of(self.worker, generations)
            with open_generation(generations, record, timeout_s=self.worker.open_timeout_s) as index:
                yield index, record

    def mend(self, comparison: Comparison, kinds: frozenset[Kind], advance: Callable[[int], None]) -> str:
        """Have workers mend findings; why that stopped early, if it did."""
        from fourtower_workers.reconciling.repairing import mend_by_workers

        return mend_by_workers(comparison, kinds, advance, worker=self.worker, stream=self.stream)


def _kinds(names: list[str]) -> frozenset[Kind]:
    from fourtower_workers.reconciling.findings import KINDS

    unknown = sorted(set(names) - set(KINDS))
    if unknown:
        raise typer.BadParameter(f"There is no class {unknown[0]!r}; there are {', '.join(KINDS)}.")
    return frozenset(kind for kind in KINDS if kind in names)


def _run(parts: _Parts, wishes: Wishes, state: Path | None) -> Report:
    from fourtower_workers.reconciling.folding_log import reader_of
    from fourtower_workers.reconciling.reconciliation import Reconciliation

    with parts.opened() as (index, record):
        return Reconciliation(
            index=index,
            record=record,
            topics=parts.stream.topics,
            read=reader_of(parts.stream),
            snapshot=lambda: parts.snapshot(record),
            mend=parts.mend,
            wishes=wishes,
            bars=counting_bar,
            tell=lambda text: typer.echo(text, err=True),
        ).run(parts.stream.ingester.group, state)


def _show(report: Report, *, as_json: bool) -> None:
    from fourtower_workers.reconciling.reporting import render, summary

    if as_json:
        typer.echo(json.dumps(summary(report), indent=2))
        return
    from rich.console import Console

    Console().print(render(report))
