"""The ten patterns: seamless tiles that say how much of the strong colour lies where, and how to sample them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]

_OVERSAMPLE = 2
"""Tiles are computed this much finer and averaged: soft edges, no jagged stripes."""


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float32)


def _fraction(x: Floats) -> Floats:
    return _floats(x - np.floor(x))


def _swell(x: Floats, y: Floats, seed: int, highest: int) -> Floats:
    """Smooth noise in about -1..1 that repeats with the tile: a few low waves in random directions."""
    rng = np.random.default_rng(seed)
    total = np.zeros_like(x)
    for _ in range(7):
        kx, ky = rng.integers(-highest, highest + 1, size=2)
        total += np.sin(2 * np.pi * (kx * x + ky * y + rng.random()), dtype=np.float32)
    return _floats(total / 3.5)


def _zebra(x: Floats, y: Floats) -> Floats:
    wave = np.sin(2 * np.pi * (6 * x + y + 0.42 * _swell(x, y, 11, 2) + 0.12 * _swell(x, y, 12, 5)))
    return _floats(wave > 0.45 * _swell(x, y, 13, 3))


def _leopard(x: Floats, y: Floats) -> Floats:
    """Rosettes: broken rings around jittered points, a darker ground inside each."""
    cells = 7
    rng = np.random.default_rng(21)
    jitter = rng.uniform(0.22, 0.78, size=(2, cells, cells))
    radius = rng.uniform(0.30, 0.46, size=(cells, cells))
    turn = rng.uniform(0, 2 * np.pi, size=(cells, cells))
    wobble = 0.10 * _swell(x, y, 22, 9)
    mix = np.zeros_like(x)
    column, row = np.floor(x * cells).astype(int), np.floor(y * cells).astype(int)
    for step_y in (-1, 0, 1):
        for step_x in (-1, 0, 1):
            at = ((row + step_y) % cells, (column + step_x) % cells)
            dx = x * cells - (column + step_x) - jitter[0][at]
            dy = y * cells - (row + step_y) - jitter[1][at]
            distance = np.hypot(dx, dy) / radius[at] + wobble
            angle = np.arctan2(dy, dx) + turn[at]
            ring = (np.abs(distance - 0.8) < 0.24) & (np.sin(3 * angle) + 0.6 * np.sin(2 * angle) > -0.95)
            mix = np.maximum(mix, np.where(ring, 1.0, np.where(distance < 0.8, 0.38, 0.0)))
    return _floats(mix)


def _dots(x: Floats, y: Floats) -> Floats:
    row = _floats(np.floor(y * 6))
    dx = _fraction(x * 6 + 0.5 * (row % 2)) - 0.5
    dy = _fraction(y * 6) - 0.5
    return _floats(np.hypot(dx, dy) > 0.3)


def _check(x: Floats, y: Floats) -> Floats:
    return _floats((np.floor(x * 8) + np.floor(y * 8)) % 2)


def _plaid(x: Floats, y: Floats) -> Floats:
    """Broad and thin bands both ways; where two cross, the colour deepens, as in woven cloth."""

    def bands(t: Floats) -> Floats:
        t = _fraction(t * 3)
        broad = (np.abs(t - 0.3) < 0.2) * 0.5
        thin = (np.abs(t - 0.78) < 0.045) * 0.6
        return _floats(broad + thin)

    twill = 0.08 * np.sign(np.sin(2 * np.pi * 36 * (x + y)))
    both = bands(x) + bands(y)
    return _floats(np.clip(both + np.where(both > 0, twill, 0), 0, 1))


def _chevron(x: Floats, y: Floats) -> Floats:
    zigzag = np.abs(_fraction(x * 5) - 0.5)
    return _floats(_fraction(y * 7 + zigzag * 1.5) < 0.5)


def _horizontal(x: Floats, y: Floats) -> Floats:
    return _floats((_fraction(y * 8) < 0.5) + 0 * x)


def _vertical(x: Floats, y: Floats) -> Floats:
    return _floats((_fraction(x * 8) < 0.5) + 0 * y)


def _plain(x: Floats, y: Floats) -> Floats:
    return _floats(np.ones_like(x + y))


def _gradient(x: Floats, y: Floats) -> Floats:
    return _floats((0.5 - 0.5 * np.cos(2 * np.pi * y)) + 0 * x)


_FIELDS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "zebra": _zebra,
    "leopard": _leopard,
    "dots": _dots,
    "check": _check,
    "plaid": _plaid,
    "chevron": _chevron,
    "horizontal stripes": _horizontal,
    "vertical stripes": _vertical,
    "plain": _plain,
    "gradient": _gradient,
}
PATTERNS: tuple[str, ...] = tuple(_FIELDS)
STRETCH: dict[str, float] = {"gradient": 0.85}
"""Patterns whose tile does not cover one photo width."""


@lru_cache(maxsize=64)
def tile(pattern: str, size: int) -> Floats:
    """Draw the seamless tile of a pattern: [size, size], 1 where the strong colour is, 0 where the light one is."""
    fine = size * _OVERSAMPLE
    line = (np.arange(fine, dtype=np.float32) + 0.5) / fine
    across, down = np.meshgrid(line, line)
    field = _FIELDS[pattern](_floats(across), _floats(down))
    return _floats(field.reshape(size, _OVERSAMPLE, size, _OVERSAMPLE).mean(axis=(1, 3)))


def sample(field: Floats, x: Floats, y: Floats) -> Floats:
    """Read a tile at fractional places (in tiles, any real number), bilinearly and without seams."""
    size = field.shape[0]
    x, y = x * size, y * size
    left, top = np.floor(x), np.floor(y)
    along, down = x - left, y - top
    x0, y0 = left.astype(np.int32) % size, top.astype(np.int32) % size
    x1, y1 = (x0 + 1) % size, (y0 + 1) % size
    upper = field[y0, x0] * (1 - along) + field[y0, x1] * along
    lower = field[y1, x0] * (1 - along) + field[y1, x1] * along
    return _floats(upper * (1 - down) + lower * down)
