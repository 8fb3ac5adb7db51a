"""Cursors: a signed token that carries the rest of a ranking, so that pages neither overlap nor leave anything out.

A ranking is computed once. What is left of it, at most 500 products, travels with the caller: no server keeps it, and
any replica with the same key continues it. With ids of 12 random characters, 10 remaining products take about 360
characters, 90 about 1,900, and 490 about 9,600, or a fifth more where scores and relevance differ; ids of 256 random
bytes could make that 190,000, the most there is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fourtower_search.errors import CursorExpired, InvalidQuery, SearchError
from fourtower_search.query.request import MAX_CURSOR

LIFETIME_S = 900
"""How long a cursor is good for, unless its maker says otherwise."""
_FORMAT = b"\x02"
_LEVEL = 4
"""Of compression: 9 takes twice as long, on every search, to save one character of a hundred."""
_PURPOSE = b"fourtower cursor"
"""Signed along, so that a key that also signs other things can't be tricked."""
_MAC = hashlib.sha256().digest_size
_SHORTEST_KEY = 16


Place = tuple[str, int, float, float]
"""A product that is still to be shown: its id, the view that fits best, score, relevance."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The rest of a ranking."""

    generation: str
    """The collection that it is of."""
    request: str
    """Fingerprint of what was asked."""
    page: int
    """Number of the page that comes next; the first was 0."""
    expires_at: int
    """Seconds since 1970."""
    total: int
    """Products of the whole ranking."""
    truncated: bool
    remaining: tuple[Place, ...]


def encode(cursor: Cursor, key: bytes) -> str:
    """The cursor as a token; scores keep four digits, and the relevance is left out where it is the score."""
    _check_key(key)
    ids, views, scores, relevances = zip(*cursor.remaining, strict=True) if cursor.remaining else ((), (), (), ())
    content = [
        *(cursor.generation, cursor.request, cursor.page, cursor.expires_at, cursor.total, cursor.truncated),
        *(ids, views, _digits(scores), "" if relevances == scores else _digits(relevances)),
    ]
    plain = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    body = _FORMAT + zlib.compress(plain, _LEVEL)
    return base64.urlsafe_b64encode(_sign(body, key) + body).decode().rstrip("=")


def decode(token: str, key: bytes, *, generation: str, request: str, now_s: float) -> Cursor:
    """Check a token and read it.

    Args:
        token: as it came.
        key: that it must have been signed with.
        generation: the collection that is searched now.
        request: fingerprint of the request that came with it.
        now_s: seconds since 1970.

    Raises:
        CursorExpired: too old, or of an index that is no longer searched.
        InvalidQuery: not one of ours, changed on its way, or of another request.
    """
    _check_key(key)
    body = _verified(token, key)
    if body[:1] != _FORMAT:
        raise CursorExpired("The cursor is of another version of Fourtower. Start again from the first page.")
    cursor = _read(json.loads(zlib.decompress(body[1:])))
    if now_s >= cursor.expires_at:
        raise CursorExpired("The cursor has expired. Start again from the first page.")
    if cursor.generation != generation:
        raise CursorExpired("The index was rebuilt since this cursor was made. Start again from the first page.")
    if cursor.request != request:
        raise InvalidQuery("The cursor belongs to another query. Send it with the query that it came from.")
    return cursor


def _verified(token: str, key: bytes) -> bytes:
    """The signed content of a token that is exactly as we wrote it."""
    refusal = InvalidQuery("The cursor is none of ours, or was changed. Pass it as it was returned, or leave it out.")
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_") if len(token) <= MAX_CURSOR else b""
    except (binascii.Error, ValueError):
        raise refusal from None
    # Base64 has several spellings of the same bytes; only ours is accepted.
    if base64.urlsafe_b64encode(data).decode().rstrip("=") != token or len(data) <= _MAC:
        raise refusal
    if not hmac.compare_digest(data[:_MAC], _sign(data[_MAC:], key)):
        raise refusal
    return data[_MAC:]


def _read(content: list[Any]) -> Cursor:
    """What was signed needs no further checks."""
    generation, request, page, expires_at, total, truncated, ids, views, scores, relevances = content
    remaining = tuple(zip(ids, views, _numbers(scores), _numbers(relevances or scores), strict=True))
    return Cursor(generation, request, page, expires_at, total, truncated, remaining)


def _sign(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, _PURPOSE + body, "sha256")


def _check_key(key: bytes) -> None:
    if len(key) < _SHORTEST_KEY:
        raise SearchError(f"The key that signs cursors has {len(key)} bytes; use at least {_SHORTEST_KEY} random ones.")


def _digits(numbers: Sequence[float]) -> str:
    """Four digits of each, written in one go."""
    return " ".join(["%.4g"] * len(numbers)) % tuple(numbers)


def _numbers(digits: str) -> Iterator[float]:
    return map(float, digits.split())
