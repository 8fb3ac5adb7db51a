"""Street photos: the product somewhere in a lit, cluttered scene, turned, half hidden, blurred and noisy."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageFilter

from fourtower_encoders.synth.artwork import artwork
from fourtower_encoders.synth.config import StreetStyle
from fourtower_encoders.synth.occluders import occlude
from fourtower_encoders.synth.paths import Point
from fourtower_encoders.synth.patterns import Floats
from fourtower_encoders.synth.photo import Pixels, cutout
from fourtower_encoders.synth.products import SynthProduct
from fourtower_encoders.synth.randomness import stream
from fourtower_encoders.synth.scene import add_clutter, room


def render_street(product: SynthProduct, photo_index: int, size: int, style: StreetStyle) -> Pixels:
    """Draw street photo `photo_index` of a product: uint8 [size, size, 3]."""
    rng = stream(product.seed, product.index, f"street {photo_index}")
    scene, horizon = room(rng, size)
    for _ in range(style.clutter):
        add_clutter(scene, rng, horizon, textured=rng.random() < style.textured)
    centre, reach = _place(scene, product, rng, style)
    if rng.random() < style.occlusion:
        occlude(scene, rng, centre, reach)
    return _shoot(scene, rng, style)


def _place(
    scene: Image.Image, product: SynthProduct, rng: np.random.Generator, style: StreetStyle
) -> tuple[Point, float]:
    """Put the product in; returns its centre and how far it reaches from there, in pixels."""
    size, look = scene.width, product.look
    sheet = cutout(look, artwork(look.category, look.variant, size), shadow=0.85)
    if rng.random() < 0.5:
        sheet = sheet.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    scale = rng.uniform(style.min_scale, style.max_scale)
    side = max(8, round(scale * size))
    sheet = sheet.resize((side, side), Image.Resampling.BICUBIC)
    turn = rng.uniform(-style.rotation_deg, style.rotation_deg)
    pasted = sheet.rotate(turn, Image.Resampling.BILINEAR, expand=True).convert("RGBA")
    slack = 0.5 * (1 - scale) + 0.04
    x, y = (0.5 + rng.uniform(-slack, slack, 2)) * size
    scene.paste(pasted, (round(x - pasted.width / 2), round(y - pasted.height / 2)), pasted)
    return (x, y), side / 2


def _shoot(scene: Image.Image, rng: np.random.Generator, style: StreetStyle) -> Pixels:
    """The camera: blur, colour cast, exposure, vignette, noise."""
    size = scene.width
    radius = rng.uniform(0, style.blur) * size / 100
    if radius > 0.25:
        scene = scene.filter(ImageFilter.BoxBlur(3**0.5 * radius))
    gain = (rng.uniform(0.88, 1.12, 3) * rng.uniform(0.88, 1.18)).astype(np.float32)
    pixels = np.asarray(scene, dtype=np.float32) * gain
    pixels *= _vignette(size)
    row, column = rng.integers(0, size, 2)
    strength = np.float32(rng.uniform(0.2, 1) * style.noise)
    pixels += _noise(size)[row : row + size, column : column + size] * strength
    return np.asarray(np.clip(pixels, 0, 255), dtype=np.uint8)


@lru_cache(maxsize=8)
def _vignette(size: int) -> Floats:
    """Corners a little darker than the middle: [size, size, 1]."""
    line = np.linspace(-1, 1, size, dtype=np.float32) ** 2
    return 1 - np.float32(0.09) * (line[:, None] + line[None, :])[..., None]


@lru_cache(maxsize=8)
def _noise(size: int) -> Floats:
    """Sensor noise to cut photos' noise from: [2 size, 2 size, 3], standard deviation 1."""
    return np.random.default_rng(41).standard_normal((2 * size, 2 * size, 3), dtype=np.float32)
