"""What a search may be told beside what to look for; on three engines, by both clients."""

from collections import Counter

import pytest
from tests.search.sdk import ids

from fourtower_search import (
    Cut,
    DecayBoost,
    F,
    FacetRequest,
    FlagBoost,
    LinearBoost,
    MatchBoost,
    PickBy,
    SaturationBoost,
    Sort,
)
from fourtower_search.errors import UnknownProduct, Unsupported
from fourtower_search.filters import from_json
from fourtower_search.ranking.explain import recompute

FORMS = {
    "python": (F.price < 40) & (F.category == "mug"),
    "json": {"must": [{"field": "price", "lt": 40}, {"field": "category", "eq": "mug"}]},
    "text": "price < 40 and category == 'mug'",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_filter_has_three_forms(client, form):
    found = client.search("vase", where=FORMS[form], limit=20)
    assert len(found) >= 3
    assert all(hit.attributes["price"] < 40 and hit.attributes["category"] == "mug" for hit in found)
    assert client.count(FORMS[form]) == found.total
    assert {product.product_id for product in client.products(FORMS[form])} == set(ids(found))


def test_limit_and_depth(client):
    assert len(client.search("mug", limit=3)) == 3
    shallow = client.search("mug", limit=5, depth=7, mode="vector")
    assert (len(shallow), shallow.total, shallow.truncated) == (5, 7, True)
    deep = client.search("mug", limit=5, depth=500, mode="vector")
    assert (deep.total, deep.truncated) == (client.count(), False)
    assert ids(shallow) == ids(deep)


@pytest.mark.parametrize("sort", ["-price", Sort(attribute="price", direction="desc")])
def test_sorting_is_by_attribute_and_products_without_it_come_last(client, sort):
    prices = [hit.attributes.get("price") for hit in client.search("mug", sort=sort, limit=100, depth=161)]
    priced = [price for price in prices if price is not None]
    assert priced == sorted(priced, reverse=True)
    assert prices[: len(priced)] == priced
    rising = client.search("mug", sort="price", limit=10)
    assert [hit.attributes["price"] for hit in rising] == sorted(hit.attributes["price"] for hit in rising)


def test_what_is_not_relevant_is_left_out_down_to_nothing(client):
    every = client.search("mug", limit=100)
    some = client.search("mug", limit=100, min_relevance=0.2)
    assert 0 < some.total < every.total
    assert min(hit.relevance for hit in some) >= 0.2
    assert ids(some) == ids(client.search("mug", limit=100, cut=Cut(min_relevance=0.2)))
    nothing = client.search("mug", min_relevance=1.0)
    assert (nothing.hits, nothing.total, nothing.next_cursor) == ((), 0, None)


def test_variants_are_collapsed_into_one_hit(client):
    whole = client.search("mug", limit=100)
    groups = Counter(hit.group_id for hit in whole if hit.group_id)
    assert max(groups.values()) > 1
    collapsed = client.search("mug", limit=100, collapse="group")
    assert set(Counter(hit.group_id for hit in collapsed if hit.group_id).values()) == {1}
    for hit in collapsed:
        assert len(hit.variants) == groups.get(hit.group_id, 1) - 1


@pytest.mark.parametrize("pick", ["cheapest", PickBy(attribute="price", direction="asc")])
def test_the_variant_that_is_shown_can_be_chosen(client, pick):
    prices = {hit.product_id: hit.attributes.get("price", 1e9) for hit in client.search("mug", limit=100)}
    collapsed = client.search("mug", limit=100, collapse="group", pick=pick)
    with_variants = [hit for hit in collapsed if hit.variants]
    assert with_variants
    for hit in with_variants:
        assert hit.attributes["price"] <= min(prices[other] for other in hit.variants)


@pytest.mark.parametrize(
    "boost",
    [
        SaturationBoost(attribute="rating", pivot=3.0, weight=0.9),
        LinearBoost(attribute="price", lo=200.0, hi=0.0, weight=0.9),
        FlagBoost(attribute="in_stock", weight=0.9),
        MatchBoost(where=F.colour == "green", weight=0.9),
        DecayBoost(attribute="released", scale="30d", weight=0.9),
        {"kind": "decay", "attribute": "price", "origin": 10.0, "scale": 5.0, "weight": 0.9},
    ],
    ids=lambda boost: boost.kind if not isinstance(boost, dict) else "json",
)
def test_boosts_change_the_order_and_explain_themselves(client, boost):
    plain = client.search("mug", limit=50)
    boosted = client.search("mug", limit=50, boosts=[boost], explain=True)
    assert boosted.total == plain.total
    assert all(hit.score == pytest.approx(recompute(hit.explanation), abs=1e-5) for hit in boosted)
    moved = [hit for hit in boosted if hit.explanation.label == "boosted" and len(hit.explanation.children) > 1]
    assert moved or getattr(boost, "attribute", "") == "released", "nearly nothing has a release date"


def test_a_boost_by_a_filter_prefers_what_it_matches(client):
    boosted = client.search("mug", limit=10, boosts=[MatchBoost(where="colour == 'green'", weight=0.9)])
    assert {hit.attributes["colour"] for hit in boosted[:5]} == {"green"}


def test_diversity_mixes(client):
    plain, varied = client.search("mug", limit=10), client.search("mug", limit=10, diversity=0.9)
    assert plain[0].product_id == varied[0].product_id
    assert len({hit.attributes["category"] for hit in varied}) > len({hit.attributes["category"] for hit in plain})


def test_facets_count_all_that_was_found_not_the_page(client):
    result = client.search(
        "mug",
        limit=3,
        depth=161,
        facets=["category", "in_stock", "tags", FacetRequest(attribute="price", edges=(20.0, 50.0))],
    )
    everything = list(client.products())
    assert result.total == len(everything)
    counted = {each.value: each.count for each in result.facets["category"].values}
    assert counted == Counter(product.attributes["category"] for product in everything)
    assert [each.value for each in result.facets["tags"].values] == ["oak", "sale"]
    assert result.facets["tags"].missing == len(everything) - 1
    low, middle, high = (each.count for each in result.facets["price"].ranges)
    prices = [product.attributes["price"] for product in everything if "price" in product.attributes]
    assert (low, high) == (sum(price < 20 for price in prices), sum(price >= 50 for price in prices))
    assert low + middle + high == len(prices)


def test_facets_alone(client):
    facet = client.facets("mug", of=["category"], where=F.category.isin(["mug", "vase"]))["category"]
    assert {each.value for each in facet.values} == {"mug", "vase"}
    assert sum(each.count for each in facet.values) == client.count(F.category.isin(["mug", "vase"]))


@pytest.mark.parametrize("mode", ["vector", "lexical", "hybrid", "auto"])
@pytest.mark.parametrize("fusion", ["blend", "rrf"])
def test_every_explanation_recomputes_to_its_score(client, engine, mode, fusion):
    if engine == "server" and mode in ("lexical", "hybrid"):
        with pytest.raises(Unsupported, match="has no full-text search"):
            client.search("green mug", mode=mode, fusion=fusion)
        return
    result = client.search("green mug", mode=mode, fusion=fusion, explain=True, limit=10, depth=50)
    assert len(result) == 10
    for hit in result:
        assert hit.explanation.value == pytest.approx(hit.score, abs=1e-5)
        assert recompute(hit.explanation) == pytest.approx(hit.score, abs=1e-5)
    assert client.search("green mug", mode=mode, fusion=fusion, limit=1)[0].explanation is None


def test_a_product_without_a_picture_says_so_in_its_explanation(client):
    (hit,) = client.search("oak stool", explain=True, where=F.product_id == "stool")
    labels = [leaf.label for leaf in nodes(hit.explanation)]
    assert "query_text · product_image (imputed)" in labels
    assert "query_text · product_text" in labels


def nodes(tree):
    """Every node of an explanation."""
    return [tree, *(node for child in tree.children for node in nodes(child))]


def test_verified_freshness_gives_the_same_here(client):
    assert ids(client.search("mug", freshness="verified")) == ids(client.search("mug"))


def test_single_products(client):
    stool = client.get("stool")
    assert (stool.product_id, stool.version, stool.attributes["price"]) == ("stool", 3, 12.5)
    assert set(client.get_many(["stool", "p7-000001", "nobody", "stool"])) == {"stool", "p7-000001"}
    assert client.get_many([]) == {}
    with pytest.raises(UnknownProduct, match="holds no product 'nobody'"):
        client.get("nobody")


def test_all_products_come_by_id(client):
    found = [product.product_id for product in client.products()]
    assert found == sorted(found)
    assert len(found) == client.count() == 161
    assert [product.product_id for product in client.products(F.tags.contains("oak"))] == ["stool"]


def test_filters_over_times_and_ids(client):
    assert client.count("released >= '2026-05-01T14:00:00+02:00'") == 1
    assert client.count(F.released > "2026-05-01T12:00:00Z") == 0
    assert ids(client.search("mug", where=from_json({"field": "product_id", "in": ["stool", "nobody"]}))) == ["stool"]
