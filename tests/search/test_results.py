"""Results are plain frozen values that read well, print well and turn into JSON and data frames."""

import json
import sys
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime

import pytest

from fourtower_search.display import to_dict
from fourtower_search.errors import Unsupported
from fourtower_search.index.rows import Order, Row
from fourtower_search.results import Product, ProductHit, SearchResult, product_fields, shown
from fourtower_search.schema import Attribute, CatalogSchema


@pytest.fixture(scope="module")
def result(shop_client):
    return shop_client.search("oak stool", limit=5, explain=True, facets=["price", "tags", "released"])


def test_a_result_is_a_sequence_of_hits(result):
    assert len(result) == 5
    assert list(result) == list(result.hits)
    assert result[0] is result.hits[0]
    assert result[-1] is result.hits[-1]


def test_nothing_of_it_can_be_changed(result):
    with pytest.raises(FrozenInstanceError):
        result.total = 0
    with pytest.raises(FrozenInstanceError):
        result[0].score = 1.0


def test_it_becomes_json_as_it_is(result):
    plain = json.loads(json.dumps(to_dict(result), allow_nan=False))
    assert [hit["product_id"] for hit in plain["hits"]] == [hit.product_id for hit in result]
    stool = next(hit for hit in plain["hits"] if hit["product_id"] == "stool")
    assert stool["attributes"]["released"] == "2026-05-01T12:00:00+00:00"
    assert stool["explanation"]["children"]
    assert plain["facets"]["tags"]["values"] == [{"value": "oak", "count": 1}, {"value": "sale", "count": 1}]
    assert "image_root" not in plain


def test_a_data_frame_without_pandas_says_what_to_install(result, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(Unsupported, match="pip install pandas"):
        result.to_pandas()


class Frame:
    """As much of pandas as is used, where it is not installed."""

    def __init__(self, lines, columns=None):
        self.lines, self.columns = lines, columns


def test_a_data_frame_has_a_line_per_hit_and_a_column_per_attribute(result, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", type(sys)("pandas"))
    monkeypatch.setattr(sys.modules["pandas"], "DataFrame", Frame, raising=False)
    first = result.to_pandas().lines[0]
    assert (first["product_id"], first["price"]) == (result[0].product_id, result[0].attributes["price"])
    empty = SearchResult((), 0, False, "s", "g").to_pandas()
    assert (empty.lines, empty.columns[0]) == ([], "product_id")
    hit = ProductHit("p", 1, score=0.5, attributes={"score": "mine", "title": "other"})
    named = SearchResult((hit,), 1, False, "s", "g").to_pandas().lines[0]
    assert (named["score"], named["title"]) == (0.5, ""), "what we say of a hit comes before what a catalog says"


def test_times_are_shown_in_utc_even_at_the_ends_of_the_calendar():
    assert shown(0, "time") == datetime(1970, 1, 1, tzinfo=UTC)
    assert shown(1_777_636_800_123, "time").isoformat() == "2026-05-01T12:00:00.123000+00:00"
    schema = CatalogSchema(attributes={"at": Attribute(type="time")})
    for text, year in (("9999-12-31T23:59:59.999999-12:00", 9999), ("0001-01-01T00:00:00+12:00", 1)):
        stored = schema.split({"at": text})[0]["at"]
        assert shown(stored, "time").year == year


def test_a_row_becomes_a_product():
    row = Row(
        "p1",
        Order(7, False, "d"),
        view=0,
        row_count=1,
        title="A",
        group_id="g",
        attributes={"tags": ("x", "y"), "at": 0},
        payload={"description": "B", "images": [{"url": "a.jpg"}], "attributes": {"extra": [1]}},
    )
    schema = CatalogSchema(attributes={"tags": Attribute(type="strings"), "at": Attribute(type="time")})
    assert Product(**product_fields(row, schema)) == Product(
        "p1",
        7,
        "A",
        "B",
        ("a.jpg",),
        "g",
        {"tags": ["x", "y"], "at": datetime(1970, 1, 1, tzinfo=UTC), "extra": [1]},
    )
