"""Runs the service as a process: its port, its probes, its end."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from contextlib import closing
from typing import TYPE_CHECKING

from fourtower_ingest.errors import InvalidSettings
from fourtower_ingest.probes import ProbeServer
from fourtower_search.errors import AccessDenied

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from fourtower_search.service.settings import ServiceSettings

BACKLOG = 2048
log = logging.getLogger("fourtower.service")


def run_service(settings: ServiceSettings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was begun.

    Raises:
        InvalidSettings: the address can't be listened on, or others could reach it and no keys are set.
        SearchError: the index can't be opened, and never will as things are.
    """
    from fourtower_search.service.app import create_app
    from fourtower_search.service.keys import InvalidKeyFile

    ending = threading.Event()
    try:
        app = create_app(settings, failed=ending.set)
    except (AccessDenied, InvalidKeyFile) as error:
        raise InvalidSettings(str(error)) from error
    service = app.state.service
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())  # the server hands on what it was sent when it has ended
    with closing(listening(settings.host, settings.port)) as listener:
        probes = ProbeServer(
            service.metrics.registry,
            host=settings.host,
            port=settings.probe_port,
            live=lambda: "",
            ready=lambda: "The service is ending." if ending.is_set() else service.unready(),
        )
        try:
            _announce(listener, probes, settings)
            _server(app, settings, ending).run(sockets=[listener])
        finally:
            probes.close()
    if service.failure is not None:
        raise service.failure


def _server(app: FastAPI, settings: ServiceSettings, ending: threading.Event) -> uvicorn.Server:
    """A server that ends when it is told to, by a signal or the event."""
    import uvicorn

    class Server(uvicorn.Server):
        async def on_tick(self, counter: int) -> bool:
            self.should_exit = self.should_exit or ending.is_set()
            if self.should_exit:
                ending.set()
            return await super().on_tick(counter)

    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=max(1, round(settings.grace_s)),
    )
    return Server(config)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        InvalidSettings: the address can't be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(BACKLOG)
    except OSError as error:
        raise InvalidSettings(
            f"The service can't listen on {host}:{port} ({error.strerror}); choose another --port or --host."
        ) from error
    return found


def _announce(listener: socket.socket, probes: ProbeServer, settings: ServiceSettings) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    log.info("Listening on http://%s:%d; probes and metrics on port %d.", shown, port, probes.port)
    if settings.keys is None and not settings.is_private:
        log.warning("No API keys are set: everybody who reaches %s may search.", host)
