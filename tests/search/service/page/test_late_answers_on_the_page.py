"""What the page does with answers that come late: after something else was asked, or the person went on."""

import re

import pytest
from playwright.sync_api import expect
from tests.search.service.detector_plugins import install_detectors
from tests.search.service.live import running, settings_of
from tests.search.service.page.slowing import Held, hold_pictures, holding_pictures, release_pictures

from fourtower_search.service.app import create_app
from fourtower_search.service.key_file import edit_keys
from fourtower_search.service.keys import new_key

pytestmark = pytest.mark.slow


def chip(visitor, name, text):
    return visitor.page.locator(f".facet[data-name='{name}'] label", has_text=re.compile(rf"^{text}\b"))


def chips(visitor, name):
    return visitor.page.locator(f".facet[data-name='{name}'] label")


def words(visitor):
    return visitor.page.get_by_label("What are you looking for?")


def is_recount(asked):
    """A search for the counts of a filter's other values."""
    return asked.get("limit") == 1 and "facets" in asked


def test_what_is_typed_before_the_page_is_ready_is_kept_and_searched_for(visitor):
    schema = Held(visitor.page, "schema")
    visitor.page.goto(visitor.address)
    schema.wait()
    words(visitor).fill("red bag")
    words(visitor).press("Enter")
    schema.release()
    visitor.settle()
    expect(visitor.page.locator("#results-title")).to_contain_text("“red bag”")
    assert words(visitor).input_value() == "red bag"


def test_what_is_still_being_typed_when_the_page_is_ready_stays(visitor):
    schema = Held(visitor.page, "schema")
    visitor.page.goto(f"{visitor.address}/?q=lamp")
    schema.wait()
    words(visitor).press_sequentially("in gre")
    schema.release()
    visitor.settle()
    assert words(visitor).input_value() == "in gre"
    assert "“lamp”" in visitor.heading()


def test_a_photo_that_comes_before_the_page_is_ready_is_searched_with(visitor, photos):
    schema = Held(visitor.page, "schema")
    visitor.page.goto(visitor.address)
    schema.wait()
    visitor.drop(("photo.jpg", photos[0]))
    schema.release()
    expect(visitor.page.locator(".part-photo")).to_have_count(1)
    expect(visitor.page.locator("#results-title")).to_contain_text("for your photo")


def test_a_products_name_that_comes_late_does_not_bring_it_back(visitor):
    visitor.go("?q=lamp")
    visitor.page.locator(".card").first.hover()
    visitor.page.locator(".card .similar").first.click()
    visitor.settle()
    lookup = Held(visitor.page, "products/lookup")
    visitor.page.reload()
    lookup.wait()
    visitor.page.go_back()
    expect(visitor.page).to_have_url(re.compile(r"\?q=lamp$"))
    lookup.release()
    visitor.settle()
    assert "products like" not in visitor.heading()
    assert visitor.page.locator(".part-like").count() == 0


def test_chips_stay_where_they_are_until_all_counts_have_come(visitor):
    visitor.go("?q=bag")
    known = chips(visitor, "colour").count()
    recount = Held(visitor.page, "search", is_recount)
    chip(visitor, "colour", "red").click()
    recount.wait()
    assert chips(visitor, "colour").count() == known
    chip(visitor, "colour", "blue").click()
    recount.release()
    visitor.settle()
    assert visitor.page.url.endswith("f.colour=red&f.colour=blue")
    expect(chips(visitor, "colour")).to_have_count(known)


def test_on_the_start_page_other_values_can_be_chosen_too(visitor):
    visitor.go()
    known = chips(visitor, "category").count()
    chip(visitor, "category", "bag").click()
    visitor.settle()
    expect(chips(visitor, "category")).to_have_count(known)


def test_results_stand_when_counts_fail(visitor):
    visitor.go("?q=bag")
    failed = {"status": 503, "json": {"code": "overloaded", "message": "Too much to do.", "request_id": "r"}}
    visitor.page.route(
        "**/search",
        lambda route: route.fulfill(**failed) if is_recount(route.request.post_data_json) else route.continue_(),
    )
    chip(visitor, "colour", "red").click()
    expect(visitor.page.locator(".toast")).to_contain_text("Too much to do.")
    visitor.settle()
    assert visitor.cards()
    assert visitor.page.locator(".state").count() == 0


def test_a_bound_is_not_lost_at_the_end_of_what_was_counted_so_far(visitor):
    recount = Held(visitor.page, "search", is_recount)
    visitor.page.goto(f"{visitor.address}/?q=bag&f.price=20..45")
    recount.wait()
    thumb = visitor.page.get_by_label("Price, to").and_(visitor.page.locator("[type=range]"))
    for _ in range(40):
        thumb.press("ArrowRight")
    high = float(re.search(r"f\.price=20\.\.([\d.]*)$", visitor.page.url)[1] or "nan")
    recount.release()
    visitor.settle()
    assert high >= 45


