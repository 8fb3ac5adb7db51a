"""Turns a silhouette into the arrays that any pattern and colour can be poured into: shade, tint, gloss, shadow."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fourtower_encoders.synth.parts import Part, Shape
from fourtower_encoders.synth.paths import GRID, fill
from fourtower_encoders.synth.patterns import Floats
from fourtower_encoders.synth.silhouettes import SHAPES

_LIGHT = np.array([-0.48, -0.46, 0.75], dtype=np.float32)
"""Where the light comes from: the upper left, in front."""


@dataclass(frozen=True)
class Artwork:
    """One silhouette at one size, S x S pixels; colours are premultiplied by their cover."""

    size: int
    alpha: Floats  # [S, S]
    details: Floats  # [S, S, 3], 0..255, parts whose colour never changes, gloss included
    tint: Floats  # [S, S, 2], shaded cover of the light and of the strong colour
    pixels: NDArray[np.intp]  # [n], flat positions that show fabric
    fabric: Floats  # [n], shaded cover of the fabric there
    u: Floats  # [n], where on the cloth that pixel lies, in photo widths
    v: Floats  # [n]
    shadow: Floats  # [S, S], 0..1


@lru_cache(maxsize=128)
def artwork(category: str, variant: int, size: int) -> Artwork:
    """Draw a silhouette, once per process and size."""
    shape = SHAPES[category][variant]
    layers = _Layers(size)
    for number, part in enumerate(shape.parts):
        cover = fill(part.path, size, stroke=part.stroke)
        if part.paint == "crease":
            layers.crease(cover, part.stroke or 1.0)
        else:
            layers.put(part, cover, number)
    return layers.finish(shape)


def soften(image: Floats, radius: float) -> Floats:
    """Blur a [H, W] picture: three box blurs come close to a Gaussian of that standard deviation."""
    width = max(1, round(radius))
    for axis in (0, 1) * 3:
        image = _box(image, width, axis)
    return image


def _box(image: Floats, width: int, axis: int) -> Floats:
    pad = [(0, 0), (0, 0)]
    pad[axis] = (width + 1, width)
    total = np.cumsum(np.pad(image, pad, mode="edge"), axis=axis, dtype=np.float64)
    span = 2 * width + 1
    upper = np.take(total, range(span, total.shape[axis]), axis=axis)
    lower = np.take(total, range(total.shape[axis] - span), axis=axis)
    return ((upper - lower) / span).astype(np.float32)


class _Layers:
    """The picture while it is built up, part by part."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.alpha = np.zeros((size, size), np.float32)
        self.details = np.zeros((size, size, 3), np.float32)
        self.tint = np.zeros((size, size, 2), np.float32)
        self.fabric = np.zeros((size, size), np.float32)
        line = (np.arange(size, dtype=np.float32) + 0.5) / size
        self.x: Floats
        self.y: Floats
        self.x, self.y = np.meshgrid(line, line)
        self.u, self.v = self.x.copy(), self.y.copy()  # where on the cloth each pixel lies

    def put(self, part: Part, cover: Floats, number: int) -> None:
        """Lay a part over what is there; it dims its surroundings a little, as nearness does."""
        self._dim(1 - 0.22 * soften(cover, self.size / 42))
        shade, gloss, u, v = self._turned(part, cover) if part.form == "turned" else self._soft(part, cover)
        self._cover(cover)
        lit = cover * shade
        if part.paint == "fabric":
            self.fabric += lit
            here = cover > 0.35
            offset = 0.173 * number
            self.u[here], self.v[here] = (u + offset)[here], (v + offset)[here]
        elif part.paint == "light":
            self.tint[..., 0] += lit
        elif part.paint == "strong":
            self.tint[..., 1] += lit
        else:
            self.details += lit[..., None] * (np.array(part.paint, np.float32) / 255)
        self.details += (cover * gloss * part.gloss)[..., None]

    def crease(self, cover: Floats, width: float) -> None:
        """Press a fold into what is there: a dark groove, the broader the softer, and a lit edge beyond it."""
        groove = soften(cover, self.size / GRID * 0.6 * width)
        step = max(1, round(self.size / GRID * width))
        lit = np.roll(groove, (step, step), axis=(0, 1))
        self._dim(1 - 0.42 * groove + 0.16 * lit)

    def finish(self, shape: Shape) -> Artwork:
        pixels = np.flatnonzero(self.fabric > 1 / 255)
        return Artwork(
            size=self.size,
            alpha=self.alpha,
            details=self.details * 255,
            tint=self.tint,
            pixels=pixels,
            fabric=self.fabric.ravel()[pixels],
            u=self.u.ravel()[pixels],
            v=self.v.ravel()[pixels],
            shadow=_floor_shadow(self.alpha) if shape.stands else _wall_shadow(self.alpha),
        )

    def _dim(self, factor: Floats) -> None:
        self.fabric *= factor
        self.details *= factor[..., None]
        self.tint *= factor[..., None]

    def _cover(self, cover: Floats) -> None:
        self.alpha = self.alpha * (1 - cover) + cover
        self._dim(1 - cover)

    def _soft(self, part: Part, cover: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Stuffed or flat things: bright where the edge turns to the light, cloth drawn in near the edge."""
        thin = part.stroke is not None
        near, far = (self.size / 60, self.size / 40) if thin else (self.size / 26, self.size / 9)
        slope = 0.35 if part.form == "flat" else 1.0
        height = 0.45 * soften(cover, near) * (1 if thin else 0.5) + 0.55 * soften(cover, far)
        down, along = np.gradient(height, 1 / self.size)
        tilt_x, tilt_y = -along * slope * 0.10, -down * slope * 0.10
        normal_z = 1 / np.sqrt(1 + tilt_x**2 + tilt_y**2)
        light = (tilt_x * _LIGHT[0] + tilt_y * _LIGHT[1] + _LIGHT[2]) * normal_z
        shade = 0.44 + 0.76 * np.clip(light, 0, 1)
        gloss = np.clip(light - 0.86, 0, 1) * 5
        return shade, gloss, self.x + 0.012 * tilt_x, self.y + 0.012 * tilt_y

    def _turned(self, part: Part, cover: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Things made on a lathe: the cloth wraps round, the light falls off to both sides."""
        side, ring = self._round(cover, part.bow / GRID)
        front = np.sqrt(1 - side**2)
        light = -0.52 * side + 0.80 * front
        bounce = 0.13 * np.clip(side - 0.55, 0, 1) ** 1.2
        shade = 0.50 + 0.60 * np.clip(light, 0, 1) + bounce
        gloss = np.exp(-(((side + 0.5) / 0.13) ** 2)) + 0.35 * np.exp(-(((side - 0.72) / 0.06) ** 2))
        widest = float(cover.sum(axis=1).max()) / self.size / 2
        wrapped = 0.5 + np.arcsin(side) * np.float32(widest * 0.86)
        return shade, gloss, wrapped, ring

    def _round(self, cover: Floats, bow: float) -> tuple[Floats, Floats]:
        """Where on its ring a pixel of a turned part lies (-1 left edge, 1 right edge), and at which height the ring.

        Seen a little from above, the front of a ring sags by `bow`; so a pixel's ring depends on its
        place in the ring, and the place on the ring's width: a few rounds settle both.
        """
        centre = float((cover * self.x).sum() / cover.sum())
        inside = cover > 0.5
        rows = np.flatnonzero(inside.any(axis=1))
        spans = self.size - inside.argmax(axis=1) - inside[:, ::-1].argmax(axis=1)
        half = soften(spans[rows, None].astype(np.float32), self.size / 50)[:, 0] / (2 * self.size)
        ring, width = self.y, np.full_like(cover, half.max())
        for _ in range(4):
            side = np.clip((self.x - centre) / width, -0.995, 0.995)
            ring = 0.5 * ring + 0.5 * (self.y - bow * np.sqrt(1 - side**2))  # half steps: no swinging
            width = np.interp(ring * self.size - 0.5, rows, half)
        return np.asarray(side, np.float32), np.asarray(ring, np.float32)


def _floor_shadow(alpha: Floats) -> Floats:
    """The silhouette laid flat under its own feet, and a darker line where it touches."""
    size = alpha.shape[0]
    rows = np.flatnonzero(alpha.max(axis=1) > 0.5)
    foot = int(rows[-1])
    pool = np.zeros_like(alpha)
    reach = max(2, size // 16)
    for lift in range(reach):
        row = min(size - 1, foot - lift // 2 + 1)
        source = max(0, foot - lift * max(1, (foot - int(rows[0])) // reach))
        pool[row] = np.maximum(pool[row], np.roll(alpha[source], lift // 2))
    contact = np.zeros_like(alpha)
    contact[max(0, foot - 1) : foot + 2] = alpha[max(0, foot - 3) : foot + 1].max(axis=0)
    return np.clip(0.9 * soften(pool, size / 36) + 0.6 * soften(contact, size / 90), 0, 0.6)


def _wall_shadow(alpha: Floats) -> Floats:
    size = alpha.shape[0]
    near = np.roll(alpha, (size // 50, size // 64), axis=(0, 1))
    far = np.roll(alpha, (size // 22, size // 32), axis=(0, 1))
    return np.clip(0.22 * soften(near, size / 64) + 0.2 * soften(far, size / 26), 0, 0.5)
