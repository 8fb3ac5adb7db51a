"""Preferences of the page: what counts beside how well products fit, made from what the catalog lets count."""

import re
from statistics import mean

import pytest
from playwright.sync_api import expect
from tests.search.service.page.browsing import PHONE

pytestmark = pytest.mark.slow


def preference(visitor, text):
    return visitor.page.locator(".prefer label", has_text=re.compile(rf"^{text}"))


def attributes(visitor):
    """Of the first products, in their order."""
    ids = visitor.cards()[:12]
    found = {each["product_id"]: each for each in visitor.facts("products/lookup", {"ids": ids})["products"]}
    return [found[each]["attributes"] for each in ids]


def test_what_may_count_is_offered_where_products_are_ordered_by_how_they_fit(visitor):
    visitor.go()
    assert preference(visitor, "").count() == 0
    visitor.say("bag")
    offered = visitor.page.locator(".prefer label").all_inner_texts()
    assert offered == ["Lower price", "Higher rating", "In stock", "Newer (released)"][: len(offered)]
    assert {"Lower price", "Higher rating", "In stock"} <= set(offered)
    visitor.page.get_by_label("Order").select_option("price")
    visitor.settle()
    assert preference(visitor, "").count() == 0
    visitor.page.get_by_label("Order").select_option("~")
    visitor.settle()
    expect(preference(visitor, "Lower price")).to_be_visible()


def test_cheaper_ones_come_first_and_a_link_says_so(visit, visitor, shop_address):
    visitor.go().say("bag")
    before, prices = visitor.cards(), [each["price"] for each in attributes(visitor)[:4]]
    preference(visitor, "Lower price").click()
    visitor.settle()
    preferred = visitor.cards()
    assert mean(each["price"] for each in attributes(visitor)[:4]) < mean(prices)
    assert re.search(r"prefer\.price=[\d.]+\.\.[\d.]+$", visitor.page.url)
    other = visit(shop_address).go(visitor.page.url.removeprefix(f"{shop_address}/"))
    assert other.cards() == preferred
    expect(preference(other, "Lower price").locator("input")).to_be_checked()
    visitor.page.get_by_role("button", name="Remove Prefer: Lower price").click()
    visitor.settle()
    assert visitor.cards() == before
    visitor.page.go_back()
    visitor.settle()
    assert visitor.cards() == preferred


def test_several_preferences_count_together_and_are_explained(visitor):
    visitor.go().say("bag")
    preference(visitor, "In stock").click()
    visitor.settle()
    preference(visitor, "Higher rating").click()
    visitor.settle()
    visitor.page.locator(".card .why").first.click()
    visitor.bars()
    said = visitor.page.locator(".why-panel")
    for words in (r"\d+ % of the score is relevance", r"\d+ % is In stock: 1\.00", r"\d+ % is Rating: "):
        expect(said).to_contain_text(re.compile(words))
    shown = visitor.page.locator(".adds-up")
    assert float(shown.get_attribute("data-sum")) == pytest.approx(float(shown.get_attribute("data-score")), abs=1e-4)


def test_what_does_not_fit_never_comes_first(visitor):
    visitor.go("?q=bag&f.colour=red")
    fitting = visitor.cards()[0]
    assert visitor.page.locator(".card").first.locator(".meter .on").count() <= 1, "here hardly anything fits"
    for text in ("Lower price", "In stock", "Higher rating"):
        preference(visitor, text).click()
        visitor.settle()
    best = visitor.facts("search", {"query": "bag", "where": "colour = 'red'", "limit": 24, "depth": 200})["hits"]
    relevance = {hit["product_id"]: hit["relevance"] for hit in best}
    assert relevance[visitor.cards()[0]] >= 0.5 * relevance[fitting]


def test_newer_ones_come_first(visitor):
    visitor.go("?q=oak+stool&prefer.released=1700000000000..1790000000000")
    assert visitor.cards()[0] == "stool"
    expect(visitor.page.locator("#active")).to_contain_text("Prefer: Newer (released)")


def test_nonsense_in_a_link_is_left_out(visitor):
    visitor.go("?q=bag&prefer.price=a..b&prefer.rating=3&prefer.stock=1..2&prefer.nothing=yes&prefer.in_stock=yes")
    assert visitor.page.locator(".active-chip").all_inner_texts() == ["Prefer: In stock"]
    assert visitor.cards()


def test_the_keyboard_keeps_its_place(visitor):
    visitor.go().say("bag")
    box = preference(visitor, "In stock").locator("input")
    box.press("Space")
    visitor.settle()
    expect(box).to_be_checked()
    expect(box).to_be_focused()
    box.press("Space")
    visitor.settle()
    expect(box).not_to_be_checked()
    expect(visitor.page).to_have_url(re.compile(r"\?q=bag$"))


def test_they_are_among_the_filters_on_a_phone(visit, shop_address):
    visitor = visit(shop_address, **PHONE).go("?q=bag")
    visitor.page.get_by_role("button", name="Filters").click()
    preference(visitor, "Lower price").click()
    visitor.settle()
    visitor.page.get_by_role("button", name="Show the results").click()
    expect(visitor.page.get_by_role("button", name=re.compile("Filters . 1"))).to_be_visible()
    visitor.page.get_by_role("button", name=re.compile("Filters")).first.click()
    visitor.page.get_by_role("button", name="Clear all").click()
    visitor.settle()
    expect(preference(visitor, "Lower price").locator("input")).not_to_be_checked()
