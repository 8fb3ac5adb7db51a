"""Hostile and odd files, made by code: what is refused from the structure alone, and what reaches the decoder."""

from __future__ import annotations

import struct
import time
import zlib
from io import BytesIO

import pytest
from PIL import Image, PngImagePlugin
from tests.encoders.pictures import picture, saved

from fourtower_encoders.containers import MAX_BLOCKS, MAX_SCANS, take_apart
from fourtower_encoders.errors import ImageRejected

SECRET = b"not for the decoder"


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_with(*chunks: bytes) -> bytes:
    """A whole PNG with chunks put in behind its header."""
    plain = saved("PNG")
    return plain[:33] + b"".join(chunks) + plain[33:]


def jpeg_segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def jpeg_with(*segments: bytes) -> bytes:
    plain = saved("JPEG")
    return plain[:2] + b"".join(segments) + plain[2:]


def gif_with(*extensions: bytes) -> bytes:
    plain = saved("GIF")
    start = 13 + (3 << (plain[10] & 7) + 1)
    return plain[:start] + b"".join(extensions) + plain[start:]


def same_pixels(first: bytes, second: bytes) -> bool:
    with Image.open(BytesIO(first)) as one, Image.open(BytesIO(second)) as other:
        return one.convert("RGBA").tobytes() == other.convert("RGBA").tobytes()


OTHERS = {
    "TIFF": saved("TIFF"),
    "BMP": saved("BMP"),
    "icon": saved("ICO"),
    "AVIF": saved("AVIF"),
    "JPEG 2000": saved("JPEG2000"),
    "PDF": saved("PDF"),
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0",
    "video": b"\0\0\0\x18ftypmp42\0\0\0\0",
    "JPEG XL": b"\xff\x0a\0\0",
    "Photoshop": b"8BPS\0\1",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0",
    "SVG": b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>",
    "HTML": b"\n<!DOCTYPE html><html><body>404</body></html>",
    "zip": b"PK\3\4rest",
    "gzip": b"\x1f\x8b\x08",
    "empty": b"",
    "unknown": b"hello",
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_formats_are_named(name: str) -> None:
    with pytest.raises(ImageRejected, match=f"{name}.*accepted are JPEG, PNG, WebP and GIF"):
        take_apart(OTHERS[name])


FILES = {
    "JPEG": saved("JPEG"),
    "progressive": saved("JPEG", progressive=True, quality=95),
    "grey JPEG": saved("JPEG", picture("L")),
    "CMYK JPEG": saved("JPEG", picture("CMYK")),
    "restarting JPEG": saved("JPEG", restart_marker_blocks=2),
    "PNG": saved("PNG"),
    "palette PNG": saved("PNG", picture("P"), transparency=3),
    "WebP": saved("WEBP"),
    "lossless WebP": saved("WEBP", lossless=True),
    "transparent WebP": saved("WEBP", picture("RGBA")),
    "GIF": saved("GIF"),
    "transparent GIF": saved("GIF", picture("P"), transparency=3),
    "interlaced GIF": saved("GIF", interlace=True),
}


@pytest.mark.parametrize("name", FILES)
def test_ordinary_files_pass_unharmed(name: str) -> None:
    container = take_apart(FILES[name])
    assert (container.width, container.height) == (40, 24)
    assert same_pixels(container.essential, FILES[name])


@pytest.mark.parametrize("name", [name for name in FILES if "JPEG" not in name and name != "progressive"])
def test_a_file_cut_off_anywhere_is_refused(name: str) -> None:
    data = FILES[name]
    last_needed = len(data) - 1 if "GIF" in name else len(data)  # a GIF's closing byte carries nothing
    for end in range(1, last_needed):
        with pytest.raises(ImageRejected):
            take_apart(data[:end])


def test_a_jpeg_cut_off_in_its_headers_is_refused() -> None:
    data = FILES["JPEG"]
    for end in range(1, data.index(b"\xff\xda")):
        with pytest.raises(ImageRejected):
            take_apart(data[:end])


ANIMATION = {"save_all": True, "append_images": [Image.new("RGB", (40, 24), "red"), Image.new("RGB", (40, 24))]}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("GIF", saved("GIF", **ANIMATION, comment=SECRET)),
        ("APNG", saved("PNG", **ANIMATION)),
        ("WebP", saved("WEBP", **ANIMATION, exif=b"Exif\0\0" + SECRET, icc_profile=SECRET, xmp=SECRET)),
        ("JPEG", saved("JPEG", exif=b"Exif\0\0" + SECRET, icc_profile=SECRET, comment=SECRET, xmp=SECRET)),
        (
            "PNG",
            png_with(
                chunk(b"tEXt", b"a\0" + SECRET),
                chunk(b"iCCP", b"a\0\0" + zlib.compress(SECRET)),
                chunk(b"prIv", SECRET),
            ),
        ),
        ("MPO", saved("MPO", **ANIMATION)),
        ("tail", saved("PNG") + SECRET),
        ("GIF tail", saved("GIF") + SECRET),
        ("JPEG tail", saved("JPEG") + b"PK\3\4" + SECRET),
    ],
)
def test_only_the_first_frame_is_left(name: str, data: bytes) -> None:
    essential = take_apart(data).essential
    with Image.open(BytesIO(essential)) as left, Image.open(BytesIO(data)) as whole:
        assert getattr(left, "n_frames", 1) == 1
        assert left.convert("RGB").tobytes() == whole.convert("RGB").tobytes()
    assert SECRET not in essential
    assert len(essential) < len(data)


