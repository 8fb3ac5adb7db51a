"""Results arrive as they were sent, and nothing else gets in."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fourtower_search import F, FacetRequest
from fourtower_search.answering import IndexFacts, ProductPage
from fourtower_search.errors import IndexMismatch
from fourtower_search.results import Product
from fourtower_search.schema import Attribute, CatalogSchema
from fourtower_search.wire.facts import facts_form, read_facts
from fourtower_search.wire.requests import Limits, read_limits
from fourtower_search.wire.results import page_form, product_form, read_page, read_product, read_result, result_form

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


def sent(form):
    """What comes out at the other end of the wire."""
    return json.loads(json.dumps(form, allow_nan=False))


@pytest.fixture(scope="module")
def result(shop_client):
    """One with everything that a result can have."""
    facets = ["category", "in_stock", "tags", "released", FacetRequest(attribute="price", edges=(20.0, 50.0))]
    found = shop_client.search(["mug", "oak stool"], limit=60, depth=161, explain=True, facets=facets, collapse="group")
    assert found.next_cursor
    assert any(hit.variants for hit in found)
    return found


@pytest.fixture(scope="module")
def schema(shop):
    return shop.schema


def test_a_result_arrives_as_it_was(result, schema):
    assert read_result(sent(result_form(result)), schema) == result
    stool = next(hit for hit in read_result(sent(result_form(result)), schema) if hit.product_id == "stool")
    assert stool.attributes["released"] == datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_so_does_an_empty_one(shop_client, schema):
    empty = shop_client.search("mug", min_relevance=1.0)
    assert read_result(sent(result_form(empty)), schema) == empty


def test_the_folder_of_pictures_is_the_callers_own(result, schema, tmp_path):
    form = sent(result_form(replace(result, image_root=tmp_path / "secret")))
    assert "secret" not in json.dumps(form)
    assert read_result(form, schema).image_root is None
    assert read_result(form, schema, image_root=tmp_path).image_root == tmp_path


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_arrive_to_the_millisecond_wherever_in_the_calendar(moment):
    schema = CatalogSchema(attributes={"at": Attribute(type="time"), "name": Attribute(type="string")})
    moment -= timedelta(microseconds=moment.microsecond % 1000)
    product = Product("p", 1, attributes={"at": moment, "name": "2026-05-01T12:00:00.000Z", "own": "2026-05-01"})
    assert read_product(sent(product_form(product)), schema) == product


def test_a_page_arrives_as_it_was(shop_client, schema):
    page = shop_client.page(F.price < 60, limit=7)
    assert read_page(sent(page_form(page)), schema) == page
    without_more = {name: value for name, value in page_form(page).items() if name != "more"}
    assert read_page(without_more, schema).more is False
    assert read_page(page_form(ProductPage((), "g", False)), schema).products == ()


def test_facts_arrive_as_they_were(shop_client):
    facts = shop_client.facts()
    assert read_facts(sent(facts_form(facts))) == facts
    assert (facts.demo, facts.dim, facts.engine, facts.lexical) == (True, 128, "memory", True)
    assert "listwise" in facts.rerankers


def test_what_a_later_version_says_beside_it_is_passed_over(result, schema, shop_client):
    form = sent(result_form(result))
    form["later"] = form["hits"][0]["later"] = 1
    assert read_result(form, schema) == result
    facts = sent(facts_form(shop_client.facts()))
    facts["schema"]["attributes"]["price"]["later"] = True
    assert read_facts(facts) == shop_client.facts()


def test_what_an_earlier_version_leaves_out_is_as_usual(schema):
    assert read_product({"product_id": "p", "version": 1}, schema) == Product("p", 1)


def places(form, path=()):
    """Every place in a form, as the steps to it."""
    yield path
    steps = form.items() if isinstance(form, dict) else enumerate(form) if isinstance(form, list) else ()
    for step, inner in steps:
        yield from places(inner, (*path, step))


def put(form, path, value):
    """A copy of the form with another value at a place."""
    if not path:
        return value
    copy = dict(form) if isinstance(form, dict) else list(form)
    copy[path[0]] = put(form[path[0]], path[1:], value)
    return copy


@pytest.fixture(scope="module")
def forms(result, schema, shop_client):
    """What is sent, all places in it, and what reads it."""
    readers = (
        (result_form(result), lambda form: read_result(form, schema)),
        (page_form(shop_client.page(limit=2)), lambda form: read_page(form, schema)),
        (facts_form(shop_client.facts()), read_facts),
    )
    return [
        (form, [path for path in places(form) if path[:1] != ("timings_ms",)], read)
        for form, read in ((sent(form), read) for form, read in readers)
    ]


@settings(max_examples=400)
@given(data=st.data())
def test_whatever_stands_in_its_place_is_read_or_refused(result, forms, data):
    for plain, where, read in forms:
        path = data.draw(st.sampled_from(where))
        try:
            found = read(put(plain, path, data.draw(JUNK)))
        except IndexMismatch:
            continue
        else:
            assert isinstance(found, type(result) | ProductPage | IndexFacts)


@pytest.mark.parametrize(
    ("path", "value", "name"),
    [
        (("hits",), None, "hits"),
        (("hits", 0), [], "a hit"),
        (("hits", 0, "product_id"), 5, "product_id"),
        (("hits", 0, "score"), math.nan, "score"),
        (("hits", 0, "score"), math.inf, "score"),
        (("hits", 0, "relevance"), True, "relevance"),
        (("hits", 0, "version"), 2**63, "version"),
        (("hits", 0, "variants"), ["a", 1], "variants"),
        (("hits", 0, "explanation", "op"), "exec", "op"),
        (("facets", "price", "type"), "money", "type"),
        (("total",), 1.5, "total"),
        (("truncated",), 0, "truncated"),
    ],
)
def test_what_does_not_fit_is_named(result, schema, path, value, name):
    form = put(result_form(result), path, value)
    with pytest.raises(IndexMismatch, match=f"can't be read: {name} is not "):
        read_result(form, schema)


def test_an_explanation_without_end_is_refused(result, schema):
    node = {"op": "sum", "label": "x", "value": 1.0, "children": []}
    for _ in range(500):
        node = {**node, "children": [node]}
    with pytest.raises(IndexMismatch, match="levels deep"):
        read_result(put(result_form(result), ("hits", 0, "explanation"), node), schema)


def test_limits_that_are_none_are_the_usual_ones():
    assert read_limits({"max_batch": 3, "max_images": "8", "max_body_bytes": -1, "more": 1}) == Limits(max_batch=3)
    for nothing in (None, [], "x", 5, {"max_batch": True}):
        assert read_limits(nothing) == Limits()
