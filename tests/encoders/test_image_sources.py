"""Every source of a picture: bytes, paths, Pillow's images, data URLs, URLs, and files below a root."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from tests.encoders.pictures import GREY, KINDS, WHITE, picture, pixels_of, saved

from fourtower_encoders.errors import ImageRejected
from fourtower_encoders.fetching import FetchPolicy, ImageFetcher
from fourtower_encoders.images import ImageLimits, load_image


@pytest.mark.parametrize("make", [lambda p: p.read_bytes(), lambda p: p, str], ids=["bytes", "path", "string"])
def test_sources(tmp_path: Path, make: Callable[[Path], bytes | str | Path]) -> None:
    path = tmp_path / "a picture.png"
    path.write_bytes(KINDS["PNG"])
    assert pixels_of(load_image(make(path))) == pixels_of(picture())


def test_pillow_images_are_treated_like_files() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(BytesIO(saved("JPEG", exif=exif))) as lazy:
        turned = load_image(lazy)
    assert turned.size == (24, 40)
    assert pixels_of(load_image(turned)) == pixels_of(turned)
    assert pixels_of(load_image(Image.new("LA", (1, 1), (0, 0)))) == [WHITE]
    assert pixels_of(load_image(Image.new("I;16", (1, 1), 0x8000))) == [GREY]


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (Image.new("L", (10_000, 5_000)), "max_pixels"),
        (Image.new("F", (1, 1)), "convert it to L or RGB"),
        (Image.new("La", (1, 1)), "can't be loaded"),
        (Image.open(BytesIO(KINDS["PNG"][:90])), "can't be loaded"),
    ],
    ids=["large", "float", "odd mode", "cut off"],
)
def test_pillow_images_that_are_refused(image: Image.Image, why: str) -> None:
    with pytest.raises(ImageRejected, match=why):
        load_image(image)


def data_url(data: bytes, head: str = "data:image/png;base64,") -> str:
    return head + base64.b64encode(data).decode()


def test_data_urls() -> None:
    for head in ("data:image/png;base64,", "DATA:image/jpeg;BASE64,", "data:image/svg+xml;base64,"):
        assert load_image(data_url(KINDS["PNG"], head)).size == (40, 24)
    exact = ImageLimits(max_bytes=len(KINDS["PNG"]))
    assert load_image(data_url(KINDS["PNG"]), limits=exact).size == (40, 24)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (data_url(KINDS["PNG"], "data:text/html;base64,"), "not of the form"),
        (data_url(KINDS["PNG"], "data:image/png,"), "not of the form"),
        (data_url(KINDS["PNG"], "data:image/png;charset=x;base64,"), "not of the form"),
        (data_url(KINDS["PNG"]) + "*", "not valid base64"),
        (data_url(KINDS["PNG"])[:-3], "not valid base64"),
        (data_url(KINDS["PNG"]) + "é", "not valid base64"),
        (data_url(b"<html>"), "HTML"),
        ("data:image/png;base64,", "empty"),
        (data_url(bytes(200_000)), "more than max_bytes = 100000"),
    ],
)
def test_data_urls_that_are_refused(url: str, why: str) -> None:
    with pytest.raises(ImageRejected, match=why) as caught:
        load_image(url, limits=ImageLimits(max_bytes=100_000))
    assert len(str(caught.value)) < 250


def test_urls_need_a_fetcher() -> None:
    with pytest.raises(ImageRejected, match=r"fetching is off.*allow_hosts"):
        load_image("https://shop.example/a.jpg")
    with ImageFetcher(FetchPolicy()) as fetcher, pytest.raises(ImageRejected, match="allow_hosts"):
        load_image("HTTP://shop.example/a.jpg", fetcher=fetcher)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a/b.jpg", "gopher://a", "s3://bucket/key"])
def test_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(ImageRejected, match="scheme that is not accepted"):
        load_image(url)


# Files


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret.png").write_bytes(KINDS["PNG"])
    folder = tmp_path / "images"
    (folder / "shoes").mkdir(parents=True)
    (folder / "shoes" / "a.png").write_bytes(KINDS["PNG"])
    (folder / "inside.png").symlink_to(folder / "shoes" / "a.png")
    (folder / "outside.png").symlink_to(tmp_path / "secret.png")
    (folder / "up").symlink_to(tmp_path)
    (folder / "circle").symlink_to(folder / "circle")
    return folder


@pytest.mark.parametrize("name", ["shoes/a.png", "./shoes/../shoes/a.png", "inside.png"])
def test_paths_inside_the_root(root: Path, name: str) -> None:
    assert load_image(name, root=root).size == (40, 24)
    assert load_image(Path(name), root=root).size == (40, 24)


@pytest.mark.parametrize(
    "name",
    ["../secret.png", "outside.png", "up/secret.png", "shoes/../../secret.png", "{root}/inside.png", "..", "/dev/zero"],
)
def test_paths_out_of_the_root(root: Path, name: str) -> None:
    with pytest.raises(ImageRejected, match="leads out of the image root"):
        load_image(name.format(root=root), root=root)


@pytest.mark.parametrize("name", ["missing.png", "circle", "shoes/a.png/b", "a\0b", "x" * 5000, "\udc80", ""])
def test_paths_that_lead_nowhere(root: Path, name: str) -> None:
    for inside in (root, None):
        with pytest.raises(ImageRejected) as caught:
            load_image(name, root=inside)
        assert len(str(caught.value)) < 300


def test_irregular_files_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(ImageRejected, match="not a regular file"):
            load_image(path)


def test_large_files_are_not_read(tmp_path: Path) -> None:
    with (tmp_path / "sparse.png").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ImageRejected, match=f"has {1 << 40} bytes, more than max_bytes"):
        load_image(tmp_path / "sparse.png")
    with pytest.raises(ImageRejected, match="unknown kind"):
        load_image("/proc/self/status")  # claims to be empty
