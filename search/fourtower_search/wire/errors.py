"""Errors as they travel: a code for programs, a sentence for people, and back to the error that was raised."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fourtower_encoders.errors import CheckpointError, EncoderError, ImageRejected, ImageUnavailable, OutOfMemory
from fourtower_search.errors import (
    AccessDenied,
    CursorExpired,
    IndexMismatch,
    IndexUnavailable,
    InvalidCatalog,
    InvalidFilter,
    InvalidQuery,
    Overloaded,
    SearchError,
    UnknownProduct,
    Unsupported,
)

INTERNAL = "Something went wrong in the service; its log says what, under this request's id."


class Problem(NamedTuple):
    """An error as the service answers it."""

    status: int
    code: str
    message: str
    retry_after_s: float | None = None


STATUS = {
    "invalid_query": 422,
    "invalid_filter": 422,
    "invalid_catalog": 422,
    "invalid_request": 422,
    "unsupported": 422,
    "cursor_expired": 410,
    "unknown_product": 404,
    "not_found": 404,
    "not_allowed": 405,
    "image_unavailable": 424,
    "unauthenticated": 401,
    "forbidden": 403,
    "too_large": 413,
    "unsupported_media": 415,
    "misdirected": 421,
    "rate_limited": 429,
    "index_unavailable": 503,
    "index_mismatch": 503,
    "overloaded": 503,
    "internal": 500,
}
"""Every code that a service answers, and the HTTP status that it comes with."""

_CODES: tuple[tuple[type[Exception], str], ...] = (
    (InvalidFilter, "invalid_filter"),
    (CursorExpired, "cursor_expired"),
    (InvalidQuery, "invalid_query"),
    (InvalidCatalog, "invalid_catalog"),
    (UnknownProduct, "unknown_product"),
    (Unsupported, "unsupported"),
    (Overloaded, "overloaded"),
    (IndexUnavailable, "index_unavailable"),
    (AccessDenied, "forbidden"),
    (IndexMismatch, "index_mismatch"),
    (ImageUnavailable, "image_unavailable"),
    (ImageRejected, "invalid_query"),
    (OutOfMemory, "overloaded"),
    (CheckpointError, "index_mismatch"),
)
"""The first one that fits an error is its code; subclasses stand before their parents."""

_KINDS: dict[str, Callable[[str], SearchError | EncoderError]] = {
    "invalid_query": InvalidQuery,
    "invalid_filter": InvalidFilter,
    "invalid_catalog": InvalidCatalog,
    "invalid_request": InvalidQuery,
    "unsupported": Unsupported,
    "cursor_expired": CursorExpired,
    "unknown_product": UnknownProduct,
    "not_found": IndexMismatch,
    "not_allowed": IndexMismatch,
    "image_unavailable": ImageUnavailable,
    "unauthenticated": AccessDenied,
    "forbidden": AccessDenied,
    "too_large": InvalidQuery,
    "unsupported_media": IndexMismatch,
    "misdirected": IndexMismatch,
    "index_mismatch": IndexMismatch,
}
_PASSING: dict[str, type[IndexUnavailable]] = {
    "rate_limited": Overloaded,
    "overloaded": Overloaded,
    "index_unavailable": IndexUnavailable,
}


def problem_of(error: Exception) -> Problem:
    """What a service answers for an error; of one that nobody foresaw it tells no details."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), "internal")
    foreseen = isinstance(error, SearchError | EncoderError)
    wait_s = getattr(error, "retry_after_s", 1.0) if STATUS[code] == 503 or code == "image_unavailable" else None
    return Problem(STATUS[code], code, str(error) if foreseen else INTERNAL, wait_s)


def error_of(code: str, message: str, *, status: int, retry_after_s: float | None = None) -> SearchError | EncoderError:
    """The error that a client raises for what a service answered; a code of a later version goes by its status."""
    known = code if code in STATUS else _code_by_status(status)
    if known in _PASSING:
        return _PASSING[known](message, retry_after_s=1.0 if retry_after_s is None else retry_after_s)
    return _KINDS.get(known, SearchError)(message)


def _code_by_status(status: int) -> str:
    by_status = {status: code for code, status in reversed(STATUS.items())}  # the first of each status
    return {**by_status, 502: "index_unavailable", 503: "index_unavailable", 504: "index_unavailable"}.get(
        status, "invalid_query" if 400 <= status < 500 else "internal"
    )
