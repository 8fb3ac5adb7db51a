"""Makes a query's pictures ready to be sent: files and Pillow images of this machine become bytes.

Files are sent as they are. A Pillow image is sent as PNG, which loses nothing; where it is much larger than what any
model looks at, it is first reduced by a whole factor, as the model's own reduction begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO
from itertools import count
from typing import TYPE_CHECKING

from PIL import Image as Pillow

from fourtower_encoders.errors import EncoderError, ImageError, ImageUnavailable
from fourtower_encoders.images import DEFAULT_LIMITS, ImageSource, load_image, read_source
from fourtower_search.errors import InvalidQuery
from fourtower_search.query.parts import Image, QueryPart
from fourtower_search.query.request import SearchRequest

if TYPE_CHECKING:
    from fourtower_encoders.fetching import ImageFetcher

ENOUGH = 1024
"""Pixels of the shorter side; several times what networks see."""


def ready(requests: Iterable[SearchRequest], fetcher: ImageFetcher | None) -> list[SearchRequest]:
    """Requests all of whose pictures are bytes, or URLs that the service is to fetch.

    Raises:
        InvalidQuery: a picture can't be used.
        ImageUnavailable: it could not be had this time.
    """
    places = count()

    def part(each: QueryPart) -> QueryPart:
        return Image(sendable(each.source, next(places), fetcher), each.weight) if isinstance(each, Image) else each

    def request(each: SearchRequest) -> SearchRequest:
        has_pictures = any(isinstance(one, Image) for one in each.parts)
        return each.model_copy(update={"parts": tuple(map(part, each.parts))}) if has_pictures else each

    return [request(each) for each in requests]


def ready_sources(sources: Sequence[ImageSource], fetcher: ImageFetcher | None) -> list[bytes | str]:
    """The same for pictures alone."""
    return [sendable(source, place, fetcher) for place, source in enumerate(sources)]


def sendable(source: ImageSource, place: int, fetcher: ImageFetcher | None) -> bytes | str:
    """A picture's bytes, or its URL if nothing here fetches it; errors name its place in the query."""
    try:
        if isinstance(source, Pillow.Image):
            return _as_file(source)
        if isinstance(source, str) and source[:8].lower().startswith(("http://", "https://")) and fetcher is None:
            return source
        data = read_source(source, fetcher=fetcher)
    except ImageError as error:
        raise _explained(str(error), place, passing=isinstance(error, ImageUnavailable)) from error
    if len(data) > DEFAULT_LIMITS.max_bytes:
        raise _explained(f"It has {len(data)} bytes; {DEFAULT_LIMITS.max_bytes} are allowed.", place)
    return data


def _as_file(image: Pillow.Image) -> bytes:
    upright = load_image(image)
    factor = min(upright.size) // ENOUGH
    small = upright.reduce(factor) if factor > 1 else upright
    buffer = BytesIO()
    small.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _explained(message: str, place: int, *, passing: bool = False) -> EncoderError | InvalidQuery:
    kind = ImageUnavailable if passing else InvalidQuery
    return kind(f"Picture {place + 1} of the query: {message}")
