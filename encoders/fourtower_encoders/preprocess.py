"""From a decoded picture to the pixels that an image network sees; the same for every runtime."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fourtower_encoders.config import Preprocess

Pixels = NDArray[np.uint8]

_WHITE = (255, 255, 255)
_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_REDUCING_GAP = 3.0
"""Big pictures are first shrunk by whole factors to 3x the wanted size: quicker, no visible difference."""


def to_pixels(image: Image.Image, preprocess: Preprocess) -> Pixels:
    """Fit an RGB picture into the network's square; returns uint8 [S, S, 3]."""
    fit = {"squash": _squash, "crop": _crop, "pad": _pad}[preprocess.resize]
    return np.asarray(fit(image, preprocess), dtype=np.uint8)


def shortest_side(preprocess: Preprocess) -> int:
    """How long the shorter side of a picture should be when it is decoded; no use in more."""
    cropped = preprocess.crop_pct if preprocess.resize == "crop" else 1.0
    return math.ceil(preprocess.size / cropped * preprocess.decode_margin)


def _squash(image: Image.Image, preprocess: Preprocess) -> Image.Image:
    return _resize(image, (preprocess.size, preprocess.size), preprocess)


def _pad(image: Image.Image, preprocess: Preprocess) -> Image.Image:
    size = preprocess.size
    if image.width == image.height:
        return _squash(image, preprocess)
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    canvas = Image.new("RGB", (size, size), _WHITE)
    canvas.paste(_resize(image, (width, height), preprocess), ((size - width) // 2, (size - height) // 2))
    return canvas


def _crop(image: Image.Image, preprocess: Preprocess) -> Image.Image:
    """Cut while resizing: a strip of 1 x 40,000 pixels is never blown up to its full length."""
    size = preprocess.size
    short = max(size, round(size / preprocess.crop_pct))
    scale = short / min(image.size)
    box: list[float] = []
    for side in image.size:
        scaled = int(side * scale) if side != min(image.size) else short
        start = (scaled - size) // 2
        box.append(start * side / scaled)
        box.append((start + size) * side / scaled)
    left, right, top, bottom = box
    edges = (left, top, min(right, image.width), min(bottom, image.height))
    return _resize(image, (size, size), preprocess, box=edges)


def _resize(
    image: Image.Image,
    size: tuple[int, int],
    preprocess: Preprocess,
    *,
    box: tuple[float, float, float, float] | None = None,
) -> Image.Image:
    resampling = _RESAMPLING[preprocess.interpolation]
    return image.resize(size, resampling, box=box, reducing_gap=_REDUCING_GAP)
