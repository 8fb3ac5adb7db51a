"""Files that call themselves pictures: small ones that unpack to much, cut ones, other formats, two formats at once."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

from PIL import Image

HUGE_SIDE = 10_000
LARGEST_SIDE = 6_300
"""Of a square that is just not too large."""


def write_bombs(folder: Path) -> dict[str, bool]:
    """Put all of them into a folder; file names, and whether each is a picture that can be used."""
    files = {
        "huge.png": (_flat_png(HUGE_SIDE, HUGE_SIDE), False),
        "huge-16-bit.png": (_flat_png(HUGE_SIDE // 2, 2 * HUGE_SIDE, bits=16), False),
        "liar.png": (_flat_png(50_000, 50_000, rows=10), False),
        "largest.png": (_flat_png(LARGEST_SIDE, LARGEST_SIDE), True),
        "text-bomb.png": (_with_text_bomb(_flat_png(64, 64)), True),
        "frames.gif": (_animation(100), True),
        "huge.gif": (struct.pack("<6sHHBBB", b"GIF89a", 65_535, 65_535, 0x80, 0, 0) + bytes(6) + _GIF_FRAME, False),
        "cut.jpg": (_saved("JPEG", side=200)[:1_500], False),
        "cut.png": (_saved("PNG", side=200)[:-40], False),
        "empty.jpg": (b"", False),
        "drawing.jpg": (b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>', False),
        "entities.svg": (b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a "aaaa">]><svg>&a;</svg>', False),
        "script.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file", False),
        "page.png": (b"<!doctype html><script>alert(1)</script>", False),
        "picture-and-archive.png": (_saved("PNG", side=32) + b"PK\x03\x04" + bytes(500), True),
        "picture-and-page.gif": (_saved("GIF", side=32) + b"<script>alert(1)</script>", True),
        "archive-and-picture.png": (b"PK\x03\x04" + bytes(26) + _saved("PNG", side=32), False),
        "drawing.tif": (_saved("TIFF", side=32), False),
    }
    for name, (data, _) in files.items():
        (folder / name).write_bytes(data)
    return {name: usable for name, (_, usable) in files.items()}


_GIF_FRAME = struct.pack("<BHHHHBB", 0x2C, 0, 0, 65_535, 65_535, 0, 2) + b"\x02\x4c\x01\x00\x3b"


def _flat_png(width: int, height: int, *, bits: int = 8, rows: int | None = None) -> bytes:
    """One grey, packed as tightly as it goes; `rows`: fewer than it says."""
    row = bytes(1 + width * bits // 8)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row) for _ in range(height if rows is None else rows)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _with_text_bomb(png: bytes) -> bytes:
    """A comment of 200 MB, packed, before the pixels."""
    packer = zlib.compressobj(9)
    text = b"".join(packer.compress(bytes(1_000_000)) for _ in range(200)) + packer.flush()
    return png[:33] + _chunk(b"zTXt", b"comment\0\0" + text) + png[33:]


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _animation(frames: int) -> bytes:
    buffer = io.BytesIO()
    pictures = [Image.new("RGB", (400, 400), (n, 255 - n, 2 * n)) for n in range(frames)]
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:])
    return buffer.getvalue()


def _saved(kind: str, *, side: int) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((side, side)).convert("RGB").save(buffer, kind)
    return buffer.getvalue()
