"""Sets text and draws rounded shapes on pictures: fonts, line breaks, smooth masks and marks."""

from __future__ import annotations

from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Colour = tuple[int, int, int]

_FINER = 4
"""Shapes are drawn this many times larger and shrunk, as Pillow draws jagged edges."""
_LONGEST_TEXT = 300


@lru_cache(maxsize=32)
def font(size: int, *, bold: bool = False) -> Font:
    """DejaVu where the machine has it, as it knows many scripts; otherwise the font inside Pillow."""
    try:
        return ImageFont.truetype("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf", size)
    except OSError:
        return ImageFont.load_default(size=size)


def lines(text: str, face: Font, width: int, *, most: int) -> list[str]:
    """Break a text into at most `most` lines of `width` pixels; what doesn't fit ends in an ellipsis."""
    words = "".join(sign if sign.isprintable() else " " for sign in text[:_LONGEST_TEXT]).split()
    broken: list[str] = []
    while words and len(broken) < most:
        count = 1
        while count < len(words) and face.getlength(" ".join(words[: count + 1])) <= width:
            count += 1
        last = len(broken) == most - 1
        broken.append(_fitting(" ".join(words if last else words[:count]), face, width))
        words = [] if last else words[count:]
    return broken


def _fitting(line: str, face: Font, width: int) -> str:
    if face.getlength(line) <= width:
        return line
    while line and face.getlength(f"{line}…") > width:
        line = line[:-1]
    return f"{line.rstrip()}…"


@lru_cache(maxsize=64)
def rounded(width: int, height: int, radius: int) -> Image.Image:
    """A smooth mask of a rounded rectangle that fills its picture."""
    mask = Image.new("L", (width * _FINER, height * _FINER), 0)
    box = (0, 0, width * _FINER - 1, height * _FINER - 1)
    ImageDraw.Draw(mask).rounded_rectangle(box, radius * _FINER, fill=255)
    return mask.resize((width, height), Image.Resampling.LANCZOS)


def fill(canvas: Image.Image, box: tuple[int, int, int, int], colour: Colour, *, radius: int) -> None:
    """Paint a rounded rectangle."""
    left, upper, right, lower = box
    canvas.paste(colour, box, rounded(right - left, lower - upper, radius))


def pill(canvas: Image.Image, at: tuple[int, int], text: str, face: Font, *, ink: Colour, paper: Colour) -> None:
    """A text on a rounded label, its upper left corner at `at`."""
    left, upper = at
    height = 22
    fill(canvas, (left, upper, left + round(face.getlength(text)) + 18, upper + height), paper, radius=height // 2)
    ImageDraw.Draw(canvas).text((left + 9, upper + height / 2), text, font=face, fill=ink, anchor="lm")


@lru_cache(maxsize=8)
def mark(size: int, colour: Colour, *, tick: bool) -> Image.Image:
    """A disc with a white tick or cross, for those who can't tell red from green; RGBA."""
    side = size * _FINER
    disc = Image.new("RGBA", (side, side), (*colour, 0))
    draw = ImageDraw.Draw(disc)
    draw.ellipse((0, 0, side - 1, side - 1), fill=(*colour, 255), outline="white", width=side // 12)
    tick_strokes = [((0.27, 0.52), (0.44, 0.68), (0.74, 0.34))]
    cross_strokes = [((0.32, 0.32), (0.68, 0.68)), ((0.68, 0.32), (0.32, 0.68))]
    for stroke in tick_strokes if tick else cross_strokes:
        draw.line([(x * side, y * side) for x, y in stroke], fill="white", width=side // 9, joint="curve")
    return disc.resize((size, size), Image.Resampling.LANCZOS)
