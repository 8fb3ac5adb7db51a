"""Outlines written as short path texts on a 100 x 100 grid, turned into masks with soft edges.

The language is a slice of SVG's, absolute coordinates only: `M x y`, `L x y`, `Q cx cy x y`,
`C ax ay bx by x y`, `Z`, and two shorthands: `O cx cy rx ry` (ellipse), `R left top right bottom r`
(rounded box).
"""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Point = tuple[float, float]
GRID = 100.0
_OVERSAMPLE = 4
_CURVE_STEPS = 16
_ARGUMENTS = {"M": 2, "L": 2, "Q": 4, "C": 6, "Z": 0, "O": 4, "R": 5}
_TOKEN = re.compile(r"[MLQCZOR]|-?\d*\.?\d+")


def trace(path: str) -> list[list[Point]]:
    """Follow a path; each `M`, `O` or `R` opens a new outline."""
    outlines: list[list[Point]] = []
    tokens = _TOKEN.findall(path)
    at = 0
    while at < len(tokens):
        command = tokens[at]
        count = _ARGUMENTS[command]
        numbers = [float(token) for token in tokens[at + 1 : at + 1 + count]]
        at += 1 + count
        if command == "M":
            outlines.append([(numbers[0], numbers[1])])
        elif command == "O":
            outlines.append(_ellipse(*numbers))
        elif command == "R":
            outlines.append(_rounded(*numbers))
        elif command == "Z":
            outlines[-1].append(outlines[-1][0])
        else:
            outlines[-1].extend(_bezier(outlines[-1][-1], numbers))
    return outlines


def mirror(path: str) -> str:
    """The same path seen in a mirror: left and right change places (`R` and `O` are not needed mirrored)."""
    flipped, horizontal = [], True
    for token in _TOKEN.findall(path):
        if token.isalpha():
            flipped.append(token)
            horizontal = True
            continue
        flipped.append(f"{GRID - float(token):g}" if horizontal else token)
        horizontal = not horizontal
    return " ".join(flipped)


def fill(path: str, size: int, *, stroke: float | None = None) -> NDArray[np.float32]:
    """Cover of a path over a [size, size] picture, 0..1; with `stroke`, of a line that wide (grid units)."""
    fine = size * _OVERSAMPLE
    scale = fine / GRID
    canvas = Image.new("L", (fine, fine))
    draw = ImageDraw.Draw(canvas)
    for outline in trace(path):
        points = [(x * scale, y * scale) for x, y in outline]
        if stroke is None:
            draw.polygon(points, fill=255)
        else:
            _line(draw, points, stroke * scale)
    return np.asarray(canvas.reduce(_OVERSAMPLE), dtype=np.float32) / 255.0


def _line(draw: ImageDraw.ImageDraw, points: list[Point], width: float) -> None:
    draw.line(points, fill=255, width=max(1, round(width)), joint="curve")
    for x, y in (points[0], points[-1]):
        draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)


def _bezier(start: Point, numbers: list[float]) -> list[Point]:
    """Points of a Bezier curve of any degree (de Casteljau); a straight line is degree one."""
    control = np.array([*start, *numbers]).reshape(-1, 2)
    steps = 1 if len(control) == 2 else _CURVE_STEPS
    t = np.linspace(0, 1, steps + 1)[1:, None, None]
    level = np.broadcast_to(control, (steps, *control.shape))
    while level.shape[1] > 1:
        level = level[:, :-1] * (1 - t) + level[:, 1:] * t
    return [(float(x), float(y)) for x, y in level[:, 0]]


def _ellipse(cx: float, cy: float, rx: float, ry: float) -> list[Point]:
    angles = (2 * math.pi * step / 72 for step in range(73))
    return [(cx + rx * math.cos(a), cy + ry * math.sin(a)) for a in angles]


def _rounded(left: float, top: float, right: float, bottom: float, r: float) -> list[Point]:
    corners = (
        (right - r, top + r, -90),
        (right - r, bottom - r, 0),
        (left + r, bottom - r, 90),
        (left + r, top + r, 180),
    )
    points = [
        (cx + r * math.cos(math.radians(start + step)), cy + r * math.sin(math.radians(start + step)))
        for cx, cy, start in corners
        for step in range(0, 91, 10)
    ]
    return [*points, points[0]]
