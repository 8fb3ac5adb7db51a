"""Measures pictures before anything decodes them, and refuses those with more pixels than the service takes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from starlette.concurrency import run_in_threadpool

from fourtower_encoders.containers import take_apart
from fourtower_encoders.errors import ImageRejected
from fourtower_encoders.images import DEFAULT_LIMITS, ImageSource, read_source
from fourtower_search.errors import InvalidQuery


async def check_sizes(pictures: Sequence[ImageSource], most: int) -> None:
    """Refuse a query with a picture of too many pixels; those at URLs are measured when they were fetched.

    Raises:
        InvalidQuery: there is one.
    """
    if pictures and most < DEFAULT_LIMITS.max_pixels:  # beyond that, whoever decodes it refuses it
        await run_in_threadpool(_check, pictures, most)


def excess(data: bytes, most: int) -> str:
    """What is wrong with the size of a picture file, or nothing; what is no picture is for others to refuse."""
    with suppress(ImageRejected):
        container = take_apart(data)
        if container.width * container.height > most:
            size = f"{container.width:,}x{container.height:,}"
            return f"It has {size} pixels, and {most:,} are allowed; send a smaller one."
    return ""


def _check(pictures: Sequence[ImageSource], most: int) -> None:
    for place, source in enumerate(pictures, 1):
        if reason := excess(_bytes_of(source), most):
            raise InvalidQuery(f"Picture {place} of the request is too large. {reason}")


def _bytes_of(source: ImageSource) -> bytes:
    """Of what was sent; nothing of what has to be fetched first, or can't be read."""
    if isinstance(source, bytes):
        return source
    if isinstance(source, str) and source[:5].lower() == "data:":
        with suppress(ImageRejected):
            return read_source(source)
    return b""
