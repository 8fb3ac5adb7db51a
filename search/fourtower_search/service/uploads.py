"""Reads what requests carry, JSON or a form with pictures, in bounded memory.

What a picture is, its bytes decide when it is decoded; what the sender calls it counts for nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException
from starlette.requests import Request

from fourtower_search.errors import InvalidQuery, Overloaded
from fourtower_search.wire.requests import IMAGE_FIELD, REQUEST_FIELD

MOST_BODIES = 16
"""Bodies of the largest size that are held at a time, by all requests together."""
SLOWEST_S = 60.0
"""A body that takes longer to arrive is given up."""
MOST_BOUNDARY = 200
WORDS = frozenset({"query", "text", "where", "mode", "collapse", "pick", "sort", "freshness", "cursor", "rerank"})
LITERALS = frozenset({"limit", "depth", "min_relevance", "diversity", "image_amount", "explain"})
"""Options that a form may have as fields of their own, for those who write it by hand."""
MOST_LITERAL = 32


@dataclass
class Posted:
    """What came with a request."""

    data: bytes = b""
    """JSON."""
    uploads: list[bytes] = field(default_factory=list)


class Room:
    """Memory for the bodies of all requests."""

    def __init__(self, max_body_bytes: int) -> None:
        self._each, self._all, self._used = max_body_bytes, max_body_bytes * MOST_BODIES, 0

    @asynccontextmanager
    async def read(self, request: Request, *, max_images: int) -> AsyncIterator[Posted]:
        """The body of a request, which takes up room until this ends.

        Raises:
            InvalidQuery: it is no JSON and no form that is understood.
            Overloaded: too much is held already.
            HTTPException: it is too large, too slow, or of another type.
        """
        kind, options = parse_options_header(request.headers.get("content-type"))
        boundary = _boundary(kind, options)
        body = bytearray()
        try:
            await self._fill(body, request)
            yield Posted(bytes(body)) if boundary is None else take_apart(body, boundary, max_images=max_images)
        finally:
            self._used -= len(body)

    async def _fill(self, body: bytearray, request: Request) -> None:
        try:
            async with asyncio.timeout(SLOWEST_S):
                async for chunk in request.stream():
                    self._take(body, chunk)
        except TimeoutError as error:
            raise HTTPException(408, f"The request took longer than {SLOWEST_S:g} s to arrive.") from error

    def _take(self, body: bytearray, chunk: bytes) -> None:
        if len(body) + len(chunk) > self._each:
            raise HTTPException(413, f"The request is larger than {self._each:,} bytes; send smaller pictures.")
        if self._used + len(chunk) > self._all:
            raise Overloaded("The service is reading too many large requests; try again in a moment.", retry_after_s=2)
        body += chunk
        self._used += len(chunk)


def take_apart(body: bytes | bytearray, boundary: bytes, *, max_images: int) -> Posted:
    """The pictures and the JSON of a form.

    Raises:
        InvalidQuery: it is no such form.
    """
    reader = _Reader(max_images)
    try:
        parser = MultipartParser(boundary, reader.callbacks())  # type: ignore[arg-type]  # a plain dict of methods
        parser.write(bytes(body))
        parser.finalize()
    except (FormParserError, UnicodeDecodeError) as error:
        raise InvalidQuery(f"The form (multipart/form-data) can't be read: {error}.") from error
    return reader.posted()


def _boundary(kind: bytes, options: Mapping[bytes, bytes]) -> bytes | None:
    """What separates the parts of a form; None for JSON."""
    if kind == b"application/json":
        return None
    if kind != b"multipart/form-data":
        raise HTTPException(415, "Send application/json, or multipart/form-data with pictures as files `image`.")
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= MOST_BOUNDARY:
        raise InvalidQuery("The form (multipart/form-data) says no usable boundary in its Content-Type.")
    return boundary


class _Reader:
    """Collects the parts of a form; all bounds hold while it is read."""

    def __init__(self, max_images: int) -> None:
        self._max_images, self._max_parts = max_images, max_images + len(WORDS) + len(LITERALS) + 1
        self._images: list[bytearray] = []
        self._fields: dict[str, bytearray] = {}
        self._parts, self._ended = 0, False
        self._header, self._value, self._disposition = bytearray(), bytearray(), b""
        self._content = bytearray()

    def callbacks(self) -> dict[str, Any]:
        """For the parser."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._open,
            "on_part_data": lambda data, start, end: self._content.extend(memoryview(data)[start:end]),
            "on_end": self._end,
        }

    def posted(self) -> Posted:
        """What the form holds."""
        if not self._ended:
            raise InvalidQuery("The form (multipart/form-data) is cut off: its last boundary is missing.")
        return Posted(self._json(), [bytes(image) for image in self._images])

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > self._max_parts:
            raise InvalidQuery(f"The form has more than {self._max_parts} parts.")
        self._disposition = b""

    def _end_header(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header, self._value = bytearray(), bytearray()

    def _open(self) -> None:
        kind, options = parse_options_header(self._disposition.decode("latin-1"))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if kind != b"form-data":
            raise InvalidQuery("A part of the form says no `Content-Disposition: form-data; name=...`.")
        self._content = bytearray()
        if name == IMAGE_FIELD:
            self._add_image()
        elif name not in WORDS | LITERALS | {REQUEST_FIELD}:
            raise InvalidQuery(
                f"The form has no field {name!r:.60}; pictures are files `image`, the rest is `request`."
            )
        elif name in self._fields:
            raise InvalidQuery(f"The form has the field {name} twice.")
        else:
            self._fields[name] = self._content

    def _add_image(self) -> None:
        if len(self._images) == self._max_images:
            raise InvalidQuery(f"The form has more than {self._max_images} pictures.")
        self._images.append(self._content)

    def _end(self) -> None:
        self._ended = True

    def _json(self) -> bytes:
        request = self._fields.pop(REQUEST_FIELD, None)
        if request is not None and self._fields:
            raise InvalidQuery("Give a form the field `request`, with all options as JSON, or fields of their own.")
        if request is not None:
            return bytes(request)
        return json.dumps({name: _plain(name, bytes(value)) for name, value in self._fields.items()}).encode()


def _plain(name: str, value: bytes) -> Any:
    try:
        text = value.decode()
        return text if name in WORDS else json.loads(text) if len(text) <= MOST_LITERAL else text
    except ValueError as error:
        raise InvalidQuery(f"The form's field {name} can't be read: {value[:40]!r}.") from error
