"""The command `fourtower worker`: takes batches from the ingester and puts them into the index."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fourtower_ingest.options import AsJson, Redis, ShowSettings
from fourtower_ingest.terminal import show_settings
from fourtower_workers.options import Alias, Generation, Index, Token


def worker(
    *,
    index: Index = None,
    alias: Alias = None,
    generation: Generation = None,
    token: Token = None,
    redis: Redis = None,
    model: Annotated[
        str | None,
        typer.Option(help="Checkpoint; by default the one the index records.", envvar="FOURTOWER_WORKER_MODEL"),
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.", envvar="FOURTOWER_WORKER_DEVICE")] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1, help="Children; by default 2 where there is a GPU, else 1.", envvar="FOURTOWER_WORKER_PROCESSES"
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Pictures that a child decodes at once.", envvar="FOURTOWER_WORKER_THREADS"),
    ] = None,
    image_root: Annotated[
        Path | None,
        typer.Option(help="Folder that picture paths refer to.", envvar="FOURTOWER_WORKER_IMAGE_ROOT"),
    ] = None,
    allow_hosts: Annotated[
        str | None,
        typer.Option(
            help="Hosts that pictures may be fetched from, separated by commas.",
            envvar="FOURTOWER_WORKER_ALLOW_HOSTS",
        ),
    ] = None,
    nice: Annotated[
        int | None,
        typer.Option(min=0, max=19, help="Stand back for other processes.", envvar="FOURTOWER_WORKER_NICE"),
    ] = None,
    heartbeat_file: Annotated[
        Path | None,
        typer.Option(help="Touched while the worker works.", envvar="FOURTOWER_WORKER_HEARTBEAT_FILE"),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(help="Serves /metrics, /livez and /readyz.", envvar="FOURTOWER_WORKER_METRICS_PORT"),
    ] = None,
    log_format: Annotated[
        str | None, typer.Option(help="pretty or json.", envvar="FOURTOWER_WORKER_LOG_FORMAT")
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(help="DEBUG, INFO, WARNING or ERROR.", envvar="FOURTOWER_WORKER_LOG_LEVEL")
    ] = None,
    settings: ShowSettings = False,
    as_json: AsJson = False,
) -> None:
    """Take batches from the ingester, and put them into the index.

    The model is loaded once per child process. Told to end (SIGTERM), a
    worker finishes what it can and puts the rest back. What the options
    leave out comes from the environment; `--settings` lists it all.

    \b
    Example:
      fourtower bootstrap --catalog catalog.toml --index milvus://localhost:19530
      fourtower worker --index milvus://localhost:19530 --image-root catalog
    """
    from fourtower_ingest.environment import read_settings
    from fourtower_ingest.settings import FlowSettings, RedisSettings
    from fourtower_workers.settings import WorkerSettings
    from fourtower_workers.worker_process import run

    own = read_settings(
        WorkerSettings,
        index=index,
        alias=alias,
        generation=generation,
        token=token,
        model=model,
        device=device,
        processes=processes,
        threads=threads,
        image_root=image_root,
        nice=nice,
        allow_hosts=allow_hosts,
        heartbeat_file=heartbeat_file,
        metrics_port=metrics_port,
        log_format=log_format,
        log_level=log_level,
    )
    shared = read_settings(RedisSettings, url=redis), read_settings(FlowSettings)
    if settings:
        show_settings([own, *shared], as_json=as_json)
    else:
        raise typer.Exit(run(own, *shared))
