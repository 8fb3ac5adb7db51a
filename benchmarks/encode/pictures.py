"""Draws the JPEG files that are embedded."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from fourtower_encoders.synth import SynthConfig, make_products, render_catalog


def draw_files(folder: Path, *, count: int, size: int) -> list[Path]:
    """Draw catalog pictures of `size` pixels into a folder."""
    config = SynthConfig(products=count, size=size, without_image=0)
    folder.mkdir(parents=True)
    files = []
    for product in make_products(config):
        path = folder / f"{product.product_id}.jpg"
        pixels = render_catalog(product, product.views - 1, size)
        Image.fromarray(pixels).save(path, quality=config.jpeg_quality)
        files.append(path)
    return files


def repeated(files: list[Path], count: int) -> list[Path]:
    """The files over and over, `count` in all."""
    return [files[number % len(files)] for number in range(count)]
