"""Filters of the page, made from the declared schema: chips, ranges, times, yes and no, and the order."""

import re

import pytest
from playwright.sync_api import expect
from tests.search.service.page.browsing import PHONE

pytestmark = pytest.mark.slow


def attributes(visitor):
    """Of all shown products, by id."""
    found = visitor.facts("products/lookup", {"ids": visitor.cards()})["products"]
    return [each["attributes"] for each in found]


def chip(visitor, name, text):
    return visitor.page.locator(f".facet[data-name='{name}'] label", has_text=re.compile(rf"^{text}\b"))


def test_every_declared_attribute_that_something_has_can_be_filtered_by(visitor):
    visitor.go("?q=oak+stool")
    declared = visitor.facts("schema", None)
    names = {each.get_attribute("data-name") for each in visitor.page.locator(".facet").all()}
    assert {"category", "colour", "brand", "price", "rating", "stock", "in_stock", "tags"} <= names
    assert names <= set((declared.get("schema") or declared)["attributes"])


def test_chips_narrow_the_results_and_still_say_what_others_would_find(visitor):
    visitor.go("?q=bag")
    counted = {each.inner_text() for each in visitor.page.locator(".facet[data-name='colour'] label").all()}
    chip(visitor, "colour", "red").click()
    visitor.settle()
    assert {each["colour"] for each in attributes(visitor)} == {"red"}
    # The other colours keep their counts, as choosing one more would widen the results.
    expect(visitor.page.locator(".facet[data-name='colour'] label")).to_have_count(len(counted))
    chip(visitor, "colour", "blue").click()
    visitor.settle()
    assert {each["colour"] for each in attributes(visitor)} == {"red", "blue"}
    assert visitor.page.url.endswith("f.colour=red&f.colour=blue")
    visitor.page.get_by_role("button", name="Remove the filter Colour: red").click()
    visitor.settle()
    assert {each["colour"] for each in attributes(visitor)} == {"blue"}


def bound(visitor, end, kind):
    """A field ("number") or a thumb ("range") of the price."""
    return visitor.page.get_by_label(f"Price, {end}").and_(visitor.page.locator(f"[type={kind}]"))


def test_a_range_is_set_by_its_fields_and_by_its_thumbs(visitor):
    visitor.go("?q=bag")
    bound(visitor, "from", "number").fill("20")
    bound(visitor, "to", "number").fill("45")
    visitor.page.keyboard.press("Enter")
    visitor.page.locator("#results-title").click()
    expect(visitor.page).to_have_url(re.compile(r"f\.price=20\.\.45"))
    visitor.settle()
    prices = [each["price"] for each in attributes(visitor)]
    assert prices
    assert all(20 <= price <= 45 for price in prices)
    for _ in range(2):
        bound(visitor, "to", "range").press("ArrowLeft")
        visitor.settle()
    assert max(each["price"] for each in attributes(visitor)) < max(prices)
    focused = visitor.page.evaluate("document.activeElement.dataset.focus")
    assert focused == "price:hi", "the keyboard's place is kept when the filters are drawn anew"


def test_a_thumb_starts_from_what_was_typed_even_when_nothing_was_drawn_since(visitor):
    visitor.go("?q=bag")
    bound(visitor, "from", "number").fill("20")
    bound(visitor, "to", "number").fill("45")
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_load_state("networkidle")  # every count has come while the field had the focus
    bound(visitor, "to", "range").press("ArrowLeft")
    expect(visitor.page).not_to_have_url(re.compile(r"f\.price=20\.\.45$"))
    low, high = re.search(r"f\.price=([\d.]+)\.\.([\d.]+)$", visitor.page.url).groups()
    assert float(low) == 20
    assert 35 < float(high) < 45


def test_yes_and_no(visitor):
    visitor.go("?q=bag")
    chip(visitor, "in_stock", "No").click()
    visitor.settle()
    assert {each["in_stock"] for each in attributes(visitor)} == {False}
    expect(visitor.page.locator(".gone").first).to_have_text("Out of stock")


def test_times_and_lists_of_strings(visitor):
    visitor.go("?q=oak&f.tags=sale&f.released=1700000000000..")
    assert visitor.cards() == ["stool"]
    visitor.go("?q=oak&f.tags=sale&f.released=..1700000000000")
    assert visitor.cards() == []
    assert "Released up to" in visitor.page.locator("#active").inner_text()


def test_the_start_page_can_be_filtered_before_anything_is_searched(visitor):
    visitor.go()
    chip(visitor, "category", "bag").click()
    visitor.settle()
    assert {each["category"] for each in attributes(visitor)} == {"bag"}
    assert re.fullmatch(r"\d+ products", visitor.heading())


def test_results_are_ordered_as_chosen(visitor):
    visitor.go("?q=bag")
    order = visitor.page.get_by_label("Order")
    offered = order.locator("option").all_inner_texts()
    assert {"Best match", "Best match, varied", "Price: low to high", "Released: newest first"} <= set(offered)
    order.select_option("price")
    visitor.settle()
    prices = [each["price"] for each in attributes(visitor)]
    assert prices == sorted(prices)
    best = visitor.cards()
    order.select_option("~")
    visitor.settle()
    assert visitor.cards() != best


def test_filters_come_up_from_below_on_a_phone(visit, shop_address):
    visitor = visit(shop_address, **PHONE).go("?q=bag")
    assert not visitor.page.locator("#rail").is_visible()
    visitor.page.get_by_role("button", name="Filters").click()
    sheet = visitor.page.get_by_role("dialog", name="Filters")
    expect(sheet).to_be_visible()
    chip(visitor, "colour", "red").click()
    visitor.settle()
    sheet.get_by_role("button", name="Show the results").click()
    assert {each["colour"] for each in attributes(visitor)} == {"red"}
    visitor.page.get_by_role("button", name=re.compile("Filters . 1")).click()
    expect(sheet).to_be_visible()
    visitor.page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
