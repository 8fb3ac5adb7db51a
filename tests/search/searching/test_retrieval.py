"""Requests that are alike share one call to the engine; no call asks for more than an engine can answer at once."""

import pytest
from tests.search.sdk import ids
from tests.search.stores import Counting

from fourtower_search import F, SearchClient
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.searching import retrieval


@pytest.fixture
def store(shop):
    return Counting(shop.store)


@pytest.fixture
def client(store, shop, demo_embedder):
    index = ProductIndex(store, params=shop.params, model_id=shop.model_id)
    with SearchClient(index, model=demo_embedder) as client:
        yield client


def test_queries_alike_are_one_call(client, store):
    client.search_many(["mug", "lamp", {"query": "vase", "limit": 3, "sort": "price"}], mode="vector", depth=10)
    assert store.searches[0][0] == 3
    assert len({limit for _, limit in store.searches}) == len(store.searches), "again only for more rows"


def test_another_filter_or_depth_is_another_call(client, store):
    cheap = F.price < 50
    client.search_many(
        [
            "mug",
            {"query": "lamp", "where": cheap},
            {"query": "vase", "where": "price < 50"},
            {"query": "mug", "depth": 12},
            {"query": "mug", "freshness": "verified"},
        ],
        mode="vector",
        depth=161,
    )
    assert sum(queries for queries, _ in store.searches) >= 5
    assert max(queries for queries, _ in store.searches) == 2, "equal filters are alike in whatever form they came"


def test_a_call_is_no_larger_than_an_engine_can_answer(client, store, monkeypatch):
    words = ["mug", "lamp", "vase", "pillow", "bag"]
    single = [ids(client.search(each, mode="vector", depth=10)) for each in words]
    store.searches.clear()
    monkeypatch.setattr(retrieval, "MOST_ROWS", 65)
    assert [ids(result) for result in client.search_many(words, mode="vector", depth=10)] == single
    first = [(queries, limit) for queries, limit in store.searches if limit == store.searches[0][1]]
    assert sum(queries for queries, _ in first) == 5
    assert len(first) > 1
    assert all(queries * limit <= 65 for queries, limit in first)


def test_words_are_looked_up_only_where_they_count(client, store):
    client.search("mug", mode="vector")
    assert store.lookups == 0
    client.search("mug", mode="lexical")
    assert (store.lookups, len(store.searches[1:])) == (1, len(store.searches) - 1)


def test_a_lexical_search_embeds_and_compares_nothing(client, store):
    result = client.search("mug", mode="lexical")
    assert store.searches == []
    assert result[0].attributes["category"] == "mug"
