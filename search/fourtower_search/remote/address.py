"""The address of a service: `http://host:8000`, `https://search.example/shop`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

from fourtower_search.errors import InvalidQuery

LONGEST = 500
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252})")
_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service is."""

    scheme: str
    host: str
    port: int
    prefix: str
    """Of every path, where the service is mounted in an application or behind a proxy; without a slash at the end."""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read an address as a person writes it.

        Raises:
            InvalidQuery: it is none, or holds more than an address does.
        """
        try:
            parts = urlsplit(text) if len(text) <= LONGEST and text.isprintable() else None
            port = parts.port if parts else None
        except ValueError:  # a port that is no number, a bracket too many
            parts, port = None, None
        if parts is None or parts.scheme not in _PORTS:
            _refuse("that can't be read")
        _check(parts)
        return cls(parts.scheme, parts.hostname or "", port or _PORTS[parts.scheme], parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        """Host and port, as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_here(self) -> bool:
        """It is this machine's own."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.prefix}"


def _check(parts: SplitResult) -> None:
    if parts.username is not None or parts.password is not None:
        _refuse("with a user or password; pass the service's key as api_key")
    if parts.query or parts.fragment:
        _refuse("with a query or a fragment")
    host = parts.hostname or ""
    if not _HOST.fullmatch(host) and not _is_ip(host):
        _refuse("with no usable host")
    if not _PATH.fullmatch(parts.path):
        _refuse("with no usable path")


def _is_ip(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def _refuse(reason: str) -> NoReturn:
    """The address itself is not repeated: it may hold a password."""
    raise InvalidQuery(f"This is an address of a service {reason}; write http://host:8000 or https://host.")
