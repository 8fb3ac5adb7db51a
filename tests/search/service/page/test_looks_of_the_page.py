"""Everybody can use the page: axe finds nothing, light and dark, wide and on a phone; the keyboard is enough."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from tests.search.service.page.browsing import PHONE

pytestmark = pytest.mark.slow
LOOKS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"color_scheme": "light", **PHONE},
    "phone, dark": {"color_scheme": "dark", **PHONE},
}


@pytest.fixture(params=LOOKS)
def looker(request, visit, shop_address):
    """Visitors with all kinds of screens, who don't wait for animations."""
    return visit(shop_address, bypass_csp=True, **LOOKS[request.param])


def hold_to_axe(visitor):
    """What axe finds wrong, in short."""
    visitor.page.wait_for_timeout(100)
    found = Axe().run(visitor.page)
    wrong = [
        (each["id"], node["html"][:200], node["failureSummary"])
        for each in found.response["violations"]
        for node in each["nodes"]
    ]
    assert wrong == []


def hold_to_width(visitor):
    """Nothing sticks out to the side."""
    wide = visitor.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide[0] <= wide[1]


def test_the_start_page(looker):
    hold_to_axe(looker.go())
    hold_to_width(looker)


def test_results_with_everything_in_the_search_bar(looker, photos):
    looker.go("?f.price=10..90").show(photos[0])
    looker.say("green -striped")
    hold_to_axe(looker)
    hold_to_width(looker)


def test_a_product_and_its_explanation(looker):
    looker.go().say("red bag -striped")
    looker.page.locator(".card .why").first.click()
    looker.bars()
    looker.page.get_by_text("The whole calculation").click()
    hold_to_axe(looker)


def test_the_box_on_a_photo(looker, photos):
    looker.go().show(photos[0])
    looker.page.locator(".part-photo").click()
    looker.page.locator(".crop-box").press("-")
    hold_to_axe(looker)


def test_nothing_found(looker):
    looker.go("?q=bag&f.price=90000..")
    hold_to_axe(looker)
    hold_to_width(looker)


def test_preferences(looker):
    looker.go("?q=bag&prefer.price=90..10&prefer.in_stock=yes")
    expect(looker.page.locator("#active")).to_contain_text("Prefer: Lower price")
    hold_to_axe(looker)
    hold_to_width(looker)


def test_filters_on_a_phone(visit, shop_address):
    visitor = visit(shop_address, bypass_csp=True, **PHONE).go("?q=bag&f.colour=red")
    visitor.page.get_by_role("button", name="Filters").click()
    expect(visitor.page.get_by_role("dialog", name="Filters")).to_be_visible()
    hold_to_axe(visitor)


def test_the_theme_is_chosen_and_remembered(visit, shop_address):
    visitor = visit(shop_address, color_scheme="light").go()
    visitor.page.get_by_role("button", name="Use dark colours").click()
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    assert visitor.page.evaluate(paper) == "rgb(20, 20, 18)"
    visitor.go("?q=bag")
    assert visitor.page.evaluate(paper) == "rgb(20, 20, 18)"
    visitor.page.get_by_role("button", name="Use light colours").click()
    assert visitor.page.evaluate(paper) == "rgb(251, 250, 247)"


def test_the_keyboard_alone_searches_opens_and_comes_back(visitor):
    visitor.go()
    visitor.page.keyboard.press("Tab")
    expect(visitor.page.get_by_role("link", name="Skip to the results")).to_be_focused()
    visitor.page.keyboard.press("/")
    visitor.page.keyboard.type("red bag")
    visitor.page.keyboard.press("Enter")
    visitor.settle()
    first = visitor.page.locator(".card .open").first
    first.focus()
    visitor.page.keyboard.press("Enter")
    dialog = visitor.page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    assert visitor.page.evaluate("document.querySelector('dialog').contains(document.activeElement)")
    visitor.page.keyboard.press("Escape")
    expect(first).to_be_focused()
    visitor.page.keyboard.press("Tab")
    expect(visitor.page.locator(".card .similar").first).to_be_focused()
    expect(visitor.page.locator(".card .similar").first).to_have_css("opacity", "1")


def test_results_are_announced(visitor):
    visitor.go().say("red bag")
    expect(visitor.page.get_by_role("status")).to_contain_text("for “red bag”.")
    assert {each.get_attribute("id") for each in visitor.page.locator("main, aside").all()} == {"results", "rail"}


@pytest.mark.parametrize(("wish", "moves"), [("reduce", False), ("no-preference", True)])
def test_nothing_moves_for_those_who_want_that(visit, shop_address, wish, moves):
    visitor = visit(shop_address, reduced_motion=wish)
    visitor.page.add_init_script(_MOVED)
    visitor.go().page.locator(".card").last.hover()
    assert visitor.page.evaluate("Math.max(...moved) > 1") == moves


def test_the_page_glides_to_the_top_for_products_like_one_further_down(visit, shop_address):
    visitor = visit(shop_address, reduced_motion="no-preference").go("?q=bag")
    visitor.page.locator(".card").nth(20).hover()
    assert visitor.page.evaluate("scrollY") > 0
    visitor.page.locator(".card .similar").nth(20).click()
    visitor.page.wait_for_function("() => scrollY === 0")
    visitor.settle()
    expect(visitor.page.locator("#results")).to_be_focused()
    visitor.page.locator(".card .why").first.click()
    assert visitor.bars()


_MOVED = """{
  const moved = window.moved = [];
  const note = ({ target }) => {
    for (const { effect, timeline } of target.getAnimations()) {
      if (timeline instanceof DocumentTimeline) moved.push(effect.getComputedTiming().duration);
    }
  };
  for (const kind of ["animationstart", "transitionrun"]) addEventListener(kind, note, true);
}"""
