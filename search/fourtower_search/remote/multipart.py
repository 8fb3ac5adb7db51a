"""A form with pictures, as bytes: `multipart/form-data` of one JSON field and files."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from fourtower_search.wire.requests import IMAGE_FIELD, REQUEST_FIELD


class Content(NamedTuple):
    """What a request carries."""

    type: str
    data: bytes


def content_of(request: bytes, uploads: Sequence[bytes]) -> Content:
    """JSON alone, or in a form with its pictures."""
    if not uploads:
        return Content("application/json", request)
    boundary = secrets.token_hex(16)
    parts = [_part(REQUEST_FIELD, "application/json", request)]
    parts += [
        _part(f'{IMAGE_FIELD}"; filename="{n}', "application/octet-stream", each) for n, each in enumerate(uploads)
    ]
    opening, end = f"--{boundary}\r\n".encode(), f"--{boundary}--\r\n".encode()
    return Content(f"multipart/form-data; boundary={boundary}", b"".join([*(opening + part for part in parts), end]))


def _part(name: str, kind: str, data: bytes) -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"\r\nContent-Type: {kind}\r\n\r\n'
    return b"".join((head.encode(), data, b"\r\n"))
