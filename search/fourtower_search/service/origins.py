"""Where requests may come from: the names that the service may be called by, and the sites whose scripts may do so."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers

from fourtower_search.service.refusals import Refused
from fourtower_search.service.settings import ServiceSettings

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
HARMLESS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Names:
    """Names that the service may be called by; empty: any."""

    allowed: frozenset[str]

    def check(self, headers: Headers) -> None:
        """Compare the Host header with them.

        Raises:
            Refused: 421, it is another one: perhaps a foreign page that got its own name to mean this machine.
        """
        given = headers.getlist("host")
        if self.allowed and (len(given) != 1 or host_name(given[0]) not in self.allowed):
            shown = given[0] if len(given) == 1 else "none" if not given else "several"
            raise Refused("misdirected", f"This service is not called {shown!r:.100}; its operator may allow the name.")


@dataclass(frozen=True)
class Origins:
    """Sites whose scripts may call the service, besides its own page."""

    allowed: tuple[str, ...]

    def check(self, method: str, headers: Headers) -> None:
        """Refuse what a foreign page has a browser post here, which costs as much as any search.

        Who sends a key is no such page: a browser adds it to no request of its own accord.

        Raises:
            Refused: 403, it comes from a foreign page.
        """
        if method in HARMLESS or _has_key(headers) or self._knows(headers.get("origin")):
            return
        if _is_foreign(headers):
            raise Refused("forbidden", "Pages of other sites may not call this service; its operator may allow theirs.")

    def _knows(self, origin: str | None) -> bool:
        return origin is not None and (origin in self.allowed or "*" in self.allowed)


def names_of(settings: ServiceSettings) -> Names:
    """Those of the settings; without any, where nothing but being on this machine protects the service, loopback's."""
    if settings.allow_names:
        return Names(_normal(settings.allow_names))
    unprotected = settings.keys is None and settings.is_private
    return Names(_normal((*LOOPBACK, settings.host)) if unprotected else frozenset())


def host_name(host: str) -> str:
    """A Host header's name, without its port."""
    bare = host.strip().lower()
    if bare.count(":") > 1 and not bare.startswith("["):  # an IPv6 address as settings may give it
        bare = f"[{bare}]"
    return re.sub(r"\.?(:[0-9]*)?$", "", bare)


def _normal(names: Iterable[str]) -> frozenset[str]:
    return frozenset(host_name(name) for name in names)


def _has_key(headers: Headers) -> bool:
    return "x-api-key" in headers or headers.get("authorization", "")[:7].lower() == "bearer "


def _is_foreign(headers: Headers) -> bool:
    """By what browsers say of a request; other programs say nothing."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site not in {"same-origin", "none"}
    return origin is not None and origin.partition("://")[2].lower() != headers.get("host", "").lower()
