"""The one way in for a picture: bytes, files, URLs and Pillow images become bounded, upright RGB.

Everything here is treated as hostile. A file's structure is read and its size checked before a decoder
sees it (`containers`), and the decoder sees only the first frame, without metadata. Colour profiles are
ignored: samples count as sRGB, and CMYK counts as inverted, as web browsers have it.
"""

from __future__ import annotations

import base64
import binascii
import errno
import os
import re
import stat
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from pydantic import Field

from fourtower_encoders.config import Frozen
from fourtower_encoders.containers import ACCEPTED, take_apart
from fourtower_encoders.errors import ImageRejected, ImageUnavailable
from fourtower_encoders.pixels import orientation_of, to_rgb

if TYPE_CHECKING:
    from fourtower_encoders.fetching import ImageFetcher

ImageSource = bytes | str | Path | Image.Image

_DATA_URL = re.compile(r"data:image/[a-z0-9.+-]+;base64,", re.IGNORECASE)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_PASSING = {errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ETIMEDOUT, errno.EAGAIN}


class ImageLimits(Frozen):
    """What a picture may cost. Formats are fixed: JPEG, PNG, WebP and GIF, of animations the first frame."""

    max_bytes: int = Field(default=20_000_000, ge=1)
    """Of the file."""
    max_pixels: int = Field(default=40_000_000, ge=1, le=89_000_000)
    """Width times height; decoding takes up to about 16 bytes for each."""
    min_side: int = Field(default=1, ge=1)
    """Of the shorter side, in pixels."""


DEFAULT_LIMITS = ImageLimits()


def decode(data: bytes, *, limits: ImageLimits = DEFAULT_LIMITS, at_least: int | None = None) -> Image.Image:
    """Decode a picture file to upright RGB on white.

    Args:
        data: the file's bytes.
        limits: what the picture may cost.
        at_least: the shorter side that the caller needs, in pixels; a large JPEG is then decoded at a
            fraction of its size, which is several times faster.

    Raises:
        ImageRejected: another format, too large, cut off or damaged.
        ImageUnavailable: this machine has no memory left for it.
    """
    _check_bytes(len(data), limits)
    container = take_apart(data)
    size = (container.width, container.height)
    _check_size(size, limits)
    try:
        with Image.open(BytesIO(container.essential), formats=[container.format]) as image:
            if image.size != size:
                raise ImageRejected(f"The {container.format} file contradicts itself about its size.")
            if at_least:
                image.draft("RGB", (at_least, at_least))
            return to_rgb(image, orientation=orientation_of(container.exif), bits=container.bits)
    except ImageRejected:
        raise
    except MemoryError as error:
        raise ImageUnavailable(f"No memory left to decode a picture of {size[0]}x{size[1]} pixels.") from error
    except Exception as error:  # decoders raise whatever they stumble over; none of it may get out
        raise ImageRejected(
            f"The {container.format} file is cut off or damaged ({type(error).__name__}). Export it again."
        ) from error


def load_image(
    source: ImageSource,
    *,
    limits: ImageLimits = DEFAULT_LIMITS,
    root: Path | None = None,
    fetcher: ImageFetcher | None = None,
    at_least: int | None = None,
) -> Image.Image:
    """Get a picture from wherever it is, as upright RGB on white.

    Args:
        source: a file's bytes, a Pillow image, a path, or a string: a `data:image/...;base64,` URL, an
            `http(s)://` URL, or a path.
        limits: what the picture may cost.
        root: paths are relative to this folder and may not lead out of it; None: the caller's own paths.
        fetcher: gets URLs; without one they are refused.
        at_least: see `decode`.

    Raises:
        ImageRejected: the picture, or where it comes from, breaks a rule and always will.
        ImageUnavailable: it could not be had this time.
    """
    if isinstance(source, Image.Image):
        return _from_pillow(source, limits)
    return decode(read_source(source, limits=limits, root=root, fetcher=fetcher), limits=limits, at_least=at_least)


