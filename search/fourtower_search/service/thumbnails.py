"""Makes small pictures of products from wherever the catalog says that they are, and keeps the latest in memory."""

from __future__ import annotations

import hashlib
import io
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fourtower_encoders.errors import ImageRejected
from fourtower_encoders.images import DEFAULT_LIMITS, ImageLimits, load_image

if TYPE_CHECKING:
    from pathlib import Path

    from fourtower_encoders.fetching import ImageFetcher

SIDES = (160, 320, 480, 640, 960)
"""Of the longer side, in pixels: other sizes are rounded up to one of these, so that few are made."""
QUALITY = 82
KEPT_BYTES = 64_000_000
KEPT_S = 600.0
"""A file or an address may get another content under the same name."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture as it is sent."""

    content: bytes
    etag: str
    made_s: float


class Thumbnails:
    """The latest small pictures; used by one event loop."""

    def __init__(self, *, most_bytes: int = KEPT_BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_bytes, self._clock = most_bytes, clock
        self._kept: OrderedDict[tuple[bytes, int], Thumbnail] = OrderedDict()
        self._bytes = 0

    def get(self, source: str, side: int) -> Thumbnail | None:
        """One that is not too old."""
        key = _key(source, side)
        found = self._kept.get(key)
        if found is not None and self._clock() - found.made_s > KEPT_S:
            self._drop(key)
            return None
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, source: str, side: int, content: bytes) -> Thumbnail:
        """Keep a new one, and as many older ones as there is room for."""
        key = _key(source, side)
        if key in self._kept:
            self._drop(key)
        made = Thumbnail(content, f'"{hashlib.sha256(content).hexdigest()[:32]}"', self._clock())
        self._kept[key] = made
        self._bytes += len(content)
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._kept)))
        return made

    def _drop(self, key: tuple[bytes, int]) -> None:
        self._bytes -= len(self._kept.pop(key).content)


def make_thumbnail(
    source: str,
    side: int,
    *,
    root: Path | None,
    fetcher: ImageFetcher | None,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> bytes:
    """A small WebP picture of what a catalog names.

    A path is looked for beneath `root`, the folder of pictures, or not at all: a catalog must not show other files of
    this machine. An address is got by the fetcher, if there is one.

    Raises:
        ImageRejected: there is no such picture, or it breaks a rule.
        ImageUnavailable: it could not be had this time.
    """
    if source.startswith("inline:"):
        raise ImageRejected(
            "The catalog sent it inline, and the index keeps no pictures; publish it as a file or address."
        )
    if root is None and source[:5].lower() != "data:" and "://" not in source:
        raise ImageRejected("The service was not told the folder of the catalog's pictures (image_root).")
    image = load_image(source, limits=limits, root=root, fetcher=fetcher, at_least=side)
    image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=QUALITY, method=2)
    return buffer.getvalue()


def rounded_side(side: int) -> int:
    """The size that is made where this one is asked for."""
    return next((each for each in SIDES if each >= side), SIDES[-1])


def _key(source: str, side: int) -> tuple[bytes, int]:
    """Sources may be `data:` addresses of any length."""
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).digest(), side
