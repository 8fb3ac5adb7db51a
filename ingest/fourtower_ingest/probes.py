"""Serves metrics and probes over HTTP on a port of their own: `/metrics`, `/livez` and `/readyz`.

A probe never asks Kafka, Redis or the index: their absence is no reason to restart a process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from threading import Thread
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from fourtower_ingest.errors import InvalidSettings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Probe = Callable[[], str]
"""Answers with what is wrong; nothing where all is well."""


class ProbeServer:
    """Answers on a port until it is closed.

    Args:
        registry: the metrics.
        host: the address to listen on.
        port: 0 takes any that is free.
        live: whether the process still works; if not, it should be restarted.
        ready: whether it takes part.

    Raises:
        InvalidSettings: the port can't be listened on.
    """

    def __init__(self, registry: CollectorRegistry, *, host: str, port: int, live: Probe, ready: Probe) -> None:
        app = _application(make_wsgi_app(registry), {"/livez": live, "/readyz": ready})
        try:
            self._server = make_server(host, port, app, server_class=_Server, handler_class=_Quiet)
        except OSError as error:
            raise InvalidSettings(
                f"Metrics can't be served on {host}:{port} ({error.strerror}); choose another port or address."
            ) from error
        self.port: int = self._server.server_port
        self._thread = Thread(target=self._server.serve_forever, name="fourtower-probes", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Server(ThreadingWSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    timeout = 10  # a client that says nothing holds no thread for ever

    def log_message(self, format: str, *args: Any) -> None:
        """Probes come every few seconds; they are no news."""


def _application(metrics: WSGIApplication, probes: dict[str, Probe]) -> WSGIApplication:
    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            return metrics(environ, start_response)
        probe = probes.get(path)
        problem = probe() if probe else "There is only /metrics, /livez and /readyz here."
        status = HTTPStatus.OK if not problem else HTTPStatus.SERVICE_UNAVAILABLE if probe else HTTPStatus.NOT_FOUND
        start_response(f"{status.value} {status.phrase}", [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{problem or 'ok'}\n".encode()]

    return answer