def read_source(
    source: bytes | str | Path,
    *,
    limits: ImageLimits = DEFAULT_LIMITS,
    root: Path | None = None,
    fetcher: ImageFetcher | None = None,
) -> bytes:
    """A picture file's bytes, from wherever it is, not decoded; see `load_image`."""
    if isinstance(source, bytes):
        return source
    if isinstance(source, Path):
        return _read_file(source, limits, root)
    if source[:5].lower() == "data:":
        return _read_data_url(source, limits)
    scheme = _SCHEME.match(source)
    if scheme is None:
        return _read_file(Path(source), limits, root)
    if scheme[1].lower() not in {"http", "https"}:
        raise ImageRejected(f"{_shown(source)} has a scheme that is not accepted; use http, https, data: or a path.")
    if fetcher is None:
        raise ImageRejected(
            f"{_shown(source)} is not fetched because fetching is off; "
            "name the hosts to fetch from in FetchPolicy.allow_hosts and pass an ImageFetcher."
        )
    return fetcher.fetch(source)


def _check_bytes(size: int, limits: ImageLimits, name: str = "The picture") -> None:
    if size > limits.max_bytes:
        raise ImageRejected(f"{name} has {size} bytes, more than max_bytes = {limits.max_bytes}; shrink it.")


def _check_size(size: tuple[int, int], limits: ImageLimits) -> None:
    width, height = size
    if min(size) < limits.min_side:
        raise ImageRejected(f"The picture has {width}x{height} pixels; its sides must be >= {limits.min_side}.")
    if width * height > limits.max_pixels:
        raise ImageRejected(
            f"The picture has {width}x{height} pixels, more than max_pixels = {limits.max_pixels}; shrink it."
        )


def _from_pillow(image: Image.Image, limits: ImageLimits) -> Image.Image:
    _check_size(image.size, limits)
    exif = image.info.get("exif", b"")
    try:
        return to_rgb(image, orientation=orientation_of(exif if isinstance(exif, bytes) else b""))
    except ImageRejected:
        raise
    except MemoryError as error:
        raise ImageUnavailable("No memory left to convert a picture.") from error
    except Exception as error:  # a lazily opened file is only decoded now
        raise ImageRejected(
            f"The Pillow image of mode {image.mode} can't be loaded ({type(error).__name__}); "
            f"load it before passing it, or pass the file's bytes ({ACCEPTED})."
        ) from error


def _read_data_url(url: str, limits: ImageLimits) -> bytes:
    head = _DATA_URL.match(url)
    if head is None:
        raise ImageRejected(f"{_shown(url)} is not of the form data:image/...;base64,...")
    _check_bytes((len(url) - head.end()) // 4 * 3 - 2, limits)  # the padding may be two bytes of that
    try:
        return base64.b64decode(url[head.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageRejected(f"{_shown(url)} is not valid base64.") from error


def _read_file(path: Path, limits: ImageLimits, root: Path | None) -> bytes:
    try:
        return _read_regular(path if root is None else _beneath(root, path), limits)
    except OSError as error:
        kind = ImageUnavailable if error.errno in _PASSING else ImageRejected
        raise kind(f"{_shown(path)} can't be read: {error.strerror or 'not a usable path'}.") from error
    except (ValueError, RuntimeError) as error:  # a zero byte, a lone surrogate, links in a circle
        raise ImageRejected(f"{_shown(path)} is not a usable path.") from error


def _beneath(root: Path, path: Path) -> Path:
    """The file's real place, if that lies in `root`; links are followed before looking."""
    home = root.resolve()
    place = (home / path).resolve()
    if path.is_absolute() or not place.is_relative_to(home):
        raise ImageRejected(f"{_shown(path)} leads out of the image root; give a path inside it.")
    return place


def _read_regular(path: Path, limits: ImageLimits) -> bytes:
    # Without O_NONBLOCK, opening a pipe would wait for somebody to write to it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise ImageRejected(f"{_shown(path)} is not a regular file.")
        _check_bytes(facts.st_size, limits, _shown(path))
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(limits.max_bytes + 1)  # it may have grown since
    finally:
        os.close(descriptor)


def _shown(source: str | Path) -> str:
    """A source in a message: quoted, and never longer than a line."""
    text = str(source)
    return repr(text if len(text) <= 80 else f"{text[:77]}...")
