"""The way to Redis: one client with short timeouts, the names of all keys, and what Celery is told about both.

Beside `hearing` and the status only workers' reports come this way; redis is imported when a client is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fourtower_ingest.errors import RedisUnavailable
from fourtower_ingest.logs import plain
from fourtower_ingest.settings import RedisSettings
from fourtower_ingest.wire import Topology, queue_name, status_name

if TYPE_CHECKING:
    from redis import Redis

STREAM_TTL_S = 3600
"""A stream or counter that nobody touches for this long is gone."""


def connect(settings: RedisSettings, *, timeout_s: float | None = None) -> Redis:
    """A client whose every call ends within the timeout, and which tries nothing twice; answers are bytes.

    Nothing is sent before its first call.
    """
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    timeout = settings.timeout_s if timeout_s is None else timeout_s
    return Redis.from_url(
        settings.url.get_secret_value(),
        **_tls(settings),
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
    )


def _no_answer(where: str, error: Exception) -> str:
    return f"Redis at {where} does not answer ({plain(str(error))})."


@contextmanager
def answering(settings: RedisSettings, told: Callable[[str, Exception], str] = _no_answer) -> Iterator[None]:
    """Translate what the client raises where Redis does not answer, or refuses.

    Args:
        settings: of that Redis.
        told: the sentence for it, made of Redis's address and the client's error.

    Raises:
        RedisUnavailable: Redis did not answer.
    """
    from redis.exceptions import RedisError

    try:
        yield
    except (RedisError, OSError) as error:
        raise RedisUnavailable(told(address(settings), error)) from error


def broker_prefix(settings: RedisSettings) -> str:
    """What the names of Celery's own keys begin with (kombu's `global_keyprefix`)."""
    return f"{settings.prefix}:celery:"


def queue_key(settings: RedisSettings, topology: Topology) -> str:
    """The list in which the tasks of a generation wait."""
    return broker_prefix(settings) + queue_name(topology)


def unacked_key(settings: RedisSettings) -> str:
    """The hash of the tasks, of all generations, that workers took and did not acknowledge yet."""
    return broker_prefix(settings) + "unacked"


def status_pattern(settings: RedisSettings) -> str:
    """Matches the statuses of all processes."""
    return status_name(settings.prefix, "*")


def broker_settings(settings: RedisSettings, *, visibility_timeout_s: float) -> dict[str, Any]:
    """The part of Celery's configuration on which who publishes and who consumes must agree."""
    url = settings.url.get_secret_value()
    shared: dict[str, Any] = {
        "broker_url": url,
        "broker_transport_options": {
            "global_keyprefix": broker_prefix(settings),
            "visibility_timeout": visibility_timeout_s,
            "socket_timeout": settings.timeout_s,
            "socket_connect_timeout": settings.timeout_s,
            "socket_keepalive": True,
        },
        "result_backend": None,
        "task_ignore_result": True,
        "task_serializer": "json",
        "accept_content": ["json"],
    }
    if tls := _tls(settings):
        shared["broker_use_ssl"] = tls
    return shared


def _tls(settings: RedisSettings) -> dict[str, Any]:
    """How the server's certificate is checked, where there is one."""
    if not settings.url.get_secret_value().startswith("rediss://"):
        return {}
    checked = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
    return checked if settings.ca_file is None else {**checked, "ssl_ca_certs": str(settings.ca_file)}


def address(settings: RedisSettings) -> str:
    """Where Redis is, for messages: without user and password."""
    from urllib.parse import urlsplit

    parts = urlsplit(settings.url.get_secret_value())
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
