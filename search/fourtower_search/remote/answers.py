"""What comes back over HTTP, read within bounds: its JSON, or the error that it stands for."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, NoReturn

from fourtower_encoders.errors import EncoderError
from fourtower_search.errors import AccessDenied, IndexMismatch, IndexUnavailable, SearchError
from fourtower_search.wire.errors import error_of

MOST_BYTES = 64_000_000
"""Of an answer, unpacked."""
LONGEST_MESSAGE = 2000
LONGEST_WAIT_S = 1e9
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that may be another one in a moment; every request only reads, so that it can be repeated."""
_LASTING = frozenset({"internal", "index_mismatch"})
"""Codes of ours that won't."""
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")


class Answer(NamedTuple):
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    """By name in lower case."""
    body: bytes


class Refusal(Exception):
    """The service, or something before it, said no."""

    def __init__(self, error: SearchError | EncoderError, *, passing: bool, wait_s: float = 0.0) -> None:
        super().__init__(str(error))
        self.error, self.passing, self.wait_s = error, passing, wait_s


def unpacked(pieces: Iterable[bytes], encoding: str) -> bytes:
    """A body, within bounds whatever it grows to.

    Raises:
        IndexMismatch: it is too large, or packed in a way that was not asked for.
    """
    if encoding not in ("", "identity", "gzip"):
        raise IndexMismatch(f"The service packs its answers as {encoding!r:.40}, which was not asked for.")
    unpack = zlib.decompressobj(16 + zlib.MAX_WBITS) if encoding == "gzip" else None
    data = bytearray()
    for piece in pieces:
        data += unpack.decompress(piece, MOST_BYTES + 1 - len(data)) if unpack else piece
        if len(data) > MOST_BYTES:
            raise IndexMismatch(f"The answer has more than {MOST_BYTES:,} bytes; ask for fewer products at a time.")
    if unpack and not unpack.eof:
        raise zlib.error("the answer is cut off")
    return bytes(data)


def read_json(answer: Answer, where: str) -> Any:
    """The JSON of an answer that is no refusal.

    Raises:
        IndexMismatch: it is something else.
    """
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise IndexMismatch(
            f"At {where} is no Fourtower service: it answers {_plain(kind)[:60] or 'something'} in place of JSON. "
            "Check the address."
        )
    try:
        return _decoded(answer.body)
    except (ValueError, RecursionError) as error:
        raise IndexMismatch(f"The answer of {where} is no valid JSON; something on the way may have cut it.") from error


def refuse(answer: Answer, where: str, *, has_key: bool) -> NoReturn:
    """Raise what an answer with an error's status means.

    Raises:
        Refusal: always; with the error for the caller, and whether it may pass.
    """
    header_s = retry_after_s(answer.headers.get("retry-after", ""))
    said = _error_form(answer)
    if said is None:
        raise Refusal(_foreign(answer, where, header_s), passing=answer.status in PASSING, wait_s=header_s or 0.0)
    code, message, exact_s = said
    error = error_of(
        code, _advised(code, message, where, has_key), status=answer.status, retry_after_s=exact_s or header_s
    )
    raise Refusal(error, passing=answer.status in PASSING and code not in _LASTING, wait_s=header_s or exact_s or 0.0)


def retry_after_s(value: str) -> float | None:
    """Seconds that the service asks to wait, given as a number or a date; None if it says nothing sensible."""
    if value.isdecimal() and len(value) <= 9:
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError, IndexError, TypeError):  # the standard parser trips over some dates
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((aware - datetime.now(UTC)).total_seconds(), 0.0)


def _decoded(body: bytes) -> Any:
    form = _JSON.decode(body.decode())
    if _HALF.search(body):
        json.dumps(form, ensure_ascii=False).encode()  # half a character is no text: nobody could print it
    return form


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


_JSON = json.JSONDecoder(parse_constant=_refuse_constant)


def _error_form(answer: Answer) -> tuple[str, str, float | None] | None:
    """Code, sentence and wait of an error in our shape."""
    try:
        form = _decoded(answer.body)
    except (ValueError, RecursionError):
        return None
    if type(form) is not dict or type(form.get("code")) is not str or type(form.get("message")) is not str:
        return None
    return form["code"], _plain(form["message"]), _exact_s(form.get("detail"))


def _exact_s(detail: Any) -> float | None:
    """How long to wait; the header counts whole seconds."""
    wait_s: Any = detail.get("retry_after_s") if type(detail) is dict else None
    if type(wait_s) not in (int, float) or not 0 <= wait_s < LONGEST_WAIT_S:  # NaN is less than nothing
        return None
    return float(wait_s)


def _plain(text: str) -> str:
    """Text of a stranger, for a terminal."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text[:LONGEST_MESSAGE])


def _advised(code: str, message: str, where: str, has_key: bool) -> str:
    if code == "unauthenticated" and not has_key:
        return f"{message} Pass it as api_key, or on the command line in FOURTOWER_API_KEY."
    if code in ("not_found", "not_allowed"):
        return f"{message} The address given is {where}; it may lack the path under which the service is mounted."
    return message


def _foreign(answer: Answer, where: str, wait_s: float | None) -> SearchError:
    """What an answer means that none of our services gave: a proxy, or something else altogether."""
    status = answer.status
    if 300 <= status < 400:
        to = _plain(answer.headers.get("location", ""))[:200]
        return IndexMismatch(
            f"{where} redirects to {to or 'elsewhere'}, which is not followed; give the address there."
        )
    if status in (401, 403):
        return AccessDenied(f"{where} denies access ({status}); what stands before the service may ask for more.")
    if status in PASSING:
        return IndexUnavailable(
            f"{where} answers {status}; the service behind it may be starting or too busy. Try again later.",
            retry_after_s=1.0 if wait_s is None else wait_s,
        )
    return IndexMismatch(f"At {where} is no Fourtower service: it answers {status}. Check the address and its path.")
