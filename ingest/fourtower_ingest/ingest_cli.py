"""The command `fourtower ingest`: read catalog events from Kafka and have them indexed."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from fourtower_ingest.environment import Setting
    from fourtower_ingest.settings import IngestSettings


def _option(help: str, variable: str, *names: str) -> Any:
    return typer.Option(*names, help=help, envvar=f"FOURTOWER_{variable}", show_default=False)


Bootstrap = Annotated[str | None, _option("Addresses of Kafka, separated by commas.", "KAFKA_BOOTSTRAP")]
Redis = Annotated[
    str | None, typer.Option("--redis", help="redis://host:port/db", envvar="FOURTOWER_REDIS_URL", show_default=False)
]
Group = Annotated[str | None, _option("Of consumers; all processes of one index share it.", "INGESTER_GROUP")]
Instance = Annotated[str | None, _option("A name kept across restarts, such as a pod's.", "INGESTER_INSTANCE")]
Alias = Annotated[str | None, _option("Which index.", "INGESTER_ALIAS")]
Generation = Annotated[int | None, _option("Which generation of it.", "INGESTER_GENERATION")]
MetricsPort = Annotated[int | None, _option("For metrics and probes; 0: none.", "INGESTER_METRICS_PORT")]
Heartbeat = Annotated[Path | None, _option("File that is touched while it works.", "INGESTER_HEARTBEAT_FILE")]
LogFormat = Annotated[str | None, _option("pretty or json.", "INGESTER_LOG_FORMAT")]
ShowSettings = Annotated[bool, typer.Option("--settings", help="List all settings, and stop.")]
AsJson = Annotated[bool, typer.Option("--json", help="With --settings: print JSON.")]


def ingest(
    *,
    bootstrap: Bootstrap = None,
    redis: Redis = None,
    group: Group = None,
    instance: Instance = None,
    alias: Alias = None,
    generation: Generation = None,
    metrics_port: MetricsPort = None,
    heartbeat_file: Heartbeat = None,
    log_format: LogFormat = None,
    settings: ShowSettings = False,
    as_json: AsJson = False,
) -> None:
    """Read catalog events from Kafka and have workers index them.

    Runs until it is told to end (SIGTERM, Ctrl-C): then it waits for what
    is in flight, and commits. A second signal ends it at once; nothing is
    lost by that either. Everything not listed here is set by the
    environment; `--settings` lists it all.

    \b
    Example:
      fourtower topics create
      fourtower ingest --bootstrap localhost:9092 --redis redis://localhost/0
    """
    own = {
        "group": group,
        "instance": instance,
        "alias": alias,
        "generation": generation,
        "metrics_port": metrics_port,
        "heartbeat_file": heartbeat_file,
        "log_format": log_format,
    }
    read = read_all(kafka={"bootstrap": bootstrap}, redis={"url": redis}, ingester=own)
    if settings:
        _show(read, as_json=as_json)
    else:
        _run(read)


def read_all(*, kafka: dict[str, Any], redis: dict[str, Any], ingester: dict[str, Any]) -> IngestSettings:
    """All settings from the environment; those given and not None take precedence."""
    from fourtower_ingest import settings
    from fourtower_ingest.environment import read_settings

    return settings.IngestSettings(
        kafka=read_settings(settings.KafkaSettings, **kafka),
        redis=read_settings(settings.RedisSettings, **redis),
        topics=read_settings(settings.TopicSettings),
        flow=read_settings(settings.FlowSettings),
        ingester=read_settings(settings.IngesterSettings, **ingester),
    )


def _run(settings: IngestSettings) -> None:
    from fourtower_ingest.logs import set_up_logs
    from fourtower_ingest.running import run_ingester

    set_up_logs(settings.ingester.log_format, settings.ingester.log_level, process=settings.ingester.instance)
    ending = threading.Event()
    ended_by(ending.set)
    run_ingester(settings, ending)


def ended_by(end: Callable[[], None]) -> None:
    """Have the first SIGTERM or SIGINT call a function, and the second one end the process as usual."""

    def first(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)
        end()

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, first)


def _show(settings: IngestSettings, *, as_json: bool) -> None:
    from dataclasses import asdict

    from fourtower_ingest.environment import list_settings

    listed = list_settings([settings.kafka, settings.redis, settings.topics, settings.flow, settings.ingester])
    if as_json:
        typer.echo(json.dumps([asdict(setting) for setting in listed], indent=2))
        return
    _print_table(listed)


def _print_table(listed: list[Setting]) -> None:
    from rich.console import Console, Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("setting")
    table.add_column("value")
    for setting in listed:
        meaning = Padding(Text(setting.description, style="dim"), (0, 0, 0, 2))
        changed = "" if setting.value == setting.default else "bold"
        table.add_row(Group(Text(setting.variable), meaning), Text(setting.value, style=changed))
    Console().print(table)
