"""Contact sheets: right sizes, frames of the right colour at the right places, and hostile captions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFont

from fourtower_encoders.errors import ImageError, InvalidConfig
from fourtower_encoders.gallery import GREEN, LINE, PANEL, RED, WHITE, Hit, Layout, Query, Row, contact_sheet
from fourtower_encoders.typeset import font, lines

BLUE = (20, 40, 220)
PICTURE = Image.new("RGB", (40, 40), BLUE)


def sheet(tmp_path, rows, **settings):
    """Draw and read back."""
    out = tmp_path / "made" / "sheet.png"
    contact_sheet(rows, out, **settings)
    with Image.open(out) as image:
        return np.asarray(image.convert("RGB"))


def edges(pixels, box):
    """The colours in the middle of a tile's four edges, two pixels inside."""
    left, upper, right, lower = box
    x, y = (left + right) // 2, (upper + lower) // 2
    return {tuple(map(int, pixels[at])) for at in ((upper + 2, x), (lower - 3, x), (y, left + 2), (y, right - 3))}


def middle(pixels, box):
    left, upper, right, lower = box
    return tuple(map(int, pixels[(upper + lower) // 2, (left + right) // 2]))


def test_frames_tell_the_verdict(tmp_path):
    hits = [Hit(PICTURE, "right", 0.9, "right"), Hit(PICTURE, "wrong", 0.8, "wrong"), Hit(PICTURE, "other", 0.7)]
    rows = [Row(Query(PICTURE), hits, heading="Photos"), Row(Query(PICTURE, "plaid", "zebra"), hits[::-1])]
    pixels = sheet(tmp_path, rows, title="Found", subtitle="by whom")
    layout = Layout(rows, 168, titled=True)
    assert pixels.shape == (*layout.size[::-1], 3)
    assert [edges(pixels, layout.box(0, column)) for column in (1, 2, 3)] == [{GREEN}, {RED}, {BLUE}]
    assert [edges(pixels, layout.box(1, column)) for column in (1, 2, 3)] == [{BLUE}, {RED}, {GREEN}]
    assert all(middle(pixels, layout.box(row, column)) == BLUE for row in (0, 1) for column in range(4))
    left, upper, _, _ = layout.box(0, 3)
    assert tuple(pixels[upper + 40, left]) == LINE  # a hairline around what is neither


def test_tiles_lie_apart_and_on_the_sheet():
    rows = [Row(Query(words="a"), [Hit(None, "b", 0.0)] * count, heading) for count, heading in ((1, ""), (5, "x"))]
    for titled in (False, True):
        layout = Layout(rows, 100, titled)
        width, height = layout.size
        boxes = [layout.box(row, column) for row, count in ((0, 1), (1, 5)) for column in range(count + 1)]
        assert all(0 < left < right < width and 0 < upper < lower < height for left, upper, right, lower in boxes)
        for index, (left, upper, right, lower) in enumerate(boxes):
            for other in boxes[:index]:
                assert right <= other[0] or other[2] <= left or lower <= other[1] or other[3] <= upper


def test_queries_of_words_and_products_without_picture(tmp_path):
    rows = [Row(Query(words="plaid bag"), [Hit(None, "a bag", 0.5)]), Row(Query(PICTURE), [])]
    pixels = sheet(tmp_path, rows, tile=120)
    layout = Layout(rows, 120, titled=False)
    for column in (0, 1):
        left, upper, right, lower = layout.box(0, column)
        inside = pixels[upper + 4 : lower - 4, left + 4 : right - 4]
        assert tuple(inside[0, 50]) == PANEL
        assert (inside.sum(axis=2) < 400).any(), "something is written on it"
    assert (pixels[: layout.top(0)] == WHITE).all()


def test_pictures_keep_their_proportions(tmp_path):
    rows = [Row(Query(Image.new("RGB", (80, 20), BLUE)), [])]
    pixels = sheet(tmp_path, rows)
    left, upper, right, lower = Layout(rows, 168, titled=False).box(0, 0)
    assert middle(pixels, (left, upper, right, lower)) == BLUE
    assert tuple(pixels[upper + 20, (left + right) // 2]) == WHITE


def test_relative_paths_start_at_the_root(tmp_path):
    PICTURE.save(tmp_path / "blue.png")
    rows = [Row(Query("blue.png"), [])]
    assert middle(sheet(tmp_path, rows, root=tmp_path), Layout(rows, 168, titled=False).box(0, 0)) == BLUE
    with pytest.raises(ImageError):
        sheet(tmp_path, [Row(Query("green.png"), [])], root=tmp_path)


def test_what_cannot_be_drawn_or_written_is_said(tmp_path):
    with pytest.raises(InvalidConfig, match="at least one query"):
        contact_sheet([], tmp_path / "x.png")
    for out in (tmp_path / "x.nonsense", tmp_path):
        with pytest.raises(InvalidConfig, match="Can't write"):
            contact_sheet([Row(Query(PICTURE), [])], out)


@given(st.text(max_size=400), st.integers(20, 200), st.integers(1, 4))
def test_lines_fit_whatever_the_text(text, width, most):
    face = ImageFont.load_default(size=12)
    found = lines(text, face, width, most=most)
    assert len(found) <= most
    assert all(face.getlength(line) <= max(width, face.getlength("…")) for line in found)
    assert all(line.isprintable() for line in found)


def test_lines_break_between_words_and_say_what_is_missing():
    face = font(13)
    width = int(face.getlength("one two")) + 1
    assert lines("one two", face, width, most=1) == ["one two"]
    assert lines("one two six ten", face, width, most=2) == ["one two", "six ten"]
    assert lines("one two three four", face, width, most=2)[1].endswith("…")
    assert lines(" \n\x00 ", face, width, most=2) == []


def test_a_caption_full_of_control_signs_is_drawn(tmp_path):
    rows = [Row(Query(PICTURE, "\x00\n", "\u202e"), [Hit(PICTURE, "\x1b[31m" + "W" * 5000, float("-inf"))])]
    assert sheet(tmp_path, rows).shape[1] == Layout(rows, 168, titled=False).size[0]
