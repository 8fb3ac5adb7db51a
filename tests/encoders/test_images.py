"""Decoding a picture: every format, every limit, and files that mean harm."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.encoders.pictures import GREY, KINDS, RED, WHITE, Rgb, picture, pixels_of, saved

from fourtower_encoders.errors import ImageRejected
from fourtower_encoders.images import ImageLimits, decode


def png(size: tuple[int, int], bits: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", *size, bits, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *(chunk(e[:4], e[4:]) for e in extra), chunk(b"IDAT", zlib.compress(rows))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def two_colours() -> Image.Image:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 255, 0, 255, 0, 0])
    image.putdata([0, 1])
    return image


@pytest.mark.parametrize("kind", KINDS)
def test_accepted_formats(kind: str) -> None:
    image = decode(KINDS[kind])
    assert image.size == (40, 24)
    assert all(abs(a[0] - b[0]) < 10 for a, b in zip(pixels_of(image), pixels_of(picture()), strict=True))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_orientation_is_applied(kind: str, orientation: int) -> None:
    upright = Image.new("RGB", (32, 48), "white")
    upright.paste("black", (0, 0, 16, 16))
    undo = [None, None, 0, 3, 1, 5, 2, 6, 4][orientation]  # what a camera held that way would have stored
    stored = upright if undo is None else upright.transpose(Image.Transpose(undo))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = decode(saved(kind, stored, exif=exif))
    assert image.size == (32, 48)
    levels = [image.getpixel(at)[0] for at in ((8, 8), (24, 8), (8, 40), (24, 40))]
    assert [level > 128 for level in levels] == [False, True, True, True]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (saved("GIF", two_colours(), transparency=0, disposal=2), [WHITE, RED]),
        (saved("GIF", two_colours()), [(0, 255, 0), RED]),
        (saved("PNG", Image.new("RGBA", (2, 1), (0, 0, 0, 0))), [WHITE, WHITE]),
        (saved("WEBP", Image.new("RGBA", (2, 1), (0, 0, 0, 0)), lossless=True, exact=True), [WHITE, WHITE]),
        (saved("PNG", Image.new("LA", (1, 1), (0, 127))), [(128, 128, 128)]),
        (saved("PNG", Image.new("1", (1, 1), 1)), [WHITE]),
        (png((1, 1), 16, 0, b"\0\x80\0"), [GREY]),
        (png((1, 1), 16, 2, b"\0\x80\0\x80\0\x80\0"), [GREY]),
        (png((1, 1), 16, 4, b"\0\0\0\0\0"), [WHITE]),
        (png((1, 1), 16, 6, b"\0\0\0\0\0\0\0\0\0"), [WHITE]),
        (png((4, 1), 2, 0, b"\0\x1b", b"tRNS\0\1"), [(0, 0, 0), WHITE, (170, 170, 170), WHITE]),
        (png((2, 1), 16, 0, b"\0\x12\x34\x80\0", b"tRNS\x12\x34"), [WHITE, GREY]),
        (png((2, 1), 8, 3, b"\0\0\1", b"PLTE\0\0\0\xff\0\0", b"tRNS\0"), [WHITE, RED]),
        (png((2, 1), 8, 3, b"\0\0\1", b"PLTE\0\0\0\xff\0\0", b"tRNS\x7f\xff"), [GREY, RED]),
        (png((2, 1), 1, 0, b"\0\x40", b"tRNS\0\0"), [WHITE, WHITE]),
    ],
)
def test_pixels_of_all_kinds(data: bytes, expected: list[Rgb]) -> None:
    assert pixels_of(decode(data)) == expected


def without_adobe(data: bytes) -> bytes:
    at = data.index(b"\xff\xee")
    return data[:at] + data[at + 2 + struct.unpack_from(">H", data, at + 2)[0] :]


def test_cmyk_counts_as_inverted_with_and_without_the_marker() -> None:
    data = saved("JPEG", Image.new("CMYK", (8, 8), (0, 255, 255, 0)))
    assert b"Adobe" in data
    assert b"Adobe" not in without_adobe(data)
    for version in (data, without_adobe(data)):
        red, green, blue = decode(version).getpixel((4, 4))
        assert (red > 250, green < 5, blue < 5) == (True, True, True)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_the_first_frame_counts(kind: str) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime", "blue")]
    data = saved(kind, frames[0], save_all=True, append_images=frames[1:], lossless=True, duration=50)
    assert set(pixels_of(decode(data))) == {RED}


def test_many_frames_cost_nothing() -> None:
    frames = [Image.effect_noise((64, 64), 90) for _ in range(60)]
    data = saved("GIF", frames[0], save_all=True, append_images=frames[1:])
    assert decode(data).size == (64, 64)


# Limits


def vp8x(width: int, height: int) -> bytes:
    body = b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0" + body


def jpeg_claiming(width: int, height: int) -> bytes:
    data = bytearray(saved("JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


BOMBS = {
    "PNG": png((100_000, 100_000), 8, 6, bytes(1000)),
    "PNG line": png((2**31 - 1, 1), 8, 6, bytes(1000)),
    "GIF": b"GIF89a\xff\xff\xff\xff" + saved("GIF")[10:],
    "WebP": vp8x(2**24, 2**24 - 1),
    "lossless WebP": b"RIFF\x12\0\0\0WEBPVP8L\x05\0\0\0\x2f\xff\xff\xff\x0f\0",
    "JPEG": jpeg_claiming(65_500, 65_500),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_from_the_header(name: str) -> None:
    with pytest.raises(ImageRejected, match="more than max_pixels"):
        decode(BOMBS[name])


def test_refusing_bombs_takes_no_memory(tmp_path: Path) -> None:
    for number, data in enumerate([*BOMBS.values(), jpeg_claiming(6_000, 6_600)]):
        (tmp_path / str(number)).write_bytes(data)
    program = """
