"""Searching on the page: words, photos, both, minus-words, products like others, history and links."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow


def test_the_start_page_shows_products_and_searches_to_try(visitor):
    visitor.go()
    assert len(visitor.cards()) == 24
    assert re.fullmatch(r"\d+ products in the catalog", visitor.heading())
    assert visitor.page.locator("#hero h2").is_visible()
    assert "Demo model" in visitor.page.locator("#banner").inner_text()
    example = visitor.page.locator(".example").first
    words = example.inner_text()
    example.click()
    visitor.settle()
    assert words in visitor.heading()
    assert not visitor.page.locator("#hero").is_visible()


def test_words_find_what_the_service_finds(visitor):
    visitor.go().say("red bag")
    asked = {"query": "red bag", "limit": 24, "depth": 200, "collapse": "group"}
    assert visitor.cards() == [hit["product_id"] for hit in visitor.facts("search", asked)["hits"]]
    assert "“red bag”" in visitor.heading()
    assert visitor.page.title().startswith("“red bag”")


def test_a_street_photo_is_dropped_and_refined_with_words(visitor, photos):
    visitor.go().show(photos[0])
    by_photo = visitor.cards()
    assert "for your photo" in visitor.heading()
    assert len(by_photo) == 24
    visitor.say("yellow")
    both = visitor.cards()
    assert "your photo and “yellow”" in visitor.heading()
    assert both != by_photo
    assert visitor.page.locator("#mix").is_visible()


def test_the_balance_of_photo_and_words_decides_who_counts(visitor, photos):
    visitor.go().show(photos[0])
    by_photo = visitor.cards()
    visitor.say("yellow lamp")
    slider = visitor.page.get_by_label("Balance")
    slider.press("End")
    visitor.settle()
    assert visitor.cards() == by_photo
    slider.press("Home")
    visitor.settle()
    by_words = visitor.facts(
        "search", {"query": "yellow lamp", "mode": "hybrid", "limit": 24, "depth": 200, "collapse": "group"}
    )
    assert visitor.cards()[:5] == [hit["product_id"] for hit in by_words["hits"]][:5]
    assert slider.get_attribute("aria-valuetext") == "0 % photo, 100 % words"


def test_a_pasted_photo_is_searched_with(visitor, photos):
    visitor.go()
    visitor.page.evaluate(
        """(bytes) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([Uint8Array.from(bytes)], "pasted.jpg", { type: "image/jpeg" }));
          document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true }));
        }""",
        list(photos[1]),
    )
    expect(visitor.page.locator(".part-photo")).to_have_count(1)
    visitor.settle()
    assert "for your photo" in visitor.heading()


def test_minus_words_become_chips_that_can_be_taken_back(visitor):
    visitor.go().say("bag")
    before = visitor.cards()
    field = visitor.page.get_by_label("What are you looking for?")
    field.press_sequentially(" -striped ")
    visitor.settle()
    chip = visitor.page.locator(".part.minus")
    expect(chip).to_contain_text("striped")
    assert field.input_value().strip() == "bag"
    assert "not striped" in visitor.heading()
    assert visitor.cards() != before
    visitor.page.get_by_role("button", name="Allow striped again").click()
    visitor.settle()
    assert visitor.cards() == before


def test_more_like_this_finds_neighbours_and_takes_words(visitor):
    visitor.go().say("red bag")
    first = visitor.cards()[0]
    visitor.page.locator(".card").first.hover()
    visitor.page.locator(".card .similar").first.click()
    visitor.settle()
    similar = visitor.facts(f"products/{first}/similar?limit=24&depth=200&collapse=group", None)
    assert visitor.cards() == [hit["product_id"] for hit in similar["hits"]]
    assert first not in visitor.cards()
    assert "products like" in visitor.heading()
    visitor.say("blue")
    assert "and “blue”" in visitor.heading()
    assert first not in visitor.cards()


def test_back_and_forward_return_to_searches_with_their_photos(visitor, photos):
    visitor.go().show(photos[0])
    by_photo = visitor.cards()
    visitor.say("green")
    both = visitor.cards()
    visitor.page.go_back()
    visitor.settle()
    expect(visitor.page.locator(".part-photo")).to_have_count(1)
    assert visitor.cards() == by_photo
    visitor.page.go_forward()
    visitor.settle()
    assert visitor.cards() == both
    visitor.page.go_back()
    visitor.page.go_back()
    visitor.settle()
    assert visitor.page.locator("#hero").is_visible()


def test_a_link_leads_others_to_the_same_search(visit, visitor, shop_address):
    visitor.go().say("red bag -striped")
    visitor.page.get_by_label("Order").select_option("-price")
    visitor.settle()
    link = visitor.page.url.removeprefix(f"{shop_address}/")
    other = visit(shop_address).go(link)
    assert other.cards() == visitor.cards()
    assert other.heading() == visitor.heading()
    assert other.page.get_by_label("Order").input_value() == "-price"


def test_scrolling_shows_the_rest_without_repeats(visitor):
    visitor.go().say("bag")
    total = int(re.match(r"\d+", visitor.heading())[0])
    assert total > 48
    while visitor.page.locator("#more").is_visible():
        visitor.scroll_on()
    expect(visitor.page.locator(".card")).to_have_count(total)
    assert len(set(visitor.cards())) == total


def test_the_catalog_itself_can_be_leafed_through(visitor):
    visitor.go()
    assert visitor.page.get_by_role("button", name="Show more").is_visible()
    visitor.scroll_on()
    shown = visitor.cards()
    assert shown == sorted(shown)
    assert len(set(shown)) == len(shown)


def test_what_the_catalog_says_is_text_and_never_markup(visitor):
    visitor.go("?q=oak+stool&f.category=stool")
    assert visitor.cards() == ["stool"]
    title = visitor.page.locator(".card h3")
    assert title.inner_text() == "Oak stool <b>bold</b>"
    assert title.locator("b").count() == 0
    assert visitor.page.locator(".card .no-picture").count() == 1


def test_a_product_opens_with_everything_that_is_known_of_it(visitor):
    visitor.go("?q=oak+stool&f.category=stool")
    visitor.page.locator(".card .open").click()
    sheet = visitor.page.get_by_role("dialog", name="Oak stool <b>bold</b>")
    expect(sheet).to_be_visible()
    said = sheet.locator(".details").inner_text()
    for each in ("Material", "oak, sale", "12.50", "May", "stool"):
        assert each in said
    visitor.page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    assert visitor.page.evaluate("document.activeElement.className") == "open"


def test_variants_share_a_card_unless_each_is_wanted(visitor):
    visitor.go("?q=lamp")
    grouped = set(visitor.cards())
    card = visitor.page.locator(".card:has(.variants)").first
    leader = card.get_attribute("data-id")
    card.locator(".open").click()
    variants = visitor.page.locator(".variant-list button")
    expect(variants.first).to_be_visible()
    name = variants.first.get_attribute("aria-label")
    variants.first.click()
    expect(visitor.page.get_by_role("dialog", name=name)).to_be_visible()
    visitor.page.keyboard.press("Escape")
    visitor.page.get_by_label("One card for all variants").uncheck()
    visitor.settle()
    assert leader in grouped
    assert visitor.page.locator(".card .variants").count() == 0
    assert "variants=each" in visitor.page.url
