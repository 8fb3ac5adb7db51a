"""The command `fourtower bootstrap`: create what streaming needs, or verify it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fourtower_ingest.options import AsJson, Kafka
from fourtower_workers.options import Alias, Index, Layout, Token

if TYPE_CHECKING:
    from fourtower_ingest.broker.admin import TopicFacts
    from fourtower_search.index.generations import GenerationPlan
    from fourtower_workers.bootstrapping import Finding
    from fourtower_workers.settings import WorkerSettings


def bootstrap(
    *,
    index: Index = None,
    alias: Alias = None,
    token: Token = None,
    catalog: Annotated[Path | None, typer.Option(help="catalog.toml, the declared attributes.")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Checkpoint folder, or `demo`, the default.", envvar="FOURTOWER_WORKER_MODEL"),
    ] = None,
    settings: Layout = "{}",
    topics: Annotated[bool, typer.Option("--topics/--no-topics", help="Whether Kafka's topics are part of it.")] = True,
    kafka: Kafka = None,
    as_json: AsJson = False,
) -> None:
    """Create what streaming needs, or verify it: topics, index and alias.

    What is missing is created; what is there is compared, and never
    changed or dropped. Run it as often as you like. Exit code 1 if
    something is not as it should be. Topics are described by
    FOURTOWER_TOPIC_..., as for `ingest`.

    \b
    Example:
      fourtower bootstrap --catalog catalog.toml --index milvus://localhost:19530
    """
    from fourtower_ingest.environment import read_settings
    from fourtower_workers.assignment import generations_of
    from fourtower_workers.bootstrapping import arrange_index, check_plan, filled_by
    from fourtower_workers.settings import WorkerSettings

    worker = read_settings(WorkerSettings, index=index, alias=alias, token=token, model=model)
    plan = _plan(worker, catalog, settings)
    with closing(generations_of(worker)) as generations:
        check_plan(generations, plan)
        findings, facts = _topics(kafka) if topics else ([], None)
        findings += arrange_index(generations, filled_by(plan, facts), catalog_given=catalog is not None)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _show(findings)
    if any(finding.state == "differs" for finding in findings):
        raise typer.Exit(1)


def _topics(kafka: str | None) -> tuple[list[Finding], TopicFacts | None]:
    from fourtower_ingest.broker.admin import LogAdmin
    from fourtower_ingest.environment import read_settings
    from fourtower_ingest.settings import KafkaSettings, TopicSettings
    from fourtower_workers.bootstrapping import arrange_topics

    with LogAdmin(read_settings(KafkaSettings, bootstrap=kafka)) as admin:
        return arrange_topics(admin, read_settings(TopicSettings))


def _plan(worker: WorkerSettings, catalog: Path | None, settings: str) -> GenerationPlan:
    from fourtower_encoders.checkpoint import locate, read_checkpoint
    from fourtower_search.schema import CatalogSchema
    from fourtower_workers.bootstrapping import layout_from, plan_of

    layout = layout_from(settings)
    source = worker.model or "demo"
    schema = CatalogSchema.load(catalog) if catalog else CatalogSchema()
    return plan_of(read_checkpoint(locate(source)), source, schema, layout, None)


def _show(findings: Sequence[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("what", "state", ""):
        table.add_column(name)
    for finding in findings:
        table.add_row(finding.what, finding.state, finding.message)
    Console().print(table)
