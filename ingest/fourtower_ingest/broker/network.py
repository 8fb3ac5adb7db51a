"""The client's connections, taught to tell why they fail, and to leave no socket open when they do.

The client drops what a broker says right before it hangs up, which is how brokers refuse a password, and asks again
until its time is over; what failed is only in its log.
"""

from __future__ import annotations

import ssl
from typing import Any

from kafka import errors
from kafka.net.compat import KafkaNetClient
from kafka.net.inet import KafkaNetSocket, create_connection
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport

CREDENTIALS = (
    errors.SaslAuthenticationFailedError,
    errors.UnsupportedSaslMechanismError,
    errors.IllegalSaslStateError,
)
DIRECT = "direct://"
"""As the client's `proxy_url`: no proxy, but a socket of this module's."""


class Network(KafkaNetClient):  # type: ignore[misc]
    """The network part of a client; `last_failure` is why a connection was last not made."""

    def __init__(self, **configs: Any) -> None:
        selector = NetworkSelector(**configs)
        self._connections = _Connections(selector, **configs)
        super().__init__(net=selector, manager=self._connections, **configs)

    @property
    def last_failure(self) -> Exception | None:
        """Why the last connection that failed did; None if none did."""
        return self._connections.last_failure


class ClosingSocket(KafkaNetSocket):  # type: ignore[misc]
    """Connects directly, and closes the socket where that fails."""

    SCHEMES = ("direct",)

    async def sock_connect(self, net: Any, sock: Any, sockaddr: Any, timeout_at: float | None = None) -> Any:
        """Connect, or close the socket."""
        try:
            return await super().sock_connect(net, sock, sockaddr, timeout_at=timeout_at)
        except BaseException:
            sock.close()
            raise


class _LastWords:
    """Hands on what came before the end of a connection; the next read finds the end again."""

    def _sock_recv(self) -> tuple[bytes, Any]:
        data, error = super()._sock_recv()  # type: ignore[misc]
        return data, None if data else error


class _Plain(_LastWords, KafkaTCPTransport):  # type: ignore[misc]
    pass


class _Secured(_LastWords, KafkaSSLTransport):  # type: ignore[misc]
    pass


class _Connections(KafkaConnectionManager):  # type: ignore[misc]
    """Remembers why connections fail; once they are refused, no other attempt is made."""

    last_failure: Exception | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._noted: dict[Any, Any] = {}
        """The connection to each broker whose end is waited for."""

    def get_connection(self, node_id: Any, **options: Any) -> Any:
        """A connection to a broker, which may still be under way."""
        if isinstance(self.last_failure, CREDENTIALS):
            raise self.last_failure
        connection = super().get_connection(node_id, **options)
        if connection is not self._noted.get(node_id):  # it is asked for again and again while it is under way
            self._noted[node_id] = connection
            connection.init_future.add_errback(self._note)
        return connection

    def _note(self, error: Exception) -> None:
        self.last_failure = error

    async def _build_transport(self, node: Any, timeout_at: float | None = None) -> Any:
        options = self.config["socket_options"]
        sock = await create_connection(
            self._net, node.host, node.port, options, proxy_url=self.config["proxy_url"], timeout_at=timeout_at
        )
        if self.ssl_enabled:
            transport = _Secured(self._net, sock, host=node.host, ssl_context=self.config["ssl_context"])
        else:
            transport = _Plain(self._net, sock, host=node.host)
        try:
            await transport.handshake()
        except Exception as error:
            transport.close()
            raise errors.KafkaConnectionError(f"Handshake failed: {error}") from error
        return transport


def is_untrusted(error: Exception | None) -> bool:
    """Whether a connection failed because the broker's certificate is none that we trust."""
    return error is not None and isinstance(error.__cause__, ssl.SSLCertVerificationError)
