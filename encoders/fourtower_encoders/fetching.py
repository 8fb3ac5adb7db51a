"""Fetches picture files over HTTP(S), within the bounds of a FetchPolicy.

Redirects are followed here, each hop vetted like the first; retries depend on what went wrong; no
cookies, no proxies, no compressed answers. The connection rules are in `vetted_network`.
"""

from __future__ import annotations

import random
import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self, TypeVar

import httpcore

from fourtower_encoders.certificates import tls_context
from fourtower_encoders.connections import Connections
from fourtower_encoders.errors import ImageRejected, ImageUnavailable
from fourtower_encoders.fetch_policy import FetchPolicy, Target
from fourtower_encoders.patience import Patience
from fourtower_encoders.release import own_version
from fourtower_encoders.vetted_network import Deadline, Resolver, VettedNetwork, resolve

__all__ = ["FetchPolicy", "Fetched", "ImageFetcher"]

_KEEP_ALIVE_S = 30.0
_QUICK_S = 1.0
"""A refusal that comes sooner is an answer like any other."""
_REDIRECTS = {301, 302, 303, 307, 308}
_PASSING = {408, 425, 429}
_UNNAMED_TYPES = {"", "application/octet-stream", "binary/octet-stream"}
_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]*"')
_FAILURES = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)
_T = TypeVar("_T")


@dataclass(frozen=True)
class Fetched:
    """The answer to a conditional request."""

    data: bytes | None
    """None: unchanged since the etag that was passed."""
    etag: str | None
    """What to pass next time; None if the host sends none."""


class _Passing(Exception):
    """Something that may go well in a moment."""

    def __init__(self, reason: str, wait_s: float = 0.0, *, retry: bool = True) -> None:
        super().__init__(reason)
        self.wait_s = wait_s
        self.retry = retry


