"""Takes picture files apart without decoding them: format, size, orientation, and the parts worth decoding.

The decoder is only ever shown what it needs for the first frame. Text, colour profiles, thumbnails,
further frames and whatever hides behind the picture never reach it, so they can't hurt it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Literal

from fourtower_encoders.errors import ImageRejected

Format = Literal["JPEG", "PNG", "WEBP", "GIF"]
ACCEPTED = "JPEG, PNG, WebP and GIF"
MAX_BLOCKS = 100_000
"""Ordinary files have some thousands; millions of tiny ones only cost time."""
MAX_SCANS = 64
"""Progressive JPEGs have about ten; each is a pass over all pixels, however short it is in the file."""

_SIGNATURES: tuple[tuple[re.Pattern[bytes], str], ...] = tuple(
    (re.compile(pattern, re.DOTALL), name)
    for pattern, name in (
        (rb"\xff\xd8\xff", "JPEG"),
        (rb"\x89PNG\r\n\x1a\n", "PNG"),
        (rb"RIFF....WEBP", "WEBP"),
        (rb"GIF8[79]a", "GIF"),
        (rb"II\*\0|MM\0\*|II\+\0|MM\0\+", "a TIFF or camera raw file"),
        (rb"BM.{12}", "a BMP file"),
        (rb"\0\0[\x01\x02]\0", "an icon file"),
        (rb"8BPS", "a Photoshop file"),
        (rb"%PDF", "a PDF file"),
        (rb"%!PS", "a PostScript file"),
        (rb"....ftypavi[fs]", "an AVIF file"),
        (rb"....ftyp(?:hei|hev|mif|msf)", "a HEIC file"),
        (rb"....ftyp", "a video file"),
        (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000 file"),
        (rb"\0\0\0\x0cJXL |\xff\x0a", "a JPEG XL file"),
        (rb"PK\x03\x04", "a zip archive"),
        (rb"\x1f\x8b", "a gzip file"),
        (rb"(?:\xef\xbb\xbf)?\s*<(?:\?xml[^>]*>\s*<)?svg", "an SVG file"),
        (rb"(?:\xef\xbb\xbf)?\s*<(?i:!doctype|html|head|body)", "an HTML page"),
    )
)


@dataclass(frozen=True)
class Container:
    """A picture file, taken apart."""

    format: Format
    width: int
    height: int
    bits: int
    """Per sample, as stored."""
    exif: bytes
    """The raw EXIF block (a small TIFF file), empty if there is none."""
    essential: bytes
    """A file of the same format that holds the first frame and nothing else."""


def take_apart(data: bytes) -> Container:
    """Read a file's structure.

    Raises:
        ImageRejected: it is none of the accepted formats, is cut off, or makes no sense.
    """
    kind = _identify(data)
    try:
        match kind:
            case "JPEG":
                return _jpeg(data)
            case "PNG":
                return _png(data)
            case "WEBP":
                return _webp(data)
            case "GIF":
                return _gif(data)
    except (struct.error, IndexError) as error:
        raise _truncated(kind) from error
    raise ImageRejected(f"The picture is {kind}; accepted are {ACCEPTED}.")


def _identify(data: bytes) -> str:
    head = data[:512]
    for pattern, name in _SIGNATURES:
        if pattern.match(head):
            return name
    return "of an unknown kind" if data else "empty (0 bytes)"


def _truncated(kind: str) -> ImageRejected:
    return ImageRejected(f"The {kind} file is cut off: a part announced in it is missing. Fetch or export it again.")


def _damaged(kind: str, what: str) -> ImageRejected:
    return ImageRejected(f"The {kind} file is damaged: {what}. Export it again.")


def _blocks(kind: str) -> Iterator[int]:
    """Counts a file's blocks, up to the limit."""
    for number in count():
        if number == MAX_BLOCKS:
            raise ImageRejected(f"The {kind} file consists of more than {MAX_BLOCKS} blocks. Export it again.")
        yield number


# JPEG: segments of marker, length and content; between a start of scan and the next marker, coded pixels.

_JPEG_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
_SOF = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_ALONE = {0x01, 0xD8}
_APP = {*range(0xE0, 0xF0)}
_COLOUR_APP = {0xE0, 0xEE}  # JFIF and Adobe decide how components become colours
_COMMENT, _EXIF, _SOS, _EOI = 0xFE, 0xE1, 0xDA, 0xD9


