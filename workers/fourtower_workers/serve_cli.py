"""The command `fourtower serve`: answers searches over HTTP, and shows the page to search from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fourtower_ingest.options import AsJson, ShowSettings, option
from fourtower_ingest.terminal import show_settings

if TYPE_CHECKING:
    from fourtower_search.service.settings import ServiceSettings


def serve(
    *,
    index: Annotated[str | None, option("A file, or milvus://host:19530.", "SERVICE_INDEX")] = None,
    alias: Annotated[str | None, option("Which index of the server.", "SERVICE_ALIAS")] = None,
    token: Annotated[str | None, option("Of the Milvus server, user:password.", "SERVICE_TOKEN")] = None,
    model: Annotated[str | None, option("Checkpoint; by default the one the index records.", "SERVICE_MODEL")] = None,
    image_root: Annotated[
        Path | None, option("Folder of the catalog's pictures, to show them.", "SERVICE_IMAGE_ROOT")
    ] = None,
    host: Annotated[str | None, option("The address to listen on; by default 127.0.0.1.", "SERVICE_HOST")] = None,
    port: Annotated[int | None, option("By default 8000; 0 takes any that is free.", "SERVICE_PORT")] = None,
    probe_port: Annotated[
        int | None, option("Of /livez, /readyz and /metrics; by default 8001.", "SERVICE_PROBE_PORT")
    ] = None,
    keys: Annotated[Path | None, option("File of API keys; `fourtower keys create` writes it.", "SERVICE_KEYS")] = None,
    insecure: Annotated[
        bool | None, option("Answer without keys, wherever this listens.", "SERVICE_INSECURE", "--insecure")
    ] = None,
    threads: Annotated[int | None, option("Searches, or batches of them, at a time.", "SERVICE_THREADS")] = None,
    page: Annotated[bool | None, option("Whether to show the page at /.", "SERVICE_PAGE", "--page/--no-page")] = None,
    log_format: Annotated[str | None, option("pretty or json.", "SERVICE_LOG_FORMAT")] = None,
    log_level: Annotated[str | None, option("DEBUG, INFO, WARNING or ERROR.", "SERVICE_LOG_LEVEL")] = None,
    settings: ShowSettings = False,
    as_json: AsJson = False,
) -> None:
    """Answer searches over HTTP, and show a page to search from.

    Runs until it is told to end (SIGTERM, Ctrl-C): then it takes nothing
    more, and finishes what it has begun. One process serves; run several
    behind a load balancer for more. Everything not listed here is set by
    the environment; `--settings` lists it all.

    \b
    Example:
      fourtower serve --index products.db --image-root catalog
      fourtower serve --index milvus://localhost:19530 --host 0.0.0.0 --keys keys.json
    """
    given: dict[str, Any] = {
        "index": index,
        "alias": alias,
        "token": token,
        "model": model,
        "image_root": image_root,
        "host": host,
        "port": port,
        "probe_port": probe_port,
        "keys": keys,
        "insecure": insecure,
        "threads": threads,
        "page": page,
        "log_format": log_format,
        "log_level": log_level,
    }
    read = read_all(given)
    if settings:
        show_settings([read], as_json=as_json)
        return
    from fourtower_ingest.logs import set_up_logs
    from fourtower_workers.serving import run_service

    set_up_logs(read.log_format, read.log_level)
    run_service(read)


def read_all(given: dict[str, Any]) -> ServiceSettings:
    """The settings of the environment; those given and not None take precedence.

    Raises:
        MissingExtra: the service is not installed.
    """
    from fourtower_ingest.environment import read_settings

    try:
        from fourtower_search.service.settings import ServiceSettings
    except ModuleNotFoundError as error:
        from fourtower_encoders.errors import MissingExtra

        raise MissingExtra("The service is not installed; install it with: pip install 'fourtower[service]'") from error
    return read_settings(ServiceSettings, **given)