def test_a_card_is_explained_by_the_search_that_found_it(visitor):
    visitor.go().say("red bag")
    search = Held(visitor.page, "search", lambda asked: not asked.get("explain"))
    words(visitor).fill("blue lamp")
    words(visitor).press("Enter")
    search.wait()
    visitor.page.locator(".card .why").first.click()
    visitor.bars()
    assert "“red bag”" in visitor.page.locator(".why-panel").inner_text()
    search.release()
    visitor.page.keyboard.press("Escape")
    visitor.settle()
    assert "“blue lamp”" in visitor.heading()


def test_an_explanation_that_was_asked_for_comes_whatever_is_searched_meanwhile(visitor, photos):
    holding_pictures(visitor).go().say("red bag")
    hold_pictures(visitor)
    visitor.drop(("photo.jpg", photos[0]))
    explained = Held(visitor.page, "search", lambda asked: asked.get("explain"))
    visitor.page.locator(".card .why").first.click()
    explained.wait()
    release_pictures(visitor)
    expect(visitor.page.locator(".part-photo")).to_have_count(1)
    explained.release()
    visitor.bars()


def test_going_back_closes_what_was_open(visitor):
    visitor.go().say("red bag")
    visitor.page.locator(".card .open").first.click()
    expect(visitor.page.get_by_role("dialog")).to_be_visible()
    visitor.page.go_back()
    expect(visitor.page.get_by_role("dialog")).to_have_count(0)
    visitor.settle()
    assert visitor.page.locator("#hero").is_visible()


def test_photos_of_before_a_reload_do_not_turn_up_in_other_searches(visitor, photos):
    visitor.go().say("lamp")
    visitor.say("bag")
    visitor.page.reload()
    visitor.settle()
    visitor.show(photos[0])
    visitor.page.go_back()
    visitor.page.go_back()
    expect(visitor.page).to_have_url(re.compile(r"\?q=lamp$"))
    visitor.settle()
    assert visitor.page.locator(".part-photo").count() == 0
    assert visitor.heading().endswith("for “lamp”")


def test_skipping_to_the_results_keeps_the_photos(visitor, photos):
    visitor.go().show(photos[0])
    visitor.page.get_by_role("link", name="Skip to the results").press("Enter")
    expect(visitor.page.locator("#results")).to_be_focused()
    visitor.settle()
    assert "for your photo" in visitor.heading()
    assert visitor.page.locator(".part-photo").count() == 1


def test_objects_that_are_found_after_the_sheet_was_closed_are_nobodys_business(
    visit, served_client, drawn_catalog, tmp_path, monkeypatch, photos
):
    install_detectors(tmp_path, monkeypatch, "vivid", colourful="Colourful")
    with running(create_app(settings_of(image_root=drawn_catalog), client=served_client)) as address:
        visitor = visit(address).go()
        visitor.show(photos[3])
        detecting = Held(visitor.page, "detect", json={"boxes": []})
        visitor.page.locator(".part-photo").click()
        visitor.page.get_by_role("button", name="Find objects").click()
        detecting.wait()
        visitor.page.keyboard.press("Escape")
        expect(visitor.page.get_by_role("dialog")).to_have_count(0)
        detecting.release()
        visitor.say("lamp")
        assert visitor.page.locator(".toast").count() == 0


def test_who_draws_a_box_is_not_called_away_when_objects_are_found(
    visit, served_client, drawn_catalog, tmp_path, monkeypatch, photos
):
    install_detectors(tmp_path, monkeypatch, "vivid", colourful="Colourful")
    found = {"x": 0.1, "y": 0.1, "width": 0.5, "height": 0.5, "score": 0.9, "label": "bag"}
    with running(create_app(settings_of(image_root=drawn_catalog), client=served_client)) as address:
        visitor = visit(address).go()
        visitor.show(photos[3])
        detecting = Held(visitor.page, "detect", json={"boxes": [found]})
        visitor.page.locator(".part-photo").click()
        visitor.page.get_by_role("button", name="Find objects").click()
        detecting.wait()
        box = visitor.page.locator(".crop-box")
        box.press("-")
        detecting.release()
        expect(visitor.page.get_by_role("button", name="Use the box around: bag")).to_be_visible()
        expect(box).to_be_focused()


@pytest.mark.parametrize("way", ["escape", "a blank key"])
def test_a_key_is_asked_for_until_there_is_one(visit, served_client, drawn_catalog, tmp_path, way):
    secret, stored = new_key("web", ["search"])
    edit_keys(tmp_path / "keys.json", lambda before: [*before, stored])
    settings = settings_of(image_root=drawn_catalog, keys=tmp_path / "keys.json")
    with running(create_app(settings, client=served_client)) as address:
        visitor = visit(address)
        visitor.page.goto(f"{address}/?q=red+bag")
        field = visitor.page.get_by_label("API key")
        expect(field).to_be_visible()
        if way == "escape":
            asked = field.element_handle()
            visitor.page.keyboard.press("Escape")
            visitor.page.keyboard.press("Escape")
            asked.wait_for_element_state("hidden")
        else:
            field.fill(" ")
            visitor.page.keyboard.press("Enter")
        expect(field).to_be_visible()
        field.fill(secret)
        visitor.page.keyboard.press("Enter")
        visitor.settle()
        assert "“red bag”" in visitor.heading()
