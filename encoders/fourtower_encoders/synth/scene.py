"""Backgrounds of street photos: a lit wall above a floor, and clutter that may wear the catalog's own patterns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from fourtower_encoders.synth.palette import PALETTE, RGB
from fourtower_encoders.synth.patterns import PATTERNS, Floats, tile

_T = TypeVar("_T")
_Bytes = NDArray[np.uint8]

WALLS: tuple[RGB, ...] = (
    (222, 210, 194), (192, 204, 210), (214, 192, 178), (182, 194, 174), (230, 222, 214),
    (160, 168, 180), (206, 184, 164), (176, 126, 104), (198, 186, 204),
)  # fmt: skip
FLOORS: tuple[RGB, ...] = (
    (168, 130, 96), (130, 118, 108), (190, 164, 134), (112, 102, 98), (150, 150, 148), (204, 190, 170),
)  # fmt: skip
SHADE: RGB = (26, 22, 24)


def pick(rng: np.random.Generator, options: Sequence[_T]) -> _T:
    """Choose one of the options, whatever its type."""
    return options[int(rng.integers(len(options)))]


def paste_with_shadow(scene: Image.Image, piece: Image.Image, at: tuple[int, int]) -> None:
    """Lay an `RGBA` piece on the scene, its soft shadow to the lower right."""
    size = scene.width
    mask = piece.getchannel("A")
    shadow = ImageChops.multiply(mask, Image.new("L", mask.size, 100)).filter(ImageFilter.BoxBlur(size / 48))
    scene.paste(SHADE, (at[0] + size // 48, at[1] + size // 32), shadow)
    scene.paste(piece, at, mask)


def room(rng: np.random.Generator, size: int) -> tuple[Image.Image, int]:
    """A wall above a floor, lit from one side; returns the picture and the row where the floor begins."""
    horizon = int(rng.uniform(0.45, 0.78) * size)
    wall, floor = (np.array(pick(rng, colours), np.float32) for colours in (WALLS, FLOORS))
    relief = np.empty((size, size), np.float32)
    relief[:horizon] = _wall(pick(rng, ("plaster", "brick", "panels")), size)[:horizon]
    relief[horizon:] = _floor(pick(rng, ("boards", "tiles")), size)[: size - horizon]
    relief *= _glow(rng, size) * np.float32(rng.uniform(0.8, 1.05))
    scene = np.empty((size, size, 3), np.float32)
    scene[:horizon] = relief[:horizon, :, None] * wall
    scene[horizon:] = relief[horizon:, :, None] * floor
    return Image.fromarray(np.minimum(scene, 255).astype(np.uint8)), horizon


def _glow(rng: np.random.Generator, size: int) -> Floats:
    """Light that falls off around a lamp or window somewhere above: [size, size]."""
    line = np.linspace(0, 1, size, dtype=np.float32)
    across = np.exp(-((line - np.float32(rng.uniform(0, 1))) ** 2) / np.float32(0.3))
    down = np.exp(-((line - np.float32(rng.uniform(-0.1, 0.5))) ** 2) / np.float32(0.3))
    glow: Floats = np.float32(0.74) + np.float32(0.38) * down[:, None] * across[None, :]
    return glow


@lru_cache(maxsize=16)
def _wall(kind: str, size: int) -> Floats:
    """Relief of a wall, about 1, darker in its joints: [size, size]."""
    line = np.linspace(0, 1, size, endpoint=False, dtype=np.float32)
    x, y = np.meshgrid(line, line)
    relief = 1 + _grain(size, 31) * 0.012
    if kind == "brick":
        row = np.floor(y * 14)
        joint = np.maximum(_groove(y * 14, 0.12), _groove(x * 6 + 0.5 * (row % 2), 0.06))
        tone = np.sin(row * 12.9 + np.floor(x * 6 + 0.5 * (row % 2)) * 78.2)
        relief += 0.05 * tone - 0.13 * joint
    elif kind == "panels":
        relief -= 0.12 * _groove(x * 7, 0.05)
    return relief.astype(np.float32)


@lru_cache(maxsize=16)
def _floor(kind: str, size: int) -> Floats:
    """Relief of a floor seen at a slant, its far edge first: [size, size]."""
    line = np.linspace(0, 1, size, endpoint=False, dtype=np.float32)
    x, y = np.meshgrid(line, line)
    depth = 1 / (y + 0.22)
    across = (x - 0.5) * depth
    joint = _groove(across * 3.2, 0.05)
    if kind == "tiles":
        joint = np.maximum(joint, _groove(depth * 1.6, 0.05))
    tone = np.sin(np.floor(across * 3.2) * 41.3)
    contact = np.exp(-y * 40)  # the dark line where floor and wall meet
    relief = 0.86 + 0.25 * y + 0.035 * tone - 0.16 * joint - 0.22 * contact + _grain(size, 32) * 0.015
    return relief.astype(np.float32)


def _groove(position: NDArray[Any], width: float) -> Floats:
    """1 in a joint of the given width around each whole number, softly 0 elsewhere."""
    away = np.abs(position - np.round(position))
    return np.asarray(np.clip(1.5 - away / width, 0, 1), dtype=np.float32)


@lru_cache(maxsize=8)
def _grain(size: int, seed: int) -> Floats:
    return np.random.default_rng(seed).standard_normal((size, size), dtype=np.float32)


def add_clutter(scene: Image.Image, rng: np.random.Generator, horizon: int, *, textured: bool) -> None:
    """Put something else into the picture: a framed print on the wall, or a ball, cushion or box below it."""
    size = scene.width
    width, height = (int(side) for side in rng.uniform(0.18, 0.46, 2) * size)
    x, y = rng.uniform(-0.1, 0.85) * size, rng.uniform(-0.1, 0.85) * size
    cloth = _cloth(rng, size, (width, height), textured=textured)
    if y + height < horizon + size // 8:
        piece = _framed(cloth, size)
    elif rng.random() < 0.35:
        piece = _with_mask(cloth, _ellipse_mask(cloth.size), _ball_light)
    else:
        mask = _box_mask(cloth.size, rng.uniform(0.03, 0.3))
        piece = _with_mask(cloth, mask, _slant_light).rotate(
            rng.uniform(-30, 30), Image.Resampling.BILINEAR, expand=True
        )
    paste_with_shadow(scene, piece, (int(x), int(y)))


def _cloth(rng: np.random.Generator, size: int, box: tuple[int, int], *, textured: bool) -> Image.Image:
    """Flat material of the given box: patterned like a product, or of one muted colour."""
    number = int(rng.integers(len(PALETTE)))
    if not textured:
        pair, grey = PALETTE[number], rng.uniform(70, 210)
        muted = (int(0.4 * s + 0.2 * b + 0.4 * grey) for s, b in zip(pair.strong, pair.light, strict=True))
        return Image.new("RGB", box, tuple(muted))
    steps = _steps(pick(rng, PATTERNS), size)
    row, column = rng.integers(0, size, 2)
    stretch = rng.uniform(0.7, 1.4)
    rows = (row + (np.arange(box[1]) / stretch).astype(int)) % size
    columns = (column + (np.arange(box[0]) / stretch).astype(int)) % size
    return Image.fromarray(_dyes(number)[steps[np.ix_(rows, columns)]])


@lru_cache(maxsize=32)
def _steps(pattern: str, size: int) -> _Bytes:
    return np.asarray(tile(pattern, size) * 255, dtype=np.uint8)


@lru_cache(maxsize=len(PALETTE))
def _dyes(number: int) -> _Bytes:
    """Colours between the light and the strong one of a pair: [256, 3]."""
    light, strong = np.array(PALETTE[number].light), np.array(PALETTE[number].strong)
    share = np.linspace(0, 1, 256)[:, None]
    return np.asarray(light + share * (strong - light), dtype=np.uint8)


def _framed(cloth: Image.Image, size: int) -> Image.Image:
    border = max(2, size // 40)
    frame = Image.new("RGBA", (cloth.width + 2 * border, cloth.height + 2 * border), (92, 70, 54, 255))
    ImageDraw.Draw(frame).rectangle((1, 1, frame.width - 2, frame.height - 2), fill=(236, 230, 220, 255))
    frame.paste(cloth, (border, border))
    return frame


def _with_mask(cloth: Image.Image, mask: Image.Image, light: Image.Image) -> Image.Image:
    """Cut material to a shape and shade it."""
    lit = Image.composite(cloth, Image.new("RGB", cloth.size, SHADE), light.resize(cloth.size))
    lit.putalpha(mask)
    return lit


def _ellipse_mask(box: tuple[int, int]) -> Image.Image:
    mask = Image.new("L", (2 * box[0], 2 * box[1]))
    ImageDraw.Draw(mask).ellipse((0, 0, mask.width - 1, mask.height - 1), fill=255)
    return mask.reduce(2)


def _box_mask(box: tuple[int, int], rounding: float) -> Image.Image:
    mask = Image.new("L", (2 * box[0], 2 * box[1]))
    radius = int(rounding * min(mask.size))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, mask.width - 1, mask.height - 1), radius=radius, fill=255)
    return mask.reduce(2)


def _light_map(ball: bool) -> Image.Image:
    """How much of its colour a piece keeps, brightest at the upper left: [64, 64] as `L`."""
    line = np.linspace(-1, 1, 64)
    x, y = np.meshgrid(line, line)
    z = np.sqrt(np.clip(1 - x**2 - y**2, 0, 1)) if ball else np.full_like(x, 0.8)
    slope = 0.5 if ball else 0.16
    return Image.fromarray((255 * np.clip(0.24 - slope * x - slope * y + 0.85 * z, 0.3, 1)).astype(np.uint8))


_ball_light = _light_map(ball=True)
_slant_light = _light_map(ball=False)
