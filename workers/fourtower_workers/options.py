"""Options by which the commands of streaming name an index, and the settings that all options and variables give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fourtower_ingest.options import option

if TYPE_CHECKING:
    from fourtower_ingest.settings import IngestSettings
    from fourtower_workers.settings import WorkerSettings

Index = Annotated[str | None, option("Server of the index, milvus://host:19530.", "WORKER_INDEX")]
Alias = Annotated[str | None, option("Which index of the server.", "WORKER_ALIAS")]
Generation = Annotated[int | None, option("Which generation of it.", "WORKER_GENERATION", min=1)]
Token = Annotated[str | None, option("Of the server, user:password.", "WORKER_TOKEN")]
LAYOUT = 'Index type and parameters as JSON, such as {"type": "IVF_FLAT"}.'
Layout = Annotated[str, typer.Option("--settings", help=LAYOUT)]


def read_both(
    *,
    kafka: str | None,
    group: str | None,
    index: str | None,
    alias: str | None,
    token: str | None,
    redis: str | None = None,
    generation: int | None = None,
) -> tuple[IngestSettings, WorkerSettings]:
    """The settings of ingester and worker; what an option left out comes from the environment.

    Raises:
        InvalidSettings: a value can't be used.
    """
    from fourtower_ingest.environment import read_settings
    from fourtower_ingest.ingest_cli import read_all
    from fourtower_workers.settings import WorkerSettings

    stream = read_all(kafka={"bootstrap": kafka}, redis={"url": redis}, ingester={"group": group})
    return stream, read_settings(WorkerSettings, index=index, alias=alias, generation=generation, token=token)
