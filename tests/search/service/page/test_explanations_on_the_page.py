"""Why a product was found: what the panel shows adds up to the score, for every kind of query."""

import pytest
from playwright.sync_api import expect
from tests.search.service.page.browsing import logistic

pytestmark = pytest.mark.slow


def explained(visitor, place=0):
    """The score of a hit's card, and what its bars add up to."""
    visitor.page.locator(".card").nth(place).scroll_into_view_if_needed()
    visitor.page.locator(".card .why").nth(place).click()
    bars = visitor.bars()
    score = float(visitor.page.locator(".adds-up").get_attribute("data-score"))
    shown = float(visitor.page.locator(".adds-up strong").inner_text())
    visitor.page.keyboard.press("Escape")
    expect(visitor.page.get_by_role("dialog")).to_have_count(0)
    assert shown == pytest.approx(score, abs=1e-4)
    return score, logistic(sum(bars)), len(bars)


@pytest.mark.parametrize("words", ["red bag", "red bag -striped"])
def test_words_add_up(visitor, words):
    visitor.go().say(words)
    for place in (0, 7):
        score, made, _ = explained(visitor, place)
        assert made == pytest.approx(score, abs=1e-4)


def test_a_photo_with_words_adds_up_from_four_alignments(visitor, photos):
    visitor.go().show(photos[2])
    visitor.say("green")
    score, made, bars = explained(visitor)
    assert made == pytest.approx(score, abs=1e-4)
    assert bars >= 5  # four alignments and where every product starts


def test_products_like_another_add_up(visitor):
    visitor.go().say("lamp")
    visitor.page.locator(".card").first.hover()
    visitor.page.locator(".card .similar").first.click()
    visitor.settle()
    score, made, _ = explained(visitor)
    assert made == pytest.approx(score, abs=1e-4)


def test_the_panel_says_in_words_what_counted_most(visitor):
    visitor.go().say("red bag -striped")
    visitor.page.locator(".card .why").first.click()
    visitor.bars()
    panel = visitor.page.locator(".why-panel")
    lead = panel.locator(".why-lead").inner_text()
    assert "likely to be what you are looking for" in lead
    assert "“red bag” fits" in lead
    assert "Not “striped”" in panel.inner_text()
    panel.get_by_text("The whole calculation").click()
    assert "query_text · product_image" in panel.inner_text()


def test_hits_of_later_pages_are_explained_as_they_were_ranked(visitor):
    visitor.go().say("bag")
    visitor.scroll_on()
    score, made, _ = explained(visitor, 40)
    assert made == pytest.approx(score, abs=1e-3)  # a cursor keeps four digits of a score


def test_an_order_by_price_leaves_the_explanation_alone(visitor):
    visitor.go("?q=red+bag&sort=price")
    score, made, _ = explained(visitor)
    assert made == pytest.approx(score, abs=1e-4)


def test_the_strength_of_a_match_is_told_to_everybody(visitor):
    visitor.go().say("red bag")
    name = visitor.page.locator(".card .why").first.get_attribute("aria-label")
    assert name.startswith("Why: ")
    assert name.endswith(" %")
    assert visitor.page.locator(".card").first.locator(".meter .on").count() == 4


def test_timings_are_told(visitor):
    visitor.go().say("red bag")
    visitor.page.locator("#timing summary").click()
    said = visitor.page.locator("#timing dl").inner_text()
    for stage in ("encode", "retrieve", "queue, network and browser"):
        assert stage in said