def _jpeg(data: bytes) -> Container:
    kept, frames, exif, at, scans = [b"\xff\xd8"], [], b"", 2, 0
    for _ in _blocks("JPEG"):
        marker = _JPEG_MARKER.search(data, at)
        until = marker.start() if marker else len(data)
        if scans:
            kept.append(data[at:until])
        if marker is None or marker[1][0] == _EOI:
            break
        code, at = marker[1][0], marker.end()
        if code in _ALONE:
            continue
        body = _jpeg_segment(data, at)
        at += 2 + len(body)
        scans += code == _SOS
        if code in _SOF:
            frames.append(body)
        if code == _EXIF and body.startswith(b"Exif\0\0"):
            exif = exif or body[6:]
        if code != _COMMENT and (code not in _APP or code in _COLOUR_APP):
            kept.append(data[until:at])
    if len(frames) != 1 or not 1 <= scans <= MAX_SCANS:
        raise _damaged("JPEG", f"it has {len(frames)} frames and {scans} scans, not 1 and at most {MAX_SCANS}")
    bits, height, width = struct.unpack_from(">BHH", frames[0])
    return Container("JPEG", width, height, bits, exif, b"".join(kept) + b"\xff\xd9" * (marker is not None))


def _jpeg_segment(data: bytes, at: int) -> bytes:
    (length,) = struct.unpack_from(">H", data, at)
    if length < 2 or at + length > len(data):
        raise _truncated("JPEG")
    return data[at + 2 : at + length]


# PNG: chunks of length, type, content and checksum.

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_ESSENTIAL = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}


def _png(data: bytes) -> Container:
    kept, exif, at, kind = [_PNG_SIGNATURE], b"", len(_PNG_SIGNATURE), b""
    for number in _blocks("PNG"):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise _truncated("PNG")
        if number == 0 and (kind, length) != (b"IHDR", 13):
            raise _damaged("PNG", "it does not begin with its header")
        if kind in _PNG_ESSENTIAL:
            kept.append(data[at:end])
        elif kind == b"eXIf":
            exif = data[at + 8 : end - 4]
        at = end
        if kind == b"IEND":
            break
    width, height, bits = struct.unpack_from(">IIB", data, 16)
    return Container("PNG", width, height, bits, exif, b"".join(kept))


# WebP: RIFF chunks of type, length and content, padded to even length.

_WEBP_ESSENTIAL = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM"}
_KEPT_FLAGS = 0x12  # alpha and animation; profile, EXIF and XMP go


def _webp(data: bytes) -> Container:
    kept: list[bytes] = []
    size: tuple[int, int] | None = None
    exif, at, has_frame = b"", 12, False
    end_of_file = 8 + struct.unpack_from("<I", data, 4)[0]
    if end_of_file > len(data):
        raise _truncated("WebP")
    for _ in _blocks("WebP"):
        if at + 8 > end_of_file:
            break
        kind, length = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + length]
        if len(body) < length:
            raise _truncated("WebP")
        size = size or _webp_size(kind, body)
        if kind == b"EXIF":
            exif = body.removeprefix(b"Exif\0\0")
        elif kind in _WEBP_ESSENTIAL or (kind == b"ANMF" and not has_frame):
            kept.append(_riff_chunk(kind, bytes([body[0] & _KEPT_FLAGS]) + body[1:] if kind == b"VP8X" else body))
            has_frame |= kind == b"ANMF"
        at += 8 + length + length % 2
    if size is None:
        raise _damaged("WebP", "it holds no picture")
    return Container("WEBP", *size, 8, exif, _riff_chunk(b"RIFF", b"WEBP" + b"".join(kept)))


def _webp_size(kind: bytes, body: bytes) -> tuple[int, int] | None:
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", body, 1)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", body, 6)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _riff_chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


# GIF: a screen, then extensions and frames, each a chain of sub-blocks of up to 255 bytes.

_GIF_EXTENSION, _GIF_FRAME, _GIF_CONTROL = 0x21, 0x2C, 0xF9


def _gif(data: bytes) -> Container:
    screen_width, screen_height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + _palette_bytes(flags)
    screen, control = data[:at], b""
    for _ in _blocks("GIF"):
        if data[at] == _GIF_FRAME:
            break
        if data[at] != _GIF_EXTENSION:
            raise _damaged("GIF", "it holds no picture")
        if data[at + 1] == _GIF_CONTROL:
            control = _gif_transparency(data[at + 3 : at + 7])
        at = _end_of_sub_blocks(data, at + 2)
    left, top, width, height, flags = struct.unpack_from("<HHHHB", data, at + 1)
    end = _end_of_sub_blocks(data, at + 11 + _palette_bytes(flags))
    essential = screen + control + data[at:end] + b";"
    # A frame may reach beyond the screen, which then grows.
    return Container("GIF", max(screen_width, left + width), max(screen_height, top + height), 8, b"", essential)


def _palette_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _gif_transparency(control: bytes) -> bytes:
    """The frame's control block without delay and disposal, which matter to animations only."""
    return b"!\xf9\x04" + bytes([control[0] & 1, 0, 0, control[3]]) + b"\0"


def _end_of_sub_blocks(data: bytes, at: int) -> int:
    for _ in _blocks("GIF"):
        if data[at] == 0:
            break
        at += 1 + data[at]
    return at + 1
