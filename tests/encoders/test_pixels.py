"""Every kind of pixel ends as upright RGB on white."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from fourtower_encoders.errors import ImageRejected
from fourtower_encoders.pixels import orientation_of, to_rgb


def exif_of(orientation: int, *, endian: str = "<") -> bytes:
    exif = Image.Exif()
    exif.endian = endian
    exif[0x010E] = "a description that comes first"
    exif[0x0112] = orientation
    return exif.tobytes()


def only_pixel(image: Image.Image, **how: int) -> tuple[int, ...]:
    pixel = to_rgb(image, **how).getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return pixel


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("endian", "<>")
def test_orientation_agrees_with_pillow(orientation: int, endian: str) -> None:
    exif = exif_of(orientation, endian=endian)
    picture = Image.fromarray(np.arange(5 * 3 * 3, dtype=np.uint8).reshape(3, 5, 3))
    picture.info["exif"] = exif
    expected = ImageOps.exif_transpose(picture)
    assert orientation_of(exif) == orientation
    assert to_rgb(picture, orientation=orientation).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\0\x09", exif_of(9)]
)
def test_senseless_exif_means_upright(exif: bytes) -> None:
    assert orientation_of(exif) == 1


@given(st.binary(max_size=200), st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b""]))
def test_any_exif_gets_an_answer(tail: bytes, head: bytes) -> None:
    assert 1 <= orientation_of(head + tail) <= 8


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("RGB", (10, 20, 30), (10, 20, 30)),
        ("L", 77, (77, 77, 77)),
        ("1", 1, (255, 255, 255)),
        ("RGBA", (0, 0, 0, 0), (255, 255, 255)),
        ("RGBA", (100, 0, 0, 255), (100, 0, 0)),
        ("RGBA", (0, 0, 0, 51), (204, 204, 204)),
        ("LA", (0, 0), (255, 255, 255)),
        ("LA", (9, 255), (9, 9, 9)),
        ("RGBa", (0, 0, 0, 0), (255, 255, 255)),
        ("CMYK", (0, 0, 0, 0), (255, 255, 255)),
        ("CMYK", (0, 255, 255, 0), (255, 0, 0)),
        ("CMYK", (0, 0, 0, 255), (0, 0, 0)),
        ("YCbCr", (128, 128, 128), (128, 128, 128)),
        ("HSV", (0, 0, 255), (255, 255, 255)),
        ("I;16", 0x8000, (128, 128, 128)),
        ("I;16B", 0xFFFF, (255, 255, 255)),
    ],
)
def test_modes(mode: str, colour: int | tuple[int, ...], expected: tuple[int, int, int]) -> None:
    assert only_pixel(Image.new(mode, (2, 2), colour)) == expected


@pytest.mark.parametrize("mode", ["I", "F"])
def test_samples_without_a_range_are_refused(mode: str) -> None:
    with pytest.raises(ImageRejected, match="convert it to L or RGB"):
        to_rgb(Image.new(mode, (2, 2)))


def test_a_transparent_palette_colour_becomes_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([200, 0, 0, 0, 200, 0])
    image.putdata([0, 1])
    for transparency in (0, b"\0\xff"):
        image.info["transparency"] = transparency
        assert list(to_rgb(image).get_flattened_data()) == [(255, 255, 255), (0, 200, 0)]


@pytest.mark.parametrize(
    ("mode", "sample", "transparency", "bits"),
    [
        ("L", 85, 1, 2),
        ("L", 51, 3, 4),
        ("L", 9, 9, 8),
        ("I;16", 0x1234, 0x1234, 16),
        ("RGB", (1, 2, 3), (0x0101, 0x0202, 0x0303), 16),
        ("RGB", (1, 2, 3), (1, 2, 3), 8),
    ],
)
def test_a_transparent_colour_is_read_at_the_depth_of_the_file(
    mode: str, sample: int | tuple[int, ...], transparency: int | tuple[int, ...], bits: int
) -> None:
    image = Image.new(mode, (2, 2), sample)
    image.info["transparency"] = transparency
    assert only_pixel(image, bits=bits) == (255, 255, 255)
    image.paste(0, (0, 0, 1, 1))
    assert only_pixel(image, bits=bits) == (0, 0, 0)


def test_sixteen_bits_are_known_from_the_mode() -> None:
    image = Image.new("I;16", (1, 1), 0x1234)
    image.info["transparency"] = 0x1234
    assert only_pixel(image) == (255, 255, 255)


def test_the_source_is_left_alone_and_nothing_sticks_to_the_result() -> None:
    image = Image.new("RGB", (3, 2), "blue")
    image.info.update(exif=exif_of(6), icc_profile=b"x")
    result = to_rgb(image, orientation=6)
    assert image.size == (3, 2)
    assert set(image.info) == {"exif", "icc_profile"}
    assert result.size == (2, 3)
    assert result.info == {}
    assert type(result) is Image.Image
