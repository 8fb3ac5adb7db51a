"""Connections to vetted addresses only, none of which outlives the deadline of the fetch that uses it.

A name is resolved once, every address of the answer is checked, and the connection goes to the address
that was checked: an answer that changes in between has no effect.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import httpcore

from fourtower_encoders.addresses import is_allowed
from fourtower_encoders.errors import ImageRejected
from fourtower_encoders.fetch_policy import FetchPolicy

Resolver = Callable[[str, int], list[str]]
"""From a host name and a port to addresses; raises OSError if there are none."""


def resolve(host: str, port: int) -> list[str]:
    """Ask the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Deadline:
    """The time by which what the calling thread does now must be over."""

    def __init__(self) -> None:
        self._local = threading.local()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Start the clock for this thread."""
        self._local.at = time.monotonic() + seconds
        try:
            yield
        finally:
            del self._local.at

    def left_s(self) -> float:
        """Seconds left, negative when it is over."""
        return float(self._local.at) - time.monotonic()

    def cap(self, timeout_s: float | None, over: type[Exception]) -> float:
        """At most `timeout_s`, but no longer than what is left; raises `over` if that is nothing."""
        left = self.left_s()
        if left <= 0:
            raise over("the time is over")
        return left if timeout_s is None else min(timeout_s, left)


class BoundedNetwork(httpcore.NetworkBackend):
    """Makes httpcore's connections; unlike its own, it also bounds how long a name is looked up."""

    def __init__(self, deadline: Deadline, resolver: Resolver = resolve) -> None:
        self._deadline = deadline
        self._resolver = resolver
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
            return in_time(lambda: self._resolver(host, port), cap)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("the name was not resolved in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError("the name can't be resolved") from error


class VettedNetwork(BoundedNetwork):
    """Connects to a host only if all of its addresses are allowed."""

    def __init__(self, policy: FetchPolicy, deadline: Deadline, resolver: Resolver = resolve) -> None:
        super().__init__(deadline, resolver)
        self._policy = policy

    def _addresses(self, host: str, port: int, timeout: float | None) -> list[str]:
        addresses = super()._addresses(host, port, timeout)
        ranges = self._policy.private_ranges(host)
        if not all(is_allowed(address, ranges) for address in addresses):
            raise ImageRejected(
                f"{host} is not fetched from because its address is not public; if it is your own image host, "
                "name it in FetchPolicy.allow_hosts and its range in allow_private."
            )
        return addresses


class BoundedStream(httpcore.NetworkStream):
    """A stream whose every operation also ends with the deadline of the calling thread."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has come, as soon as something has."""
        return self._stream.read(max_bytes, self._deadline.cap(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it."""
        self._stream.write(buffer, self._deadline.cap(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same connection, encrypted."""
        try:
            cap = self._deadline.cap(timeout, httpcore.ConnectTimeout)
            secured = self._stream.start_tls(ssl_context, server_hostname, cap)
        except BaseException:
            self._stream.close()  # nobody else knows of it yet
            raise
        return BoundedStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """What the stream knows of itself."""
        return self._stream.get_extra_info(info)


def in_time(call: Callable[[], list[str]], timeout_s: float) -> list[str]:
    """The result of a call that has no timeout of its own; a thread that hangs is left behind."""
    result: Future[list[str]] = Future()

    def run() -> None:
        try:
            result.set_result(call())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=run, name="fourtower-resolve", daemon=True).start()
    return result.result(timeout_s)