class ImageFetcher:
    """Fetches pictures; safe to use from many threads at once. Use it as a context manager, or close it.

    Args:
        policy: what may be fetched.
        resolver: from a host and port to addresses; the system's own by default.

    Raises:
        InvalidConfig: the policy's `ca_file` can't be used.
    """

    def __init__(self, policy: FetchPolicy, *, resolver: Resolver = resolve) -> None:
        self._policy = policy
        self._deadline = Deadline()
        self._agent = f"fourtower/{own_version()}"
        self._tls = tls_context(policy.ca_file)
        self._patience = Patience(policy.patience_s)
        self._network = VettedNetwork(policy, self._deadline, resolver)
        self._connections = Connections(self._connection, most=policy.max_connections)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()

    def fetch(self, url: str) -> bytes:
        """Get the bytes of one picture file; they are not decoded yet.

        Raises:
            ImageRejected: the policy, or the answer (4xx, too big, no picture), says no for good.
            ImageUnavailable: timeouts, failures of network or host: try again later.
        """
        data = self.fetch_if_changed(url, None).data
        assert data is not None  # "not modified" only answers a condition
        return data

    def fetch_if_changed(self, url: str, etag: str | None) -> Fetched:
        """Get one picture file unless the host says that it still has this etag.

        Args:
            url: what to fetch.
            etag: from an earlier answer, quotes included; anything malformed is as good as None.

        Raises:
            ImageRejected: see `fetch`.
            ImageUnavailable: see `fetch`.
        """
        target = self._policy.target(url)
        condition = etag if etag is not None and _ETAG.fullmatch(etag) else None
        with self._asking(target), self._deadline.within(self._policy.deadline_s):
            return self._retrying(lambda: self._follow(target, condition), target)

    @contextmanager
    def _asking(self, target: Target) -> Iterator[None]:
        """Ask a host unless it has kept us waiting too often, and note how it did."""
        host = (target.host, target.port)
        if wait_s := self._patience.ask(host):
            raise ImageUnavailable(
                f"{target} is not asked for now: its host has kept us waiting in vain for "
                f"{self._policy.patience_s:g} s and is left alone for {wait_s:.0f} s more; try again later."
            )
        began = time.monotonic()
        try:
            yield
        except BaseException as error:
            seconds = time.monotonic() - began
            if isinstance(error, ImageRejected) and seconds < _QUICK_S:
                self._patience.answered(host)
            else:
                self._patience.failed(host, seconds)
            raise
        self._patience.answered(host)

    def _retrying(self, attempt: Callable[[], _T], target: Target) -> _T:
        for number in range(self._policy.retries + 1):
            try:
                return attempt()
            except _Passing as error:
                last, wait_s = error, max(error.wait_s, self._backoff_s(number))
            if not last.retry or number == self._policy.retries or wait_s >= self._deadline.left_s():
                break
            time.sleep(wait_s)
        raise ImageUnavailable(f"{target} could not be fetched after {number + 1} attempts: {last}.") from last

    def _backoff_s(self, number: int) -> float:
        return self._policy.backoff_s * 2.0**number * random.uniform(0.5, 1.5)

    def _follow(self, target: Target, condition: str | None) -> Fetched:
        for _ in range(self._policy.max_redirects + 1):
            answer = self._ask(target, condition)
            if isinstance(answer, Fetched):
                return answer
            target = self._policy.target(answer, base=target)
        raise ImageRejected(
            f"{target} comes after more than {self._policy.max_redirects} redirects; link the picture itself."
        )

    def _ask(self, target: Target, condition: str | None) -> Fetched | str:
        """One request: the picture, or where it has gone."""
        url = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        headers, timeouts = self._headers(target, condition), self._timeouts()
        try:
            with (
                self._connections.to(url.origin, timeout_s=self._deadline.left_s()) as connection,
                connection.stream("GET", url, headers=headers, extensions=timeouts) as response,
            ):
                return self._judge(response, target, condition)
        except _FAILURES as error:
            cause = error.args[0] if error.args else None
            retry = not isinstance(cause, ssl.SSLCertVerificationError)
            raise _Passing(f"{type(error).__name__} ({str(error)[:200]})", retry=retry) from error

    def _headers(self, target: Target, condition: str | None) -> list[tuple[str | bytes, str | bytes]]:
        headers: list[tuple[str | bytes, str | bytes]] = [
            ("Host", target.authority),
            ("User-Agent", self._agent),
            ("Accept", "image/jpeg, image/png, image/webp, image/gif"),
            ("Accept-Encoding", "identity"),
        ]
        return headers if condition is None else [*headers, ("If-None-Match", condition)]

    def _timeouts(self) -> dict[str, dict[str, float]]:
        connect_s, read_s = self._policy.connect_timeout_s, self._policy.read_timeout_s
        return {"timeout": {"connect": connect_s, "read": read_s, "write": read_s}}

    def _connection(self, origin: httpcore.Origin) -> httpcore.HTTPConnection:
        return httpcore.HTTPConnection(origin, self._tls, keepalive_expiry=_KEEP_ALIVE_S, network_backend=self._network)

    def _judge(self, response: httpcore.Response, target: Target, condition: str | None) -> Fetched | str:
        status = response.status
        location = _header(response, "location")
        if status in _REDIRECTS and location:
            return location
        if status == 304 and condition is not None:
            return Fetched(None, _header(response, "etag") or condition)
        if status in _PASSING or status >= 500:
            raise _Passing(f"the host answers {status}", _retry_after_s(_header(response, "retry-after")))
        if status != 200:
            raise ImageRejected(f"{target} can't be had: the host answers {status}.")
        return Fetched(self._body(response, target), _header(response, "etag") or None)

    def _body(self, response: httpcore.Response, target: Target) -> bytes:
        kind = _header(response, "content-type").partition(";")[0].strip().lower()
        if not kind.startswith("image/") and kind not in _UNNAMED_TYPES:
            raise ImageRejected(f"{target} is not a picture: the host calls it {kind[:80]!r}.")
        if _header(response, "content-encoding").lower() not in {"", "identity"}:
            raise ImageRejected(f"{target} comes compressed although that was not asked for.")
        announced = _header(response, "content-length")
        self._check_size(int(announced) if announced.isdecimal() else 0, target)
        data = bytearray()
        for piece in response.iter_stream():
            data += piece
            self._check_size(len(data), target)
        return bytes(data)

    def _check_size(self, size: int, target: Target) -> None:
        if size > self._policy.max_bytes:
            raise ImageRejected(f"{target} has more than max_bytes = {self._policy.max_bytes}; link a smaller picture.")


def _header(response: httpcore.Response, name: str) -> str:
    """One header's value, empty if it is missing; a header may hold any bytes."""
    wanted = name.encode()
    return next(
        (value.decode("utf-8", "replace").strip() for key, value in response.headers if key.lower() == wanted), ""
    )


def _retry_after_s(value: str) -> float:
    """Seconds that the host asks to wait, given as a number or a date; 0 if it says nothing sensible."""
    if value.isdecimal() and len(value) <= 9:
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError, IndexError, TypeError):  # the standard parser trips over some dates
        return 0.0
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((aware - datetime.now(UTC)).total_seconds(), 0.0)
