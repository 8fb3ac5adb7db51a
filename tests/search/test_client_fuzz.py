"""Whatever a request holds, it is answered, or refused by an error of ours."""

import json
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from fourtower_encoders.errors import ImageError
from fourtower_encoders.joint import Weights
from fourtower_search import Cut, F, FlagBoost, Image, Product, SearchError, Sort, Text, Vector
from fourtower_search.display import contact_sheet, html_cards, table, to_dict
from fourtower_search.query.sugar import SearchOptions

NAMES = ["price", "category", "in_stock", "tags", "released", "stock", "product_id", "title", "colour", "nonsense", ""]
TEXTS = st.text(max_size=12) | st.sampled_from(
    [
        "mug",
        "mug -dots",
        '-"x',
        "a\x00",
        "\ud800",
        "price < 5",
        "gone.jpg",
        "https://example.com/a.jpg",
        "-",
        "A" * 1500,
    ]
)
NUMBERS = st.integers(-5, 600) | st.floats() | st.sampled_from([2**63, -(2**64), 10**400, True])
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS | st.sampled_from(NAMES) | st.binary(max_size=5)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | TEXTS, inner, max_size=3),
    max_leaves=6,
)
LEAVES = st.builds(
    lambda field, sign, value: {"field": field, sign: value},
    st.sampled_from(NAMES) | TEXTS,
    st.sampled_from(["eq", "ne", "lt", "ge", "in", "exists", "matches", "contains", "contains_any", "what"]),
    SCALARS | st.lists(SCALARS, max_size=3),
)
FILTERS = st.recursive(
    LEAVES,
    lambda inner: st.dictionaries(st.sampled_from(["must", "should", "must_not"]), st.lists(inner, max_size=3)),
    max_leaves=5,
)
PARTS = st.one_of(
    TEXTS,
    JSON,
    st.fixed_dictionaries({"text": TEXTS}, optional={"weight": NUMBERS}),
    st.fixed_dictionaries({"image": TEXTS}, optional={"weight": NUMBERS}),
    st.fixed_dictionaries({"product": TEXTS | st.just("stool")}, optional={"weight": NUMBERS}),
    st.fixed_dictionaries({"vector": st.lists(NUMBERS, max_size=4)}, optional={"modality": TEXTS}),
    st.builds(lambda size: {"vector": [1.0] * size}, st.sampled_from([1, 128, 256])),
    st.sampled_from(
        [Text("mug"), Text("mug", -1), Product("stool", 1e-6), Vector([1.0] * 128), Image(Pillow.new("P", (3, 2)))]
    ),
)
IMAGES = st.none() | st.binary(max_size=40) | TEXTS | st.just(Pillow.new("RGBA", (2, 3))) | JSON
BOOSTS = st.fixed_dictionaries(
    {"kind": st.sampled_from(["saturation", "linear", "decay", "flag", "match", "what"])},
    optional={
        "attribute": st.sampled_from(NAMES),
        "weight": NUMBERS,
        "pivot": NUMBERS,
        "lo": NUMBERS,
        "hi": NUMBERS,
        "scale": st.sampled_from(["7d", "0s", "P7D"]) | NUMBERS | st.just(timedelta.max),
        "origin": st.sampled_from(["now", datetime.max.replace(tzinfo=UTC)]) | NUMBERS | TEXTS,
        "shape": st.sampled_from(["gauss", "exp", "linear"]),
        "decay": st.floats(),
        "where": FILTERS,
    },
)
FACETS = st.fixed_dictionaries(
    {"attribute": st.sampled_from(NAMES)},
    optional={"limit": NUMBERS, "ranges": NUMBERS, "edges": st.lists(NUMBERS, max_size=3)},
)
LIKELY = {
    "where": FILTERS | TEXTS | st.just(F.price < 5),
    "mode": st.sampled_from(["auto", "vector", "lexical", "hybrid"]),
    "fusion": st.sampled_from(["blend", "rrf"]),
    "limit": st.integers(1, 100),
    "depth": st.integers(1, 500),
    "collapse": st.sampled_from(["product", "group"]),
    "pick": st.sampled_from(["best", "cheapest", "in_stock"]),
    "boosts": st.lists(BOOSTS | st.just(FlagBoost(attribute="in_stock")), max_size=2),
    "min_relevance": st.floats(-0.5, 1.5),
    "cut": st.just(Cut(gap=0.5)) | st.dictionaries(st.sampled_from(["of_best", "gap", "x"]), NUMBERS, max_size=2),
    "sort": st.sampled_from(["price", "-rating", "-", Sort(attribute="released")]),
    "diversity": st.floats(0, 1),
    "freshness": st.sampled_from(["fast", "verified"]),
    "explain": st.booleans(),
    "facets": st.lists(FACETS | st.sampled_from(NAMES), max_size=2),
    "cursor": TEXTS,
    "rerank": TEXTS,
    "weights": st.just(Weights(ii=-1, it=0, ti=0, tt=math.inf)) | st.dictionaries(st.just("ii"), NUMBERS),
    "image_amount": st.floats(0, 1),
    "timeout_s": st.just(10) | NUMBERS.filter(lambda number: not 0 < number < 1),
}
VALID = {
    "where": st.sampled_from([None, F.price < 50, "in_stock", {"field": "tags", "exists": False}]),
    "mode": LIKELY["mode"],
    "fusion": LIKELY["fusion"],
    "limit": st.integers(1, 60),
    "depth": st.integers(60, 500),
    "collapse": LIKELY["collapse"],
    "boosts": st.sampled_from(
        [
            [FlagBoost(attribute="in_stock")],
            [{"kind": "decay", "attribute": "released", "scale": "1s", "origin": datetime.min.replace(tzinfo=UTC)}],
            [{"kind": "linear", "attribute": "price", "lo": 1e308, "hi": -1.0}],
            [{"kind": "saturation", "attribute": "rating", "pivot": 1e-308, "weight": 1.0}],
        ]
    ),
    "min_relevance": st.floats(0, 1),
    "sort": st.sampled_from(["price", "-rating", Sort(attribute="released")]),
    "diversity": st.floats(0, 1),
    "freshness": LIKELY["freshness"],
    "explain": st.booleans(),
    "facets": st.lists(st.sampled_from(["price", "tags", "released", "stock", "in_stock"]), max_size=3),
    "weights": st.sampled_from([Weights(ii=-1e6, it=1e6, ti=0, tt=1e-300), Weights(ii=0, it=0, ti=0, tt=0)]),
    "image_amount": st.floats(0, 1),
    "timeout_s": st.just(30),
}


