"""The command `fourtower ingest`: read catalog events from Kafka and have them indexed."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

from fourtower_ingest.options import AsJson, Group, Kafka, Redis, ShowSettings, option
from fourtower_ingest.terminal import show_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from fourtower_ingest.settings import IngestSettings


Instance = Annotated[str | None, option("A name kept across restarts, such as a pod's.", "INGESTER_INSTANCE")]
Alias = Annotated[str | None, option("Which index.", "INGESTER_ALIAS")]
Generation = Annotated[int | None, option("Which generation of it.", "INGESTER_GENERATION")]
DeadLetters = Annotated[
    bool | None,
    option(
        "Whether what can't be indexed becomes a dead letter, or is only counted.",
        "INGESTER_DEAD_LETTERS",
        "--dead-letters/--no-dead-letters",
    ),
]
MetricsPort = Annotated[int | None, option("For metrics and probes; 0: none.", "INGESTER_METRICS_PORT")]
Heartbeat = Annotated[Path | None, option("File that is touched while it works.", "INGESTER_HEARTBEAT_FILE")]
LogFormat = Annotated[str | None, option("pretty or json.", "INGESTER_LOG_FORMAT")]


def ingest(
    *,
    bootstrap: Kafka = None,
    redis: Redis = None,
    group: Group = None,
    instance: Instance = None,
    alias: Alias = None,
    generation: Generation = None,
    dead_letters: DeadLetters = None,
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
      fourtower ingest --kafka localhost:9092 --redis redis://localhost/0
    """
    own = {
        "group": group,
        "instance": instance,
        "alias": alias,
        "generation": generation,
        "dead_letters": dead_letters,
        "metrics_port": metrics_port,
        "heartbeat_file": heartbeat_file,
        "log_format": log_format,
    }
    read = read_all(kafka={"bootstrap": bootstrap}, redis={"url": redis}, ingester=own)
    if settings:
        show_settings([read.kafka, read.redis, read.topics, read.flow, read.ingester], as_json=as_json)
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
