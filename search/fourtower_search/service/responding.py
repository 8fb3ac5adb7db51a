"""Makes answers: JSON, compressed where that is worth it, with the times that it took to find them."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

LEAST_COMPRESSED = 1_000
"""Bytes; smaller answers fit one packet anyway."""
LEVEL = 4
"""Of compression: a third larger than the best, in a tenth of its time."""
_NO_TOKEN = re.compile(r"[^A-Za-z0-9_-]+")


def answer(request: Request, form: Mapping[str, Any], *, timings_ms: Mapping[str, float] | None = None) -> Response:
    """An answer that worked; `form` is JSON already, and nothing checks it here."""
    body = json.dumps(form, allow_nan=False, separators=(",", ":")).encode()
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
    if timings_ms:
        headers["Server-Timing"] = ", ".join(f"{_token(name)};dur={spent:.1f}" for name, spent in timings_ms.items())
    if len(body) >= LEAST_COMPRESSED and accepts_gzip(request.headers.get("accept-encoding", "")):
        body = gzip.compress(body, LEVEL, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers, media_type="application/json")


def accepts_gzip(accepted: str) -> bool:
    """Whether a caller can read gzip."""
    for each in accepted.lower().split(","):
        coding, _, quality = each.partition(";")
        if coding.strip() in ("gzip", "*"):
            return not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", quality)
    return False


def _token(name: str) -> str:
    return _NO_TOKEN.sub("-", name)
