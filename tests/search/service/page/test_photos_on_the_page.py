"""Photos on the page: shrunk and turned upright before they are sent, boxes drawn by pointer, keyboard or detector."""

import io

import pytest
from PIL import Image
from playwright.sync_api import expect
from tests.search.service.detector_plugins import install_detectors
from tests.search.service.live import running, settings_of
from tests.search.service.page.browsing import at_rest, jpeg

from fourtower_search.service.app import create_app

pytestmark = pytest.mark.slow
RED, BLUE, GREY = (200, 20, 30), (20, 40, 200), (128, 128, 128)

SENT = """async ([bytes, box]) => {
  const module = document.querySelector('script[src*="main.js"]').src.replace("main.js", "photos.js");
  const { photoOf } = await import(module);
  const file = new File([Uint8Array.from(bytes)], "photo.jpg", { type: "image/jpeg" });
  const photo = await photoOf(file, box);
  return [...new Uint8Array(await photo.file.arrayBuffer())];
}"""


def sent(visitor, photo, box=None):
    """The picture that the page would send for a photo."""
    return Image.open(io.BytesIO(bytes(visitor.page.evaluate(SENT, [list(photo), box]))))


def near(pixel, colour):
    return all(abs(one - other) < 30 for one, other in zip(pixel, colour, strict=True))


def test_a_large_photo_is_shrunk_and_turned_upright(visitor):
    visitor.go()
    # Stored lying on its side: the mark at the left edge belongs to the top.
    lying = jpeg((3000, 2000), GREY, orientation=6, mark=((0, 0, 600, 2000), RED))
    upright = sent(visitor, lying)
    assert upright.size == (683, 1024)
    assert near(upright.getpixel((340, 60)), RED)
    assert near(upright.getpixel((340, 900)), GREY)
    assert not upright.getexif()


def test_a_small_photo_is_not_blown_up(visitor):
    visitor.go()
    assert sent(visitor, jpeg((120, 80), BLUE)).size == (120, 80)


def test_a_box_is_cut_from_the_photo_at_its_full_size(visitor):
    visitor.go()
    photo = jpeg((2400, 1600), GREY, mark=((1200, 800, 1800, 1200), BLUE))
    cut = sent(visitor, photo, {"x": 0.5, "y": 0.5, "width": 0.25, "height": 0.25})
    assert cut.size == (600, 400)
    assert near(cut.getpixel((300, 200)), BLUE)


def test_a_box_drawn_with_the_pointer_searches_with_its_part(visitor, photos):
    visitor.go().show(photos[3])
    before = visitor.cards()
    visitor.page.locator(".part-photo").click()
    stage = visitor.page.locator(".crop-stage")
    expect(stage).to_be_visible()
    area = at_rest(stage)

    def point(x, y):
        visitor.page.mouse.move(area["x"] + area["width"] * x, area["y"] + area["height"] * y, steps=4)

    point(0.1, 0.5)
    visitor.page.mouse.down()
    point(0.6, 0.95)
    visitor.page.mouse.up()
    x, y, width, height = (float(each) for each in visitor.page.locator(".crop-box").get_attribute("data-box").split())
    assert (x, y, width, height) == pytest.approx((0.1, 0.5, 0.5, 0.45), abs=0.02)
    visitor.page.get_by_role("button", name="Search with this").click()
    expect(visitor.page.get_by_role("button", name="Part of photo-0.jpg")).to_be_visible()
    visitor.settle()
    assert visitor.cards() != before


def test_a_box_is_drawn_with_the_keyboard_alone(visitor, photos):
    visitor.go().show(photos[3])
    visitor.page.locator(".part-photo").focus()
    visitor.page.keyboard.press("Enter")
    box = visitor.page.locator(".crop-box")
    expect(box).to_be_focused()
    for key in ("-", "-", "ArrowRight", "Shift+ArrowUp"):
        visitor.page.keyboard.press(key)
    assert box.get_attribute("data-box") == "0.075 0.050 0.900 0.875"
    said = visitor.page.locator(".crop-said").inner_text()
    assert said == "Box: 90 % wide, 87 % high, 8 % from the left, 5 % from the top"
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.get_by_role("button", name="Part of photo-0.jpg")).to_be_visible()
    visitor.settle()


def test_closing_the_sheet_leaves_the_photo_as_it_was(visitor, photos):
    visitor.go().show(photos[3])
    before = visitor.cards()
    visitor.page.locator(".part-photo").click()
    visitor.page.locator(".crop-box").press("-")
    visitor.page.keyboard.press("Escape")
    expect(visitor.page.get_by_role("dialog")).to_have_count(0)
    expect(visitor.page.locator(".part-photo")).to_be_focused()
    assert visitor.cards() == before
    assert visitor.page.get_by_role("button", name="Find objects").count() == 0  # nobody installed a detector


def test_a_detector_proposes_boxes(visit, served_client, drawn_catalog, tmp_path, monkeypatch):
    install_detectors(tmp_path, monkeypatch, "vivid", colourful="Colourful")
    with running(create_app(settings_of(image_root=drawn_catalog), client=served_client)) as address:
        visitor = visit(address).go()
        visitor.show(jpeg((800, 600), GREY, mark=((400, 150, 700, 450), RED)))
        visitor.page.locator(".part-photo").click()
        visitor.page.get_by_role("button", name="Find objects").click()
        visitor.page.get_by_role("button", name="Use the box around: something colourful").click()
        found = [float(each) for each in visitor.page.locator(".crop-box").get_attribute("data-box").split()]
        assert found == pytest.approx([0.5, 0.25, 0.375, 0.5], abs=0.03)
        visitor.page.get_by_role("button", name="Search with this").click()
        expect(visitor.page.get_by_role("button", name="Part of photo-0.jpg")).to_be_visible()
        visitor.settle()


def test_several_photos_count_together_and_can_be_taken_away(visitor, photos):
    visitor.go().show(photos[0])
    one = visitor.cards()
    visitor.show(photos[1])
    assert "for 2 photos" in visitor.heading()
    assert visitor.cards() != one
    visitor.page.get_by_role("button", name="Remove photo-0.jpg").nth(1).click()
    visitor.settle()
    assert visitor.cards() == one
    assert visitor.page.get_by_label("What are you looking for?").evaluate("field => field === document.activeElement")


def test_more_photos_than_allowed_are_refused_with_a_word(visitor, photos):
    visitor.go().show(photos[0])
    visitor.drop(*((f"more-{n}.jpg", photo) for n, photo in enumerate([*photos[1:8], photos[0], photos[1]])))
    expect(visitor.page.locator(".toast")).to_have_text("A search takes 8 photos at most.")
    expect(visitor.page.locator(".part-photo")).to_have_count(8)
    visitor.settle()
    assert "for 8 photos" in visitor.heading()


def test_a_file_that_is_no_picture_is_refused_with_a_word(visitor):
    visitor.go().drop(("notes.txt", b"buy milk"))
    expect(visitor.page.locator(".toast")).to_contain_text("notes.txt is no picture that this browser can open")
    assert visitor.page.locator("#hero").is_visible()
