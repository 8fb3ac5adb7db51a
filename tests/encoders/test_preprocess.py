import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fourtower_encoders.config import Preprocess
from fourtower_encoders.preprocess import shortest_side, to_pixels

RESIZES = ("squash", "crop", "pad")


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.sampled_from(RESIZES),
    st.sampled_from(("bilinear", "bicubic")),
    st.sampled_from((1.0, 0.875, 0.9, 0.5)),
)
def test_any_size_becomes_the_square_and_keeps_its_colour(size, resize, interpolation, crop_pct):
    preprocess = Preprocess(size=32, resize=resize, interpolation=interpolation, crop_pct=crop_pct)
    pixels = to_pixels(Image.new("RGB", size, (200, 30, 90)), preprocess)
    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8
    nearest = abs(pixels[15:17, 15:17].astype(int) - (200, 30, 90)).max(axis=2).min()
    assert nearest <= 1, "the middle shows the picture"


def _gradient(width: int, height: int) -> Image.Image:
    """Red grows from left to right, green from top to bottom."""
    x = np.broadcast_to(np.linspace(0, 255, width), (height, width))
    y = np.broadcast_to(np.linspace(0, 255, height)[:, None], (height, width))
    return Image.fromarray(np.stack([x, y, np.zeros_like(x)], axis=2).astype(np.uint8))


def test_squash_shows_all_of_the_picture():
    pixels = to_pixels(_gradient(400, 100), Preprocess(size=40, resize="squash")).astype(int)
    assert pixels[20, 0, 0] < 10
    assert pixels[20, -1, 0] > 245


def test_crop_shows_the_middle():
    pixels = to_pixels(_gradient(400, 100), Preprocess(size=40, resize="crop")).astype(int)
    assert pixels[20, 0, 0] == pytest.approx(255 * 150 / 400, abs=4)
    assert pixels[20, -1, 0] == pytest.approx(255 * 250 / 400, abs=4)
    assert pixels[0, 20, 1] < 10


def test_crop_share_cuts_the_border():
    pixels = to_pixels(_gradient(100, 100), Preprocess(size=40, resize="crop", crop_pct=0.5)).astype(int)
    assert pixels[20, 0, 0] == pytest.approx(255 * 0.25, abs=5)
    assert pixels[-1, 20, 1] == pytest.approx(255 * 0.75, abs=5)


@pytest.mark.parametrize(("size", "white"), [((400, 100), "rows"), ((100, 400), "columns")])
def test_pad_adds_white_on_both_sides(size, white):
    pixels = to_pixels(Image.new("RGB", size, (0, 0, 0)), Preprocess(size=40, resize="pad"))
    pixels = pixels if white == "rows" else pixels.transpose(1, 0, 2)
    assert (pixels[:15] == 255).all()
    assert (pixels[25:] == 255).all()
    assert (pixels[15:25] == 0).all()


@pytest.mark.parametrize("resize", RESIZES)
def test_shrinking_averages_instead_of_picking(resize):
    checkerboard = np.indices((640, 640)).sum(axis=0) % 2 * 255
    image = Image.fromarray(np.repeat(checkerboard[..., None], 3, axis=2).astype(np.uint8))
    pixels = to_pixels(image, Preprocess(size=32, resize=resize)).astype(int)
    assert abs(pixels - 127.5).max() < 12


def test_cropping_a_strip_costs_little_memory():
    import tracemalloc

    image = Image.new("RGB", (1, 60_000))
    tracemalloc.start()
    pixels = to_pixels(image, Preprocess(size=224, resize="crop"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pixels.shape == (224, 224, 3)
    assert peak < 5_000_000


def test_shortest_side_follows_crop_and_margin():
    assert shortest_side(Preprocess(size=224)) == 224
    assert shortest_side(Preprocess(size=224, resize="crop", crop_pct=0.875)) == 256
    assert shortest_side(Preprocess(size=100, resize="squash", crop_pct=0.5, decode_margin=3.0)) == 300
