"""Requests: what contradicts itself is refused in words, and nothing but InvalidQuery ever comes out."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fourtower_search.errors import InvalidFilter, InvalidQuery
from fourtower_search.filters import F
from fourtower_search.query.checking import check
from fourtower_search.query.fingerprint import fingerprint
from fourtower_search.query.parts import Product, Text
from fourtower_search.query.refinements import PickBy, picked_by
from fourtower_search.query.request import SearchRequest
from fourtower_search.schema import CatalogSchema

RED = {"text": "red"}
SCHEMA = CatalogSchema.model_validate({"attributes": {"a": {"type": "float", "sortable": True, "boostable": True}}})


def test_a_request_needs_nothing_but_parts():
    request = SearchRequest.parse({"parts": [Text("red"), {"product": "sku-1", "weight": -0.5}]})
    assert request.parts == (Text("red"), Product("sku-1", -0.5))
    assert (request.mode, request.fusion, request.limit, request.depth) == ("auto", "blend", 10, 100)
    assert request.facets == ()


def test_everything_has_a_json_form():
    request = SearchRequest.parse(
        json.loads(
            """{"parts": [{"text": "red"}, {"text": "leather", "weight": -0.5}],
            "where": {"field": "brand", "exists": true},
            "mode": "hybrid", "fusion": "rrf", "limit": 20, "depth": 300, "collapse": "group",
            "pick": {"attribute": "stock", "direction": "desc"}, "cut": {"min_relevance": 0.3, "gap": 0.5},
            "boosts": [{"kind": "saturation", "attribute": "sold", "pivot": 100},
                       {"kind": "linear", "attribute": "price", "lo": 100, "hi": 0},
                       {"kind": "decay", "attribute": "added", "scale": "7d", "shape": "exp"},
                       {"kind": "decay", "attribute": "added", "origin": "2026-05-01T12:00:00Z", "scale": "P7D"},
                       {"kind": "flag", "attribute": "in_stock", "weight": 0.1},
                       {"kind": "match", "where": {"field": "brand", "exists": true}, "weight": 0.1}],
            "diversity": 0.3, "freshness": "verified", "explain": true, "rerank": "house",
            "facets": ["brand", {"attribute": "price", "edges": [10, 20]}], "image_amount": 0.4,
            "weights": {"ii": 1, "it": 0, "ti": 0.5, "tt": 1}}"""
        )
    )
    assert request.words == "red"
    assert [facet.attribute for facet in request.facets] == ["brand", "price"]
    assert request.boosts[2].scale == request.boosts[3].scale
    assert request.boosts[2].origin == "now"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parts": []}, "query is empty"),
        ({"parts": [{"text": "red", "weight": -1}]}, "nothing positive"),
        ({"parts": [RED] * 17}, "parts: .*at most 16"),
        ({"parts": [{"text": "a" * 1001}]}, "1,001 characters"),
        ({"parts": "red"}, "parts: "),
        ({"limit": 0}, "limit: "),
        ({"limit": 101}, "limit: "),
        ({"depth": 501}, "depth: "),
        ({"limit": 50, "depth": 20}, "limit = 50 is more than depth = 20"),
        ({"colour": "red"}, "colour: Extra inputs"),
        ({"mode": "psychic"}, "mode: "),
        ({"parts": [{"product": "sku-1"}], "mode": "hybrid"}, "looks words up"),
        ({"parts": [RED, {"product": "sku-1"}], "mode": "lexical"}, "nothing but words"),
        ({"parts": [RED, {"text": "blue", "weight": -1}], "mode": "lexical"}, "nothing but words"),
        ({"sort": {"attribute": "price"}, "diversity": 0.5}, "exclude each other"),
        ({"pick": "cheapest"}, "needs collapse = 'group'"),
        ({"cut": {}}, "a cut needs"),
        ({"cut": {"min_relevance": 1.5}}, "min_relevance"),
        ({"boosts": [{"kind": "flag", "attribute": "a", "weight": 0.6}] * 2}, "add up to 1.2"),
        ({"boosts": [{"kind": "flag", "attribute": "a", "weight": 0.1}] * 9}, "boosts: "),
        ({"boosts": [{"kind": "linear", "attribute": "a", "lo": 1, "hi": 1}]}, "lo and hi"),
        ({"boosts": [{"kind": "linear", "attribute": "a", "lo": -1.7e308, "hi": 1.7e308}]}, "lo and hi"),
        ({"boosts": [{"kind": "decay", "attribute": "a", "scale": 0}]}, "must be above 0"),
        ({"boosts": [{"kind": "decay", "attribute": "a", "scale": "7 parsecs"}]}, "scale"),
        ({"boosts": [{"kind": "decay", "attribute": "a", "scale": 1, "origin": "2026-05-01T12:00:00"}]}, "origin"),
        ({"boosts": [{"kind": "saturation", "attribute": "a", "pivot": 0}]}, "pivot"),
        ({"facets": [{"attribute": "price", "edges": [2, 1]}]}, "edges must rise"),
        ({"facets": [{"attribute": "price", "edges": [1, "2026-05-01T12:00:00Z"]}]}, "all numbers or all times"),
        ({"facets": ["a"] * 21}, "facets: "),
        ({"diversity": float("nan")}, "diversity: "),
        ({"weights": {"ii": float("nan")}}, "ii, it, ti, tt"),
        ({"weights": {"ii": 1e300}}, "ii, it, ti, tt"),
        ({"cursor": "a" * 300_000}, "cursor: "),
    ],
)
def test_mistakes_are_named(change, message):
    with pytest.raises(InvalidQuery, match=message) as caught:
        SearchRequest.parse({"parts": [RED], **change})
    assert len(str(caught.value)) < 400
    assert str(caught.value).endswith(".")


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
kinds = st.sampled_from(["saturation", "linear", "decay", "flag", "match", "other"])
boosts = st.dictionaries(
    st.sampled_from(["attribute", "weight", "pivot", "lo", "hi", "scale", "origin", "shape"]), junk
).flatmap(lambda fields: kinds.map(lambda kind: {"kind": kind, **fields}))
parts = st.dictionaries(st.sampled_from(["text", "image", "product", "vector", "weight", "modality"]), junk, max_size=3)
fields = st.fixed_dictionaries(
    {"parts": st.lists(parts | st.just(RED) | junk, max_size=3) | junk},
    optional={
        **dict.fromkeys(set(SearchRequest.model_fields) - {"parts", "boosts"}, junk),
        "boosts": st.lists(boosts, max_size=2) | junk,
    },
)


@settings(deadline=None, max_examples=400)
@given(fields=fields)
def test_nothing_but_invalid_query_comes_out_of_junk(fields):
    try:
        request = SearchRequest.parse(fields)
        fingerprint(request)
        check(request, SCHEMA)
    except InvalidQuery:
        return
    assert request.parts


@pytest.mark.parametrize("junk", [None, 5, "x", [], [1], {"parts": [10**400]}, {1: 2}])
def test_what_is_no_mapping_of_fields_is_refused(junk):
    with pytest.raises(InvalidQuery):
        SearchRequest.parse(junk)


def test_auto_means_hybrid_only_with_words_and_an_engine_that_can():
    words, product = SearchRequest.parse({"parts": [RED]}), SearchRequest.parse({"parts": [{"product": "sku-1"}]})
    assert words.is_lexical(engine_can=True)
    assert not words.is_lexical(engine_can=False)
    assert not product.is_lexical(engine_can=True)
    assert SearchRequest.parse({"parts": [RED], "mode": "hybrid"}).is_lexical(engine_can=False)
    assert not SearchRequest.parse({"parts": [RED], "mode": "vector"}).is_lexical(engine_can=True)


def test_names_for_common_choices_of_a_variant():
    assert picked_by("best") is None
    assert picked_by("cheapest") == PickBy(attribute="price", direction="asc")
    assert picked_by("in_stock") == PickBy(attribute="in_stock", direction="desc")
    assert picked_by(PickBy(attribute="rating")) == PickBy(attribute="rating")


def test_a_filter_comes_in_three_forms_and_becomes_one():
    for where in (F.price < 5, "price < 5", {"field": "price", "lt": 5}):
        assert SearchRequest.parse({"parts": [RED], "where": where}).where == (F.price < 5)
        boost = {"kind": "match", "where": where}
        assert SearchRequest.parse({"parts": [RED], "boosts": [boost]}).boosts[0].where == (F.price < 5)
    assert SearchRequest.parse({"parts": [RED], "where": None}).where is None


@pytest.mark.parametrize("where", [5, [], {}, "price <", {"field": "price"}, {"boosts": 1}])
def test_what_is_no_filter_is_refused(where):
    with pytest.raises(InvalidFilter):
        SearchRequest.parse({"parts": [RED], "where": where})
    with pytest.raises(InvalidQuery):
        SearchRequest.parse({"parts": [RED], "boosts": [{"kind": "match", "where": where}]})
    with pytest.raises(InvalidQuery):
        SearchRequest.parse({"parts": [RED], "boosts": [{"kind": "match", "where": None}]})


def test_the_json_form_has_a_schema():
    schema = SearchRequest.model_json_schema()
    assert set(schema["properties"]) == set(SearchRequest.model_fields)
    assert {"TextForm", "ImageForm", "ProductForm", "VectorForm", "LeafForm", "DecayBoost"} <= set(schema["$defs"])
