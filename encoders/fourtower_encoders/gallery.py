"""Draws contact sheets: queries, each with the pictures of what was found for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageOps

from fourtower_encoders.errors import InvalidConfig
from fourtower_encoders.images import ImageSource, load_image
from fourtower_encoders.typeset import Colour, fill, font, lines, mark, pill, rounded

Verdict = Literal["right", "wrong"]
Box = tuple[int, int, int, int]

GREEN: Colour = (34, 148, 83)
RED: Colour = (209, 52, 56)
INK: Colour = (32, 36, 44)
QUIET: Colour = (112, 118, 130)
LINE: Colour = (221, 224, 230)
PANEL: Colour = (245, 246, 248)
WHITE: Colour = (255, 255, 255)

_MARGIN, _GAP, _ARROW, _RADIUS, _FRAME = 36, 16, 56, 10, 4
_HEADER, _HEADING, _CAPTION = 74, 40, 66


@dataclass(frozen=True)
class Query:
    """What was searched for: a photo, words, or both."""

    picture: ImageSource | None = None
    words: str = ""
    unwanted: str = ""
    """Words that the results should not match."""


@dataclass(frozen=True)
class Hit:
    """One result; `right` gets a green frame and a tick, `wrong` a red one and a cross."""

    picture: ImageSource | None
    caption: str
    score: float
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Row:
    """A query with its results, best first; a heading opens a new section above it."""

    query: Query
    hits: Sequence[Hit]
    heading: str = ""


@dataclass(frozen=True)
class Layout:
    """Where everything stands on the sheet, in pixels."""

    rows: Sequence[Row]
    tile: int
    titled: bool

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the sheet."""
        hits = max((len(row.hits) for row in self.rows), default=0)
        width = 2 * _MARGIN + self.tile + (_ARROW + hits * (self.tile + _GAP) - _GAP if hits else 0)
        return width, self.top(len(self.rows)) + _MARGIN - _GAP

    def top(self, row: int) -> int:
        """The upper edge of a row, its heading included."""
        heights = [self.tile + _CAPTION + _GAP + bool(above.heading) * _HEADING for above in self.rows[:row]]
        return _MARGIN + self.titled * _HEADER + sum(heights)

    def box(self, row: int, column: int) -> Box:
        """The tile of a row's query (column 0) or of one of its hits (from 1)."""
        left = _MARGIN + column * (self.tile + _GAP) + bool(column) * (_ARROW - _GAP)
        upper = self.top(row) + bool(self.rows[row].heading) * _HEADING
        return left, upper, left + self.tile, upper + self.tile


def contact_sheet(
    rows: Sequence[Row], out: Path, *, title: str = "", subtitle: str = "", root: Path | None = None, tile: int = 168
) -> None:
    """Draw queries with their results and write the picture.

    Args:
        rows: What to show, from top to bottom.
        out: The file to write; its ending chooses the format (.png, .jpg, .webp).
        title: A line above everything.
        subtitle: A quieter line below it.
        root: Where relative paths of pictures start.
        tile: Side of one picture in pixels.

    Raises:
        InvalidConfig: there is nothing to show, or the file can't be written.
        ImageError: a picture can't be used.
    """
    if not rows:
        raise InvalidConfig("A contact sheet needs at least one query; the dataset or the selection is empty.")
    layout = Layout(rows, tile, bool(title or subtitle))
    canvas = Image.new("RGB", layout.size, WHITE)
    draw = ImageDraw.Draw(canvas)
    if layout.titled:
        draw.text((_MARGIN, _MARGIN - 6), title, font=font(24, bold=True), fill=INK)
        draw.text((_MARGIN, _MARGIN + 28), subtitle, font=font(14), fill=QUIET)
    for number, row in enumerate(rows):
        _draw_row(canvas, layout, number, row, root)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        canvas.save(out)
    except (OSError, ValueError) as error:
        raise InvalidConfig(
            f"Can't write the picture {out} ({error}); choose a writable path ending in .png."
        ) from error


def _draw_row(canvas: Image.Image, layout: Layout, number: int, row: Row, root: Path | None) -> None:
    draw = ImageDraw.Draw(canvas)
    if row.heading:
        draw.text((_MARGIN, layout.top(number) + 4), row.heading, font=font(16, bold=True), fill=INK)
    box = layout.box(number, 0)
    _draw_query(canvas, box, row.query, root)
    _draw_arrow(draw, box)
    for column, hit in enumerate(row.hits, start=1):
        _draw_hit(canvas, layout.box(number, column), hit, root)


def _draw_query(canvas: Image.Image, box: Box, query: Query, root: Path | None) -> None:
    """The photo with its words beneath, or the words alone, written large."""
    left, upper, right, lower = box
    if query.picture is not None:
        _draw_tile(canvas, box, query.picture, None, root)
    else:
        fill(canvas, box, PANEL, radius=_RADIUS)
        face = font(20)
        middle = "\n".join(lines(f"“{query.words}”", face, right - left - 24, most=4))
        centre = ((left + right) / 2, (upper + lower) / 2)
        ImageDraw.Draw(canvas).text(centre, middle, font=face, fill=INK, anchor="mm", align="center", spacing=6)
    labels = [("+ " + query.words, INK)] if query.words and query.picture is not None else []
    labels += [("not " + query.unwanted, RED)] if query.unwanted else []
    for place, (text, paper) in enumerate(labels):
        face = font(13)
        label = lines(text, face, right - left - 18, most=1)[0]
        pill(canvas, (left, lower + 8 + 27 * place), label, face, ink=WHITE, paper=paper)


def _draw_hit(canvas: Image.Image, box: Box, hit: Hit, root: Path | None) -> None:
    left, _, right, lower = box
    _draw_tile(canvas, box, hit.picture, hit.verdict, root)
    draw = ImageDraw.Draw(canvas)
    y = lower + 7
    for line in lines(hit.caption, font(13), right - left, most=2):
        draw.text((left, y), line, font=font(13), fill=INK)
        y += 17
    draw.text((left, y + 2), f"{hit.score:.2f}", font=font(12), fill=QUIET)


def _draw_tile(
    canvas: Image.Image, box: Box, picture: ImageSource | None, verdict: Verdict | None, root: Path | None
) -> None:
    """A picture in a rounded frame whose colour tells the verdict."""
    left, upper, right, lower = box
    colour = {"right": GREEN, "wrong": RED, None: LINE}[verdict]
    width = _FRAME if verdict else 1
    fill(canvas, box, colour, radius=_RADIUS)
    inner = (left + width, upper + width, right - width, lower - width)
    side = inner[2] - inner[0]
    fill(canvas, inner, WHITE if picture is not None else PANEL, radius=_RADIUS - width)
    if picture is None:
        centre = ((left + right) / 2, (upper + lower) / 2)
        ImageDraw.Draw(canvas).text(centre, "no picture", font=font(13), fill=QUIET, anchor="mm")
    else:
        image = ImageOps.pad(load_image(picture, root=root, at_least=side), (side, side), color=WHITE)
        canvas.paste(image, inner[:2], rounded(side, side, _RADIUS - width))
    if verdict:
        badge = mark(26, colour, tick=verdict == "right")
        canvas.paste(badge, (right - 34, upper + 8), badge)


def _draw_arrow(draw: ImageDraw.ImageDraw, box: Box) -> None:
    """A small chevron between the query and its results."""
    _, upper, right, lower = box
    draw.text((right + _ARROW / 2, (upper + lower) / 2), "\u203a", font=font(44), fill=QUIET, anchor="mm")
