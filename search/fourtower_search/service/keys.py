"""API keys of the service: made once, recognised by their hash, and read again when their file changes."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import string
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from fourtower_search.service.key_file import InvalidKeyFile, Scope, Stamp, StoredKey, read_keys, stamp_of, utc_now

__all__ = ["ApiKey", "InvalidKeyFile", "KeyRing", "Scope", "new_key"]

PREFIX = "ft"
SECRET_BYTES = 32
LONGEST = 200
"""Characters of a token that are looked at; keys are far shorter."""
CHECK_S = 1.0
"""How often, at most, to look whether the file changed."""
NOBODY = bytes(32)
"""A hash that no secret has; keys that are not known are compared with it, which takes as long as with another."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ApiKey:
    """What a key is good for; the key itself is nowhere."""

    id: str
    name: str
    scopes: frozenset[Scope]
    rate_per_s: float | None
    burst: float
    created: datetime
    expires: datetime | None


@dataclass(frozen=True)
class _Entry:
    stored: StoredKey
    key: ApiKey
    digest: bytes = field(repr=False)

    @classmethod
    def of(cls, stored: StoredKey) -> _Entry:
        rate = stored.rate_per_s
        key = ApiKey(
            id=stored.id,
            name=stored.name,
            scopes=stored.scopes,
            rate_per_s=rate,
            burst=max(1.0, rate or 1.0) if stored.burst is None else stored.burst,
            created=stored.created,
            expires=stored.expires,
        )
        return cls(stored, key, bytes.fromhex(stored.sha256))


class KeyRing:
    """The keys of a file, which may change at any time. Used by one thread, the event loop's."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Read the file.

        Raises:
            InvalidKeyFile: it can't be used.
        """
        self._path, self._clock, self._now = path, clock, now
        self._looked = clock()
        self._stamp = _stamp(path)
        self._entries = _by_id(read_keys(path))

    def find(self, token: str) -> ApiKey | None:
        """The key that a caller sent, if it is valid now.

        It takes as long whether or not there is a key of that id, so that nobody learns which there are.
        """
        self._follow()
        key_id, digest = _taken_apart(token)
        entry = self._entries.get(key_id)
        same = hmac.compare_digest(digest, NOBODY if entry is None else entry.digest)
        return entry.key if entry is not None and same and entry.stored.state(self._now()) == "valid" else None

    def _follow(self) -> None:
        """Read the file again if it changed; while it can't be used, what was read last stays valid."""
        now = self._clock()
        if now - self._looked < CHECK_S:
            return
        self._looked = now
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._entries = _by_id(read_keys(self._path))
        except InvalidKeyFile as error:
            log.error("%s The keys that were read before stay valid.", error)
        else:
            log.info("API keys were read again from %s: %d of them.", self._path, len(self._entries))


def new_key(
    name: str,
    scopes: Iterable[Scope],
    *,
    rate_per_s: float | None = None,
    burst: float | None = None,
    expires: datetime | None = None,
) -> tuple[str, StoredKey]:
    """A key to hand to its user, who must keep it, and what to store of it."""
    key_id = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(8))
    secret = secrets.token_urlsafe(SECRET_BYTES)
    stored = StoredKey(
        id=key_id,
        name=name,
        scopes=frozenset(scopes),
        sha256=_digest(secret).hex(),
        rate_per_s=rate_per_s,
        burst=burst,
        created=utc_now(),
        expires=expires,
    )
    return f"{PREFIX}_{key_id}_{secret}", stored


def _taken_apart(token: str) -> tuple[str, bytes]:
    """The id and the secret's hash; of what can't be a key, an id that none has."""
    prefix, _, rest = token[:LONGEST].partition("_")
    key_id, _, secret = rest.partition("_")
    return (key_id if prefix == PREFIX and secret else ""), _digest(secret)


def _digest(secret: str) -> bytes:
    """Of 256 random bits, so that a quick hash is as good as a slow one."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


def _by_id(stored: Iterable[StoredKey]) -> dict[str, _Entry]:
    return {each.id: _Entry.of(each) for each in stored}


def _stamp(path: Path) -> Stamp | None:
    try:
        return stamp_of(path)
    except OSError:
        return None
