"""Small pictures as files of every accepted kind, and what their pixels are."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

Rgb = tuple[int, int, int]


def picture(mode: str = "RGB", size: tuple[int, int] = (40, 24)) -> Image.Image:
    return Image.linear_gradient("L").resize(size).convert(mode)


def saved(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    buffer = BytesIO()
    (image or picture()).save(buffer, kind, **options)
    return buffer.getvalue()


def pixels_of(image: Image.Image) -> list[Rgb]:
    assert (image.mode, type(image), image.info) == ("RGB", Image.Image, {})
    return list(image.get_flattened_data())


WHITE, RED, GREY = (255, 255, 255), (255, 0, 0), (128, 128, 128)
KINDS = {
    "JPEG": saved("JPEG", quality=95),
    "progressive JPEG": saved("JPEG", progressive=True),
    "PNG": saved("PNG"),
    "WebP": saved("WEBP", quality=95),
    "lossless WebP": saved("WEBP", lossless=True),
    "GIF": saved("GIF"),
}
