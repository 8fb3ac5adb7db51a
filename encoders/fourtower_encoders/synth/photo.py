"""Catalog pictures: the product in its pattern on a white ground, seen from slightly different poses."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fourtower_encoders.synth.artwork import Artwork, artwork
from fourtower_encoders.synth.looks import Look
from fourtower_encoders.synth.palette import COLOURS
from fourtower_encoders.synth.patterns import STRETCH, Floats, sample, tile
from fourtower_encoders.synth.products import SynthProduct
from fourtower_encoders.synth.randomness import stream

Pixels = NDArray[np.uint8]


def render_catalog(product: SynthProduct, view: int, size: int) -> Pixels:
    """Draw catalog view `view` of a product: uint8 [size, size, 3]; view 0 is the plain front."""
    art = artwork(product.look.category, product.look.variant, size)
    sheet = cutout(product.look, art, shadow=0.55)
    if view:
        sheet = _posed(sheet, stream(product.seed, product.index, f"view {view}"))
    pixels = np.asarray(sheet, dtype=np.float32)
    ground = (255.0 - pixels[..., 3:]) * _backdrop(size)
    return np.minimum(pixels[..., :3] + ground, 255).astype(np.uint8)


def cutout(look: Look, art: Artwork, *, shadow: float) -> Image.Image:
    """Pour a product's pattern and colours into its silhouette: premultiplied `RGBa`, shadow as see-through black."""
    pair = COLOURS[look.colour]
    light, strong = np.array(pair.light, np.float32), np.array(pair.strong, np.float32)
    rgb = art.details + art.tint @ np.stack([light, strong])  # [S, S, 3]
    mix = _cloth(look, art)[:, None]  # [n, 1]
    rgb.reshape(-1, 3)[art.pixels] += art.fabric[:, None] * (light + mix * (strong - light))
    alpha = art.alpha + (1 - art.alpha) * art.shadow * np.float32(shadow)
    out = np.empty((art.size, art.size, 4), np.uint8)
    out[..., :3] = np.minimum(rgb, art.alpha[..., None] * 255)
    out[..., 3] = alpha * 255
    return Image.frombytes("RGBa", (art.size, art.size), out.tobytes())


def _cloth(look: Look, art: Artwork) -> Floats:
    """Share of the strong colour at each fabric pixel."""
    scale = look.scale * STRETCH.get(look.pattern, 1.0)
    cos, sin = (np.float32(f(math.radians(look.angle_deg)) / scale) for f in (math.cos, math.sin))
    across = cos * art.u - sin * art.v + np.float32(look.phase[0])
    down = sin * art.u + cos * art.v + np.float32(look.phase[1])
    return sample(tile(look.pattern, art.size), across, down)


def _posed(sheet: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Another view: turned a little, nearer or farther, off the centre, sometimes seen from the other side."""
    size = sheet.width
    if rng.random() < 0.3:
        sheet = sheet.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    angle, zoom = math.radians(rng.uniform(-8, 8)), rng.uniform(0.8, 1.25)
    shift_x, shift_y = rng.uniform(-0.05, 0.05, 2) * size
    cos, sin = math.cos(angle) / zoom, math.sin(angle) / zoom
    mid = size / 2
    matrix = (cos, sin, mid - cos * (mid + shift_x) - sin * (mid + shift_y),
              -sin, cos, mid + sin * (mid + shift_x) - cos * (mid + shift_y))  # fmt: skip
    return sheet.transform((size, size), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


def _backdrop(size: int) -> Floats:
    """Studio white, a breath darker towards the lower corners: [size, 1, 1], 0.97..1."""
    down = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
    return 1 - 0.03 * down**2