def test_webp_flags_announce_only_what_is_left() -> None:
    data = saved("WEBP", **ANIMATION, exif=b"Exif\0\0" + SECRET, icc_profile=SECRET, xmp=SECRET)
    assert data[20] & 0x2C == 0x2C
    assert take_apart(data).essential[20] == data[20] & 0x12


def test_orientation_is_found_in_all_formats_that_have_it() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    raw = exif.tobytes().removeprefix(b"Exif\0\0")
    for kind in ("JPEG", "PNG", "WEBP"):
        assert take_apart(saved(kind, exif=exif)).exif == raw


def test_a_polyglot_is_what_its_first_bytes_say() -> None:
    script = saved("GIF") + b"*/=1;alert(1)"
    script = script[:6] + b"/*" + script[8:]  # the width 0x2A2F opens a comment
    container = take_apart(script)
    assert container.width == 0x2A2F
    assert b"alert" not in container.essential
    assert take_apart(saved("JPEG") + saved("PNG")).format == "JPEG"


def test_a_frame_beyond_the_screen_counts() -> None:
    small = bytearray(saved("GIF"))
    small[6:10] = struct.pack("<HH", 1, 1)
    container = take_apart(bytes(small))
    assert (container.width, container.height) == (40, 24)


def progressive_with(scans: int) -> bytes:
    data = saved("JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    return data[:start] + data[start:-2] * scans + b"\xff\xd9"


def test_scans_are_limited() -> None:
    assert take_apart(progressive_with(2))
    with pytest.raises(ImageRejected, match=f"at most {MAX_SCANS}"):
        take_apart(progressive_with(MAX_SCANS + 1))


@pytest.mark.parametrize(
    "data",
    [
        png_with(chunk(b"tEXt", b"") * MAX_BLOCKS),
        jpeg_with(jpeg_segment(0xEB, b"") * MAX_BLOCKS),
        gif_with(b"!\xfe\0" * MAX_BLOCKS),
        gif_with(b"!\xfe", b"\1x" * MAX_BLOCKS, b"\0"),
        b"RIFF" + struct.pack("<I", 4 + 8 * MAX_BLOCKS) + b"WEBP" + b"JUNK\0\0\0\0" * MAX_BLOCKS,
    ],
    ids=["PNG", "JPEG", "GIF extensions", "GIF sub-blocks", "WebP"],
)
def test_blocks_are_limited(data: bytes) -> None:
    with pytest.raises(ImageRejected, match=f"more than {MAX_BLOCKS} blocks"):
        take_apart(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + b"\xff" * 4_000_000,
        b"\xff\xd8\xff\xd8" + b"\xff\xd0" * 2_000_000,
        b"<" + b" " * 4_000_000,
        b"RIFF" + struct.pack("<I", 4_000_000) + b"WEBP" + b"\0" * 3_999_996,
    ],
)
def test_monotonous_files_cost_little(data: bytes) -> None:
    start = time.process_time()
    with pytest.raises(ImageRejected):
        take_apart(data)
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8\xff\xd9",
        FILES["JPEG"][:2] + FILES["JPEG"][FILES["JPEG"].index(b"\xff\xda") :],
        jpeg_with(jpeg_segment(0xC0, struct.pack(">BHHB", 8, 9, 9, 1) + b"\1\x11\0")),
        b"\x89PNG\r\n\x1a\n" + chunk(b"IDAT", b"") + chunk(b"IEND", b""),
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"\0\0") + chunk(b"IEND", b""),
        b"GIF89a" + struct.pack("<HHBBB", 9, 9, 0, 0, 0) + b";",
        b"RIFF\x04\0\0\0WEBP",
    ],
    ids=["no frame", "no size", "two sizes", "no header", "short header", "no GIF frame", "no WebP frame"],
)
def test_senseless_structures_are_refused(data: bytes) -> None:
    with pytest.raises(ImageRejected):
        take_apart(data)


def test_png_text_that_would_be_unpacked_is_gone() -> None:
    bomb = zlib.compress(bytes(PngImagePlugin.MAX_TEXT_CHUNK * 64), 9)
    data = png_with(
        chunk(b"zTXt", b"a\0\0" + bomb), chunk(b"iTXt", b"a\0\1\0\0\0" + bomb), chunk(b"iCCP", b"a\0\0" + bomb)
    )
    assert take_apart(data).essential == saved("PNG")
