"""What the page does when somebody acts twice, or goes on while a picture is being made smaller."""

import re

import pytest
from playwright.sync_api import expect
from tests.search.service.page.browsing import PHONE, at_rest
from tests.search.service.page.slowing import Held, hold_pictures, holding_pictures, release_pictures

pytestmark = pytest.mark.slow


def chip(visitor, name, text):
    return visitor.page.locator(f".facet[data-name='{name}'] label", has_text=re.compile(rf"^{text}\b"))


def price(visitor, end):
    return visitor.page.get_by_label(f"Price, {end}").and_(visitor.page.locator("[type=number]"))


def words(visitor):
    return visitor.page.get_by_label("What are you looking for?")


def named(photos):
    return [(f"photo-{n}.jpg", photo) for n, photo in enumerate(photos)]


def test_photos_that_are_dropped_one_after_the_other_are_no_more_than_allowed(visitor, photos):
    holding_pictures(visitor).go()
    hold_pictures(visitor)
    visitor.drop(*named(photos[:5]))
    visitor.drop(*named(photos[:5]))
    release_pictures(visitor, 10)
    expect(visitor.page.locator(".toast")).to_have_text("A search takes 8 photos at most.")
    expect(visitor.page.locator(".part-photo")).to_have_count(8)
    visitor.settle()
    assert "for 8 photos" in visitor.heading()


@pytest.mark.parametrize("way", ["start over", "an example", "back"])
def test_a_photo_belongs_to_the_search_that_it_was_given_to(visitor, photos, way):
    holding_pictures(visitor).go().say("lamp")
    hold_pictures(visitor)
    visitor.drop(("photo.jpg", photos[0]))
    if way == "back":
        visitor.page.go_back()
    else:
        visitor.page.get_by_role("button", name="Start over").click()
    expect(visitor.page.locator("#hero")).to_be_visible()
    if way == "an example":
        visitor.page.locator(".example").first.click()
    release_pictures(visitor)
    visitor.settle()
    visitor.page.evaluate("new Promise((go) => setTimeout(go, 300))")  # a photo would take a moment to appear
    visitor.settle()
    assert visitor.page.locator(".part-photo").count() == 0
    assert "photo" not in visitor.heading()


def test_words_that_are_searched_for_meanwhile_join_the_photo(visitor, photos):
    holding_pictures(visitor).go()
    hold_pictures(visitor)
    visitor.drop(("photo.jpg", photos[0]))
    visitor.say("yellow")
    release_pictures(visitor)
    expect(visitor.page.locator(".part-photo")).to_have_count(1)
    visitor.settle()
    assert "your photo and “yellow”" in visitor.heading()


def test_a_photo_that_is_pressed_twice_opens_once(visitor, photos):
    holding_pictures(visitor).go().show(photos[0])
    hold_pictures(visitor)
    visitor.page.locator(".part-photo").dblclick()
    release_pictures(visitor)
    dialog = visitor.page.get_by_role("dialog", name="What do you mean?")
    expect(dialog.first).to_be_visible()
    visitor.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_a_second_finger_does_not_move_the_box_that_the_first_one_draws(visit, shop_address, photos):
    visitor = visit(shop_address, **PHONE).go()
    visitor.show(photos[0])
    visitor.page.locator(".part-photo").tap()
    area = at_rest(visitor.page.locator(".crop-stage"))
    session = visitor.context.new_cdp_session(visitor.page)

    def touch(kind, *places):
        points = [
            {"id": n, "x": area["x"] + area["width"] * x, "y": area["y"] + area["height"] * y}
            for n, (x, y) in enumerate(places)
        ]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (0.2, 0.2))
    touch("touchMove", (0.4, 0.4))
    touch("touchStart", (0.4, 0.4), (0.9, 0.9))
    touch("touchMove", (0.6, 0.7), (0.8, 0.9))
    touch("touchEnd")
    box = [float(each) for each in visitor.page.locator(".crop-box").get_attribute("data-box").split()]
    assert box == pytest.approx([0.2, 0.2, 0.4, 0.5], abs=0.03)


