"""What gets in the way of a street photo: a twig, a pole or a book, close to the camera."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from fourtower_encoders.synth.palette import PALETTE, RGB
from fourtower_encoders.synth.paths import Point
from fourtower_encoders.synth.scene import FLOORS, WALLS, paste_with_shadow, pick

_LEAVES: tuple[RGB, ...] = ((74, 122, 66), (98, 138, 72), (54, 98, 72), (132, 148, 78))
_FINE = 2
"""Occluders are drawn this much larger and averaged."""


def occlude(scene: Image.Image, rng: np.random.Generator, centre: Point, reach: float) -> None:
    """Hide part of what lies around `centre`: something covers its rim, `reach` pixels away."""
    side = rng.uniform(0, 2 * math.pi)
    at = (centre[0] + 0.72 * reach * math.cos(side), centre[1] + 0.72 * reach * math.sin(side))
    draw_piece = pick(rng, (_twig, _pole, _book))
    sheet = draw_piece(rng, scene.width * _FINE, (at[0] * _FINE, at[1] * _FINE), 2 * reach * _FINE)
    sheet = sheet.reduce(_FINE).filter(ImageFilter.BoxBlur(scene.width / 200))
    paste_with_shadow(scene, sheet, (0, 0))


_Draw = Callable[[np.random.Generator, int, Point, float], Image.Image]


def _sheet(size: int, colour: RGB) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A see-through canvas whose hidden colour is that of the piece, so that averaging leaves no dark fringe."""
    sheet = Image.new("RGBA", (size, size), (*colour, 0))
    return sheet, ImageDraw.Draw(sheet)


def _shaded(colour: RGB, light: float) -> tuple[int, int, int, int]:
    red, green, blue = (min(255, int(channel * light)) for channel in colour)
    return red, green, blue, 255


def _twig(rng: np.random.Generator, size: int, at: Point, scale: float) -> Image.Image:
    """A few leaves on one stem."""
    colour = pick(rng, _LEAVES)
    sheet, draw = _sheet(size, colour)
    heading = rng.uniform(0, 2 * math.pi)
    for number in range(5):
        angle = heading + (0.7 if number % 2 else -0.7) * (number < 4) + rng.uniform(-0.2, 0.2)
        step = (number // 2 - 1) * 0.16 * scale
        base = (at[0] + step * math.cos(heading), at[1] + step * math.sin(heading))
        _leaf(draw, base, angle, scale * rng.uniform(0.24, 0.36), _shaded(colour, rng.uniform(0.75, 1.1)))
    return sheet


def _leaf(draw: ImageDraw.ImageDraw, base: Point, angle: float, length: float, fill: tuple[int, int, int, int]) -> None:
    """A pointed oval with a pale rib."""
    cos, sin = math.cos(angle), math.sin(angle)
    along = np.linspace(0, 1, 12)
    bulge = 0.2 * length * np.sin(np.pi * along**0.8)
    outline = [*zip(along * length, bulge, strict=True), *zip(along[::-1] * length, -bulge[::-1], strict=True)]
    draw.polygon([(base[0] + t * cos - b * sin, base[1] + t * sin + b * cos) for t, b in outline], fill=fill)
    tip = (base[0] + 0.9 * length * cos, base[1] + 0.9 * length * sin)
    rib = tuple(min(255, channel + 34) for channel in fill)
    draw.line((*base, *tip), fill=rib, width=max(1, round(length / 26)))


def _pole(rng: np.random.Generator, size: int, at: Point, scale: float) -> Image.Image:
    """A pole right across the picture, round: lit on its left, dark on its right."""
    colour = pick(rng, WALLS + FLOORS)
    sheet, draw = _sheet(size, colour)
    lean = rng.uniform(-0.35, 0.35)
    width = max(6.0, scale * rng.uniform(0.07, 0.15))
    for strip in range(6):
        shift = (strip / 5 - 0.5) * width
        x = at[0] + shift
        ends = (x - lean * at[1], 0, x + lean * (size - at[1]), size)
        draw.line(ends, fill=_shaded(colour, 1.05 - 0.12 * abs(strip - 1)), width=math.ceil(width / 4))
    return sheet


def _book(rng: np.random.Generator, size: int, at: Point, scale: float) -> Image.Image:
    """A book: cover, spine and a strip of pages."""
    pair = pick(rng, PALETTE)
    red, green, blue = ((strong + light) // 2 for strong, light in zip(pair.strong, pair.light, strict=True))
    colour = (red, green, blue)
    sheet, draw = _sheet(size, colour)
    turn = rng.uniform(0, 2 * math.pi)
    width, height = scale * rng.uniform(0.26, 0.34), scale * rng.uniform(0.36, 0.46)

    def panel(left: float, top: float, right: float, bottom: float, fill: tuple[int, int, int, int]) -> None:
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        cos, sin = math.cos(turn), math.sin(turn)
        placed = [
            (at[0] + width * x * cos - height * y * sin, at[1] + width * x * sin + height * y * cos) for x, y in corners
        ]
        draw.polygon(placed, fill=fill)

    panel(-0.5, -0.5, 0.5, 0.58, _shaded(colour, 0.6))
    panel(-0.42, -0.48, 0.48, 0.56, (238, 232, 218, 255))
    panel(-0.5, -0.5, 0.5, 0.5, _shaded(colour, 0.95))
    panel(-0.5, -0.5, -0.36, 0.5, _shaded(colour, 0.72))
    panel(-0.2, -0.3, 0.34, -0.14, _shaded(colour, 1.3))
    return sheet
