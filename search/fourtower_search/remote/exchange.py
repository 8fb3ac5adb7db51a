"""One request and its answer over HTTP, repeated where that may help, always within the call's time."""

from __future__ import annotations

import random
import ssl
import time
import uuid
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpcore

from fourtower_encoders.connections import Connections
from fourtower_encoders.errors import EncoderError
from fourtower_encoders.release import own_version
from fourtower_encoders.vetted_network import BoundedNetwork, Deadline
from fourtower_search.errors import IndexMismatch, IndexUnavailable, InvalidQuery, SearchError
from fourtower_search.remote.address import Address
from fourtower_search.remote.answers import Answer, Refusal, read_json, refuse, unpacked
from fourtower_search.remote.multipart import Content
from fourtower_search.remote.tls import tls_context
from fourtower_search.serving import CLOSED

CONNECT_S = 5.0
MOST_CONNECTIONS = 64
KEEP_ALIVE_S = 4.0
"""Less than the usual server's five seconds: a connection that is used again should not just have been closed."""
RETRIES = 3
BACKOFF_S = 0.1
"""Before the first repetition; each further one waits twice as long, more or less."""
_FAILURES = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, zlib.error)


class Exchange:
    """Sends requests to one service; threads may share it."""

    def __init__(self, address: Address, *, api_key: str | None, ca_file: Path | None) -> None:
        """Nothing is connected yet.

        Raises:
            InvalidQuery: the key or the certificates can't be used.
        """
        self._address = address
        self._has_key = api_key is not None
        self._headers = _headers(address, api_key)
        self._deadline = Deadline()
        self._tls = tls_context(ca_file) if address.scheme == "https" else None
        self._network = BoundedNetwork(self._deadline)
        self._connections = Connections(self._connection, most=MOST_CONNECTIONS)
        self._closed = False

    def ask(self, method: str, path: str, content: Content | None = None, *, timeout_s: float) -> Any:
        """The JSON that the service answers.

        Args:
            method: of HTTP; every request only reads, whatever its method.
            path: below the service's address.
            content: what is sent.
            timeout_s: of all attempts together.

        Raises:
            SearchError: what the service answered, or why it did not.
            ImageUnavailable: the service could not have a picture this time.
        """
        if self._closed:
            raise SearchError(CLOSED)
        request_id = uuid.uuid4().hex
        with self._deadline.within(timeout_s):
            try:
                return self._repeated(method, path, content, request_id)
            except Refusal as refusal:
                raise _numbered(refusal.error, request_id) from refusal.__cause__
            except IndexMismatch as error:
                raise _numbered(error, request_id) from error.__cause__

    def close(self) -> None:
        """Close idle connections now, and others when their calls end."""
        self._closed = True
        self._connections.close()

    def _repeated(self, method: str, path: str, content: Content | None, request_id: str) -> Any:
        for number in range(RETRIES + 1):
            try:
                return self._once(method, path, content, request_id)
            except Refusal as refusal:
                wait_s = max(refusal.wait_s, BACKOFF_S * 2.0**number * random.uniform(0.5, 1.5))
                if not refusal.passing or number == RETRIES or wait_s >= self._deadline.left_s():
                    raise
            time.sleep(wait_s)
        raise AssertionError("the last attempt raises or returns")

    def _once(self, method: str, path: str, content: Content | None, request_id: str) -> Any:
        try:
            answer = self._answer(method, path, content, request_id)
        except _FAILURES as error:
            raise self._failed(error) from error
        if answer.status != 200:
            refuse(answer, str(self._address), has_key=self._has_key)
        return read_json(answer, str(self._address))

    def _answer(self, method: str, path: str, content: Content | None, request_id: str) -> Answer:
        address = self._address
        url = httpcore.URL(scheme=address.scheme, host=address.host, port=address.port, target=address.prefix + path)
        left_s = max(self._deadline.left_s(), 0.001)
        headers = [*self._headers, ("X-Request-Id", request_id), ("X-Timeout-S", f"{left_s:.3f}")]
        if content is not None:
            headers += [("Content-Type", content.type), ("Content-Length", str(len(content.data)))]
        data = content.data if content else None
        timeouts = {"timeout": {"connect": CONNECT_S}}
        with (
            self._connections.to(url.origin, timeout_s=self._deadline.left_s()) as connection,
            connection.stream(method, url, headers=headers, content=data, extensions=timeouts) as response,
        ):
            found = {name.decode("ascii").lower(): value.decode("latin-1").strip() for name, value in response.headers}
            body = unpacked(response.iter_stream(), found.get("content-encoding", "").lower())
            return Answer(response.status, found, body)

    def _connection(self, origin: httpcore.Origin) -> httpcore.HTTPConnection:
        return httpcore.HTTPConnection(origin, self._tls, keepalive_expiry=KEEP_ALIVE_S, network_backend=self._network)

    def _failed(self, error: Exception) -> Refusal:
        """What a failure of the network means."""
        where, cause = self._address, error.args[0] if error.args else None
        if isinstance(cause, ssl.SSLCertVerificationError):
            sentence = (
                f"The certificate of {where} can't be trusted ({cause.verify_message}); pass the certificates of its "
                "authority as ca_file, and call it by the name that it is for."
            )
            return Refusal(IndexMismatch(sentence), passing=False)
        if isinstance(cause, ssl.SSLError):
            sentence = f"{where} does not speak TLS as it should ({cause.reason}); is it an http:// address?"
            return Refusal(IndexMismatch(sentence), passing=False)
        return Refusal(IndexUnavailable(f"{where} {_reason(error)}"), passing=True)


def _reason(error: Exception) -> str:
    if isinstance(error, httpcore.ConnectTimeout | httpcore.ConnectError):
        return f"can't be reached ({str(error)[:200]}); is the service running there? `fourtower serve` starts one."
    if isinstance(error, httpcore.PoolTimeout):
        return f"was not asked in time: {error}; use fewer threads, or several clients."
    if isinstance(error, httpcore.TimeoutException):
        return "did not answer in time; try again later, or give the call a larger timeout_s."
    if isinstance(error, httpcore.RemoteProtocolError) and "illegal" in str(error).lower():
        return f"does not speak HTTP as it should ({str(error)[:200]}); is it an https:// address?"
    return f"broke off its answer ({type(error).__name__}: {str(error)[:200]}); try again later."


def _numbered(error: SearchError | EncoderError, request_id: str) -> SearchError | EncoderError:
    """The error with the request's id, by which the service's log knows it; a wrong query is none of the log's."""
    if isinstance(error, SearchError) and not isinstance(error, InvalidQuery):
        error.args = (f"{error} (Request {request_id}.)",)
    return error


def _headers(address: Address, api_key: str | None) -> Sequence[tuple[str, str]]:
    packed = "identity" if address.is_here else "gzip"
    headers = [
        ("Host", address.authority),
        ("User-Agent", f"fourtower/{own_version()}"),
        ("Accept", "application/json"),
        ("Accept-Encoding", packed),
    ]
    if api_key is None:
        return headers
    if not isinstance(api_key, str) or not api_key.isascii() or not api_key.isprintable() or not api_key.strip():
        raise InvalidQuery("api_key is not one that `fourtower keys create` gave; check how it was copied.")
    return [*headers, ("Authorization", f"Bearer {api_key.strip()}")]