import resource, sys
from pathlib import Path
from fourtower_encoders.errors import ImageRejected
from fourtower_encoders.images import ImageLimits, decode
decode(Path(sys.argv[1]).read_bytes())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in Path(sys.argv[2]).iterdir():
    try:
        decode(path.read_bytes(), limits=ImageLimits(max_pixels=1_000_000))
        print("accepted", path)
    except ImageRejected:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    (tmp_path.parent / "warm.webp").write_bytes(KINDS["WebP"])
    command = [sys.executable, "-c", program, str(tmp_path.parent / "warm.webp"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 4_000  # KiB


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_truncated_files_are_refused(kind: str, share: float) -> None:
    data = KINDS[kind]
    with pytest.raises(ImageRejected):
        decode(data[: int(len(data) * share)])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"<html>", "HTML"),
        (saved("TIFF"), "TIFF"),
        (saved("BMP"), "BMP"),
        (png((9, 9), 8, 2, b"\0" * 20), "cut off or damaged"),
        (png((9, 9), 8, 7, b"\0" * 300), "cut off or damaged"),
        (png((1, 1), 8, 0, b"\0\0").replace(b"IDATx", b"IDATy"), "cut off or damaged"),
        (KINDS["JPEG"][:-60] + b"", "cut off or damaged"),
        (vp8x(40, 24), "cut off or damaged"),
        (png((0, 5), 8, 0, b"\0"), "sides must be"),
    ],
)
def test_refusals_name_what_was_found(data: bytes, why: str) -> None:
    with pytest.raises(ImageRejected, match=why):
        decode(data)


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (ImageLimits(max_bytes=100), "bytes, more than max_bytes = 100"),
        (ImageLimits(max_pixels=959), "40x24 pixels, more than max_pixels = 959"),
        (ImageLimits(min_side=25), "sides must be >= 25"),
    ],
)
def test_limits(limits: ImageLimits, why: str) -> None:
    with pytest.raises(ImageRejected, match=why):
        decode(KINDS["PNG"] + bytes(100), limits=limits)
    assert decode(KINDS["PNG"], limits=ImageLimits(max_pixels=960, min_side=24, max_bytes=len(KINDS["PNG"])))


@pytest.mark.parametrize(("at_least", "side"), [(None, 600), (700, 600), (301, 600), (300, 300), (100, 150), (1, 75)])
def test_large_jpegs_are_decoded_smaller(at_least: int | None, side: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = decode(saved("JPEG", picture(size=(800, 600)), exif=exif), at_least=at_least)
    assert image.size == (side, side * 4 // 3)
    assert decode(saved("PNG", picture(size=(800, 600))), at_least=at_least).size == (800, 600)


# Anything at all

SMALL = ImageLimits(max_pixels=250_000)


def decodes_or_is_refused(data: bytes) -> None:
    image, refusal = None, ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")  # as an error, a warning would pass for a damaged file
        try:
            image = decode(data, limits=SMALL, at_least=8)
        except ImageRejected as error:
            refusal = str(error)
    assert caught == []
    assert len(refusal) < 250
    if image is not None:
        assert image.mode == "RGB"
        assert len(image.tobytes()) == 3 * image.width * image.height


SIGNATURES = [
    b"",
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"RIFF\x40\0\0\0WEBPVP8 ",
    b"RIFF\x40\0\0\0WEBPVP8X",
]


@given(st.sampled_from(SIGNATURES), st.binary(max_size=300))
def test_random_bytes(head: bytes, tail: bytes) -> None:
    decodes_or_is_refused(head + tail)


ANIMATED = {"save_all": True, "append_images": [picture("L"), picture()]}
VICTIMS = [
    *KINDS.values(),
    saved("PNG", picture("P"), transparency=b"\0\x40\x80"),
    saved("PNG", picture("I;16")),
    saved("PNG", picture("RGBA"), **ANIMATED),
    saved("GIF", picture("P"), transparency=2, **ANIMATED),
    saved("WEBP", picture("RGBA"), **ANIMATED),
    saved("JPEG", picture("CMYK")),
    saved("JPEG", picture("L"), progressive=True),
]


@settings(max_examples=400)
@given(st.sampled_from(VICTIMS), st.integers(0, 2**32), st.integers(1, 12))
def test_damaged_files(victim: bytes, seed: int, wounds: int) -> None:
    damaged, chance = bytearray(victim), random.Random(seed)
    for _ in range(wounds):
        at = int(len(damaged) * chance.random() ** 2)  # mostly in the headers
        wound = chance.choice(["flip", "flip", "flip", "drop", "double"])
        if wound == "flip":
            damaged[at] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
        elif wound == "drop":
            del damaged[at : at + chance.randrange(1, 9)]
        else:
            damaged[at:at] = damaged[at : at + chance.randrange(1, 40)]
    decodes_or_is_refused(bytes(damaged))


def test_importing_the_way_in_is_light() -> None:
    program = "import sys, fourtower_encoders.images; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"torch", "transformers", "onnxruntime", "matplotlib", "httpcore"} & set(done.stdout.split())