def test_a_photo_that_was_taken_away_is_not_asked_about(visitor, photos):
    holding_pictures(visitor).go("?q=lamp").show(photos[0])
    hold_pictures(visitor)
    visitor.page.locator(".part-photo").click()
    visitor.page.get_by_role("button", name="Remove photo-0.jpg").click()
    release_pictures(visitor)
    visitor.settle()
    visitor.page.evaluate("new Promise((go) => setTimeout(go, 300))")  # a sheet would take a moment to open
    assert visitor.page.get_by_role("dialog").count() == 0
    assert "photo" not in visitor.heading()


def test_a_part_of_a_photo_that_was_taken_away_is_not_searched_with(visitor, photos):
    holding_pictures(visitor).go("?q=lamp").show(photos[0])
    visitor.page.locator(".part-photo").click()
    visitor.page.locator(".crop-box").press("-")
    hold_pictures(visitor)
    visitor.page.get_by_role("button", name="Search with this").click()
    visitor.page.get_by_role("button", name="Remove photo-0.jpg").click()
    visitor.settle()
    steps = visitor.page.evaluate("history.length")
    release_pictures(visitor)
    visitor.page.evaluate("new Promise((go) => setTimeout(go, 300))")  # cutting it out takes a moment
    visitor.settle()
    assert visitor.page.evaluate("history.length") == steps
    assert visitor.page.locator(".part-photo").count() == 0


def test_a_balance_that_is_being_moved_stays_under_the_finger(visitor, photos):
    holding_pictures(visitor).go("?q=lamp").show(photos[0])
    hold_pictures(visitor)
    visitor.drop(("more.jpg", photos[1]))
    slider = visitor.page.get_by_label("Balance")
    slider.evaluate("(slider) => { slider.value = 80; slider.dispatchEvent(new Event('input')); }")
    release_pictures(visitor)
    expect(visitor.page.locator(".part-photo")).to_have_count(2)
    assert slider.input_value() == "80"


def test_the_place_among_photos_and_words_is_kept_when_another_photo_comes(visitor, photos):
    holding_pictures(visitor).go("?q=lamp&not=striped")
    hold_pictures(visitor)
    visitor.drop(("photo.jpg", photos[0]))
    remove = visitor.page.get_by_role("button", name="Allow striped again")
    remove.focus()
    release_pictures(visitor)
    expect(visitor.page.locator(".part-photo")).to_have_count(1)
    expect(remove).to_be_focused()


def test_holding_backspace_takes_the_words_and_nothing_else(visitor):
    visitor.go("?q=bag&not=striped")
    words(visitor).focus()
    for _ in range(8):
        visitor.page.keyboard.down("Backspace")
    visitor.page.keyboard.up("Backspace")
    assert words(visitor).input_value() == ""
    assert visitor.page.locator(".part.minus").count() == 1
    visitor.page.keyboard.press("Backspace")
    assert visitor.page.locator(".part.minus").count() == 0


def test_starting_over_takes_what_was_typed_too(visitor, photos):
    visitor.go().show(photos[0])
    words(visitor).press_sequentially("in green")
    visitor.page.get_by_role("button", name="Start over").click()
    visitor.settle()
    assert words(visitor).input_value() == ""


def test_a_chip_adds_to_what_is_chosen_now_and_not_when_it_was_drawn(visit, shop_address):
    visitor = visit(shop_address, viewport={"width": 1280, "height": 2000})  # so that nothing has to be scrolled
    visitor.go("?q=bag")
    chip(visitor, "colour", "blue").click()
    visitor.settle()
    chip(visitor, "colour", "red").hover()
    visitor.page.mouse.down()
    visitor.page.evaluate("history.back()")
    expect(visitor.page).to_have_url(re.compile(r"\?q=bag$"))
    visitor.page.mouse.up()
    expect(visitor.page).to_have_url(re.compile(r"colour"))
    assert visitor.page.url.endswith("?q=bag&f.colour=red")


