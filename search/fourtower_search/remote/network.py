"""Plain connections whose every operation ends with the deadline of the calling thread."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path

import certifi
import httpcore

from fourtower_encoders.vetted_network import BoundedStream, Deadline, in_time, resolve
from fourtower_search.errors import InvalidQuery


class Network(httpcore.NetworkBackend):
    """Makes httpcore's connections; unlike its own, it also bounds how long a name is looked up."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first of the host's addresses that answers."""
        failure: Exception = httpcore.ConnectError("the name has no address")
        for address in self._addresses(host, port, timeout):
            cap = self._deadline.cap(timeout, httpcore.ConnectTimeout)
            try:
                stream = self._plain.connect_tcp(address, port, cap, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return BoundedStream(stream, self._deadline)
        raise failure

    def _addresses(self, host: str, port: int, timeout: float | None) -> list[str]:
        cap = self._deadline.cap(timeout, httpcore.ConnectTimeout)
        try:
            return in_time(lambda: resolve(host, port), cap)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("the name was not resolved in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError("the name can't be resolved") from error


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Certificates are always checked: by the public authorities, and those of a file.

    Raises:
        InvalidQuery: the file can't be used.
    """
    context = ssl.create_default_context(cafile=certifi.where())
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, TypeError, ValueError) as error:
            raise InvalidQuery(f"ca_file {str(ca_file)!r:.200} is no readable PEM file of certificates.") from error
    return context
