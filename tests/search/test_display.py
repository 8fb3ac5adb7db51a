"""What people see: tables for terminals, cards for notebooks, pages for browsers; a catalog can't take them over."""

import re
from html.parser import HTMLParser
from io import StringIO

import pytest
from PIL import Image
from rich.console import Console

from fourtower_search.display import Section, contact_sheet, facet_line, html_cards, printable, table, tree
from fourtower_search.ranking.explain import leaf, node
from fourtower_search.ranking.facets import Facet, FacetRange, FacetValue
from fourtower_search.results import ProductHit, SearchResult

HOSTILE = "<script>alert(1)</script>' onload='x\" [/bold] \x1b[31m\x07\u202e"


class Page(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.given = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.given += [(tag, name, value) for name, value in attributes]


def result_of(*hits, **fields):
    return SearchResult(hits, len(hits), False, "s", "products_g1", **fields)


def hostile_hit(**fields):
    why = node("sum", HOSTILE, leaf(HOSTILE, 0.5))
    attributes = {HOSTILE: HOSTILE, "tags": [HOSTILE], "deep": {HOSTILE: None}, "yes": True}
    return ProductHit(HOSTILE, 1, title=HOSTILE, attributes=attributes, explanation=why, **fields)


def printed(what):
    console = Console(file=StringIO(), width=120, force_terminal=True, color_system=None)
    console.print(what)
    return console.file.getvalue()


def test_a_table_shows_what_was_found(shop_client):
    result = shop_client.search("mug", limit=3)
    text = printed(result)
    for hit in result:
        assert hit.product_id in text
        assert f"{hit.relevance:.2f}" in text
    assert f"3 of {result.total}" in text
    assert "Nothing" not in text


def test_an_empty_table_is_no_error():
    assert "0 of 0 products" in printed(result_of())


def test_a_catalog_can_not_take_over_a_terminal():
    hit = hostile_hit()
    facet = Facet(HOSTILE, "string", (FacetValue(HOSTILE, 1),))
    text = printed(table(result_of(hit))) + printed(tree(hit.explanation)) + facet_line(facet)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", text.replace("\n", ""))
    assert "[/bold]" in printed(tree(hit.explanation)), "shown, not obeyed"
    assert printable("é 中 ✓ 🎒") == "é 中 ✓ 🎒"


def test_trees_are_as_deep_as_asked():
    chain = node("sum", "a", node("sum", "b", leaf("c", 1.0)))
    assert "c  1.0000" in printed(tree(chain))
    assert "c  1.0000" not in printed(tree(chain, deepest=1))


@pytest.mark.parametrize(
    ("facet", "line"),
    [
        (Facet("brand", "string", (FacetValue("a", 2), FacetValue("b", 1))), "brand: a 2, b 1"),
        (Facet("new", "bool", (FacetValue(True, 2),)), "new: yes 2"),
        (
            Facet("price", "float", (), (FacetRange(None, 5.0, 1), FacetRange(5.0, None, 2))),
            "price: … to 5: 1, 5 to …: 2",
        ),
        (
            Facet("at", "time", (), (FacetRange(0.0, 86_400_000.0, 3),)),
            "at: 1970-01-01 00:00 to 1970-01-02 00:00: 3",
        ),
        (Facet("none", "string"), "none: nothing"),
    ],
)
def test_a_facet_is_a_line(facet, line):
    assert facet_line(facet) == line


def test_hostile_texts_are_text_on_a_page():
    hit = hostile_hit(image="x' onerror='alert(1)")
    sheet = contact_sheet(HOSTILE, [Section(HOSTILE, result_of(hit), note=HOSTILE)], note=HOSTILE)
    for markup in (sheet, html_cards(result_of(hit))):
        page = Page(markup)
        assert "script" not in page.tags
        assert not [given for given in page.given if given[1].startswith("on")]
        assert "&lt;script&gt;" in markup


@pytest.fixture
def pictures(tmp_path):
    """A folder of pictures beside one that is nobody's business."""
    root = tmp_path / "root"
    root.mkdir()
    for path, colour in ((root / "in.png", "red"), (tmp_path / "secret.png", "blue")):
        Image.new("RGB", (400, 300), colour).save(path)
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    (root / "broken.png").write_bytes(b"no picture")
    return root


def test_pictures_beneath_the_root_are_carried_along(pictures):
    cards = html_cards(result_of(ProductHit("a", 1, image="in.png"), image_root=pictures))
    assert cards.count("src='data:image/jpeg;base64,") == 1


@pytest.mark.parametrize(
    "image",
    ["../secret.png", "link.png", "broken.png", "gone.png", "https://example.com/a.png", "file:///etc/passwd", "{abs}"],
)
def test_no_other_picture_is(pictures, image):
    hit = ProductHit("a", 1, image=image.format(abs=pictures.parent / "secret.png"))
    cards = html_cards(result_of(hit, image_root=pictures))
    assert "src=" not in cards
    assert "not shown" in cards


def test_without_a_root_no_file_is_shown(pictures, monkeypatch):
    monkeypatch.chdir(pictures)
    for image in ("in.png", str(pictures / "in.png")):
        assert "src=" not in html_cards(result_of(ProductHit("a", 1, image=image)))
    assert "no picture" in html_cards(result_of(ProductHit("a", 1)))


def test_a_sheet_shows_the_photos_and_marks_what_is_right(pictures):
    hits = result_of(ProductHit("a", 1, image="in.png"), ProductHit("b", 1), image_root=pictures)
    section = Section("red", hits, pictures=(pictures / "in.png",), right=frozenset({"a"}))
    page = contact_sheet("Fourtower", [section])
    assert page.count("src='data:image/jpeg;base64,") == 2
    assert ("figure", "class", "right") in Page(page).given
    assert page.count("class='right'") == 1
    assert page.startswith("<!doctype html>")


def test_cards_leave_the_rest_of_a_notebook_alone(pictures):
    """Every rule of their style is about their own class."""
    style = re.search(r"<style>(.*?)</style>", html_cards(result_of()), re.DOTALL)[1]
    selectors = re.findall(r"([^{}]+){", style)
    assert selectors
    assert all(each.strip().startswith(".fourtower") for rule in selectors for each in rule.split(","))
