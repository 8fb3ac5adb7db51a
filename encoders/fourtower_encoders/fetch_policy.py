"""What may be fetched and how hard to try: hosts, ports, private ranges, sizes, times, retries."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_network
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

from pydantic import Field, field_validator

from fourtower_encoders.addresses import Network
from fourtower_encoders.config import Frozen
from fourtower_encoders.errors import ImageRejected

ANY_PUBLIC = "*"
MAX_URL_CHARACTERS = 8192
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_HOST_ENTRY = re.compile(rf"\*|(?:\*\.)?{_HOST.pattern}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Target:
    """One vetted URL, in the pieces that a request is made of."""

    scheme: str
    host: str
    """Lower case, without brackets or a final dot."""
    port: int
    path: str
    """With the query; ASCII."""

    @property
    def authority(self) -> str:
        """The Host header: brackets around IPv6, no port if it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole again."""
        return f"{self.scheme}://{self.authority}{self.path}"

    def __str__(self) -> str:
        """For messages: short, and without the query, which may hold a signature."""
        path = self.path.partition("?")[0]
        return f"{self.scheme}://{self.authority}{path if len(path) <= 80 else path[:77] + '...'}"


class FetchPolicy(Frozen):
    """Where pictures may be fetched from and what fetching one may cost. By default, nowhere."""

    allow_hosts: tuple[str, ...] = ()
    """Exact names, `*.example.com` (any name below it), or `*` for all public hosts; empty: no fetching."""
    allow_private: tuple[str, ...] = ()
    """Ranges (CIDR) in private networks where hosts that `allow_hosts` names, other than by `*`, may live."""
    ports: tuple[int, ...] = (80, 443)
    max_bytes: int = Field(default=20_000_000, ge=1)
    connect_timeout_s: float = Field(default=5.0, gt=0)
    read_timeout_s: float = Field(default=10.0, gt=0)
    """Between two pieces of an answer."""
    deadline_s: float = Field(default=30.0, gt=0)
    """For everything together: names, redirects, retries, waiting."""
    patience_s: float = Field(default=60.0, gt=0)
    """How long one host may keep us waiting in vain, all requests added up, before it is left alone for a while."""
    max_redirects: int = Field(default=4, ge=0)
    retries: int = Field(default=2, ge=0)
    """After connection errors, timeouts and the statuses 408, 425, 429 and 5xx."""
    backoff_s: float = Field(default=0.25, ge=0)
    """About the wait before the first retry; each further one takes twice as long."""
    max_connections: int = Field(default=32, ge=1)
    ca_file: Path | None = None
    """Root certificates (PEM) of a shop's own, in addition to the public ones."""

    @field_validator("allow_hosts")
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_host_entry(entry.lower().removesuffix(".")) for entry in value)

    @field_validator("allow_private")
    @classmethod
    def _ranges(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            ip_network(text)
        return value

    def target(self, url: str, *, base: Target | None = None) -> Target:
        """Take a URL (relative to `base`, for a redirect) apart and check scheme, host and port.

        Raises:
            ImageRejected: the policy does not allow it, or it is not a proper URL.
        """
        target = _parse(url, base)
        if self._entry(target.host) is None:
            raise ImageRejected(f"{target} is not fetched: {target.host} is not in FetchPolicy.allow_hosts.")
        if target.port not in self.ports:
            raise ImageRejected(f"{target} is not fetched: port {target.port} is not in FetchPolicy.ports.")
        return target

    def private_ranges(self, host: str) -> tuple[Network, ...]:
        """Where `host` may live besides the public internet: nowhere, unless it is allowed by name."""
        if self._entry(host) in (None, ANY_PUBLIC):
            return ()
        return tuple(ip_network(text) for text in self.allow_private)

    def _entry(self, host: str) -> str | None:
        """The entry of `allow_hosts` that lets `host` in; one with a name goes first."""
        for entry in self.allow_hosts:
            if host == entry or (entry.startswith("*.") and host.endswith(entry[1:])):
                return entry
        return ANY_PUBLIC if ANY_PUBLIC in self.allow_hosts else None


def _parse(url: str, base: Target | None) -> Target:
    """Read a URL strictly: what two readers could understand differently is refused."""
    if len(url) > MAX_URL_CHARACTERS:
        raise ImageRejected(f"The image URL has {len(url)} characters; at most {MAX_URL_CHARACTERS} are accepted.")
    shown = repr(url[:80])
    if _CONTROL.search(url) or "\\" in url:
        raise ImageRejected(f"{shown} holds control characters or backslashes; encode them as %XX.")
    try:
        parts = urlsplit(url if base is None else urljoin(base.url, url))
        port = parts.port
    except ValueError as error:
        raise ImageRejected(f"{shown} is not a valid URL: {error}.") from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise ImageRejected(f"{shown} has a scheme that is not fetched; use http or https.")
    if "@" in parts.netloc:
        raise ImageRejected("An image URL must not contain a user name or password; remove the part before the @.")
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + ("?" if parts.query else "")
    path += quote(parts.query, safe="/%:@!$&'()*+,;=~?")
    port = _DEFAULT_PORTS[parts.scheme] if port is None else port
    return Target(parts.scheme, _host(parts.hostname or "", parts.netloc), port, path)


def _host(name: str, netloc: str) -> str:
    host = name.lower().removesuffix(".")
    try:
        if netloc.startswith("["):
            return _ipv6(host)
    except ValueError as error:
        raise ImageRejected(f"{name[:80]!r} is not an IPv6 address.") from error
    if not _HOST.fullmatch(host):
        raise ImageRejected(f"{name[:80]!r} is not a host name; write international names in their xn-- form.")
    return host


def _host_entry(entry: str) -> str:
    if entry.count(":") > 1:
        return _ipv6(entry.strip("[]"))
    if not _HOST_ENTRY.fullmatch(entry):
        raise ValueError(f"{entry!r} is not a host name, *.name or *; leave out scheme, port and path")
    return entry


def _ipv6(text: str) -> str:
    """One spelling for each address; zones are not addresses."""
    if "%" in text:
        raise ValueError(f"{text!r} has a zone")
    return IPv6Address(text).compressed