def some_of(strategies, most):
    """A few options, each with a value from its strategy."""
    names = st.lists(st.sampled_from(sorted(strategies)), unique=True, max_size=most)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: strategies[name] for name in chosen}))


MOSTLY_VALID = some_of(VALID, 5)
OPTIONS = st.builds(
    lambda valid, wrong: {**valid, **wrong}, some_of(VALID, 3), some_of({n: s | JSON for n, s in LIKELY.items()}, 2)
)
SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def test_every_option_is_tried():
    assert set(LIKELY) - {"timeout_s"} == set(SearchOptions.__annotations__)


def answered(ask):
    """A result, or None where it was refused as it should be."""
    try:
        return ask()
    except (SearchError, ImageError) as error:
        sentence = str(error).encode()  # of characters that a terminal or a response can carry
        return None if sentence else pytest.fail("an error says nothing")


@SETTINGS
@given(st.just("mug") | PARTS | st.lists(PARTS, max_size=4), st.none() | TEXTS, st.none() | IMAGES, OPTIONS)
def test_any_request_is_answered_or_refused(shop_client, query, text, image, options):
    answered(lambda: shop_client.search(query, text=text, image=image, **options))


@SETTINGS
@given(st.sampled_from(["mug", "mug -dots", [Text("mug"), Product("stool")]]), MOSTLY_VALID)
def test_what_is_answered_can_be_shown(shop_client, query, options):
    result = answered(lambda: shop_client.search(query, **options))
    if result is not None:
        json.dumps(to_dict(result), allow_nan=False)
        assert html_cards(result)
        assert contact_sheet("x", [])
        assert table(result).row_count == len(result)
        assert len(result) <= options.get("limit", 10)


@SETTINGS
@given(
    st.lists(st.dictionaries(st.sampled_from([*LIKELY, "query", "text", "image"]) | TEXTS, JSON) | PARTS, max_size=3)
)
def test_many_requests_are_answered_or_refused(shop_client, queries):
    found = answered(lambda: shop_client.search_many(queries))
    assert found is None or len(found) == len(queries)


@SETTINGS
@given(FILTERS | JSON)
def test_any_filter_counts_or_is_refused(shop_client, where):
    count = answered(lambda: shop_client.count(where))
    assert count is None or count == len(list(shop_client.products(where)))


@SETTINGS
@given(JSON)
def test_any_product_id_is_looked_up_or_refused(shop_client, product_id):
    for ask in (shop_client.get, shop_client.similar, shop_client.get_many):
        answered(lambda ask=ask: ask(product_id))


@pytest.mark.parametrize("hostile", ['"', "'", "\\", "' or 1 == 1 or '", '" || true', "{x}", "\n", "%", "é"])
def test_hostile_texts_reach_the_engine_as_text(client, hostile):
    for where in (
        F.brand == hostile,
        F.brand.isin([hostile]),
        F.tags.contains(hostile),
        F.title.matches(f"a{hostile}"),
    ):
        assert client.count(where) == 0