def test_filters_catch_up_when_a_press_becomes_a_scroll(visitor):
    visitor.go("?q=bag")
    chip(visitor, "colour", "red").click()
    visitor.settle()
    finger = {"pointerId": 7, "button": 0, "bubbles": True}
    visitor.page.dispatch_event("#facets", "pointerdown", finger)
    visitor.page.go_back()
    visitor.settle()
    red = chip(visitor, "colour", "red").locator("input")
    expect(red).to_be_checked()  # nothing moves under a finger
    visitor.page.dispatch_event("#facets", "pointercancel", finger)
    expect(red).not_to_be_checked()


def test_a_list_that_was_unfolded_stays_so_while_a_number_is_typed(visitor):
    visitor.go("?q=bag")
    listed = visitor.page.locator(".facet:has(.when-short)").first
    name = listed.get_attribute("data-name")
    listed.locator(".link").click()
    price(visitor, "from").fill("20")
    price(visitor, "from").press("Enter")
    visitor.settle()
    assert visitor.page.locator(f".facet[data-name='{name}']").get_attribute("data-expanded") == "true"


def test_fields_show_the_bounds_that_hold(visitor):
    visitor.go("?q=bag")
    price(visitor, "to").fill("30")
    price(visitor, "from").fill("60")
    price(visitor, "from").press("Enter")
    expect(visitor.page).to_have_url(re.compile(r"f\.price=30\.\.60$"))
    expect(price(visitor, "from")).to_have_value("30")
    expect(price(visitor, "to")).to_have_value("60")
    visitor.page.go_back()
    visitor.page.go_back()
    expect(visitor.page).to_have_url(re.compile(r"\?q=bag$"))
    expect(price(visitor, "from")).to_be_focused()
    expect(price(visitor, "from")).to_have_value("")
    expect(price(visitor, "to")).to_have_value("")


def test_counts_that_come_while_a_number_is_typed_leave_it_alone(visitor):
    visitor.go("?q=bag")
    brands = visitor.page.locator(".facet[data-name='brand']")
    before = brands.inner_text()
    search = Held(visitor.page, "search")
    chip(visitor, "colour", "red").click()
    search.wait()
    price(visitor, "from").press_sequentially("1")
    search.release()
    visitor.settle()
    expect(brands).not_to_have_text(before)
    price(visitor, "from").press_sequentially("2")
    price(visitor, "from").press("Enter")
    expect(visitor.page).to_have_url(re.compile(r"f\.price=12\.\."))


def test_more_like_this_in_a_sheet_leads_to_the_results(visitor):
    visitor.go().say("lamp")
    search = Held(visitor.page, "search")
    visitor.page.locator(".card .open").first.click()
    visitor.page.get_by_role("dialog").get_by_role("button", name="More like this").click()
    expect(visitor.page.get_by_role("dialog")).to_have_count(0)
    search.wait().release()
    visitor.settle()
    expect(visitor.page.locator("#results")).to_be_focused()


def test_the_veil_lifts_although_what_was_dragged_over_is_exchanged(visitor):
    visitor.go()
    transfer = visitor.page.evaluate_handle(
        "() => { const all = new DataTransfer(); all.items.add(new File(['x'], 'a.jpg')); return all; }"
    )
    for place in ("body", ".card >> nth=0"):
        visitor.page.dispatch_event(place, "dragenter", {"dataTransfer": transfer, "bubbles": True})
    expect(visitor.page.locator("#veil")).to_be_visible()
    visitor.page.evaluate("document.querySelector('.card').remove()")  # nobody leaves what is not there any more
    visitor.page.dispatch_event("body", "dragleave", {"dataTransfer": transfer, "bubbles": True})
    expect(visitor.page.locator("#veil")).to_be_hidden()
