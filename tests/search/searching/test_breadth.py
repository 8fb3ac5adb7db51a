"""How many rows are asked for follows what searches needed, and vectors come along only where ranking looks at them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.search.ranking.samples import hit
from tests.search.sdk import ids
from tests.search.stores import Counting

from fourtower_search import SearchClient
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.searching.breadth import FIRST, MOST, SPARE, Breadth, rows_needed


def found(views, products):
    """Hits of so many products, all views of each one after the other."""
    return [hit(f"p{product}", view=view) for product in range(products) for view in range(views)]


@given(views=st.integers(1, 9), products=st.integers(1, 30), depth=st.integers(1, 30))
def test_needed_rows_are_the_shortest_list_with_enough_products(views, products, depth):
    hits = found(views, products)
    needed = rows_needed(hits, depth)
    if products < depth:
        assert needed == np.inf
    else:
        assert len({each.row.product_id for each in hits[: int(needed)]}) == depth
        assert len({each.row.product_id for each in hits[: int(needed) - 1]}) == depth - 1


def test_one_search_that_needed_more_teaches_at_once():
    breadth = Breadth()
    assert breadth.views == pytest.approx(FIRST)
    breadth.learn(found(3, 20), 20)
    assert breadth.views == pytest.approx(SPARE * rows_needed(found(3, 20), 20) / 20)


def test_what_is_no_longer_needed_is_forgotten_slowly():
    breadth = Breadth()
    breadth.learn(found(3, 20), 20)
    before = breadth.views
    breadth.learn(found(1, 20), 20)
    assert SPARE < breadth.views < before
    for _ in range(500):
        breadth.learn(found(1, 20), 20)
    assert breadth.views == pytest.approx(SPARE, abs=0.01)


def test_odd_searches_teach_little():
    breadth = Breadth()
    breadth.learn(found(12, 2), 2)
    breadth.learn(found(3, 5), 20)
    assert breadth.views == pytest.approx(FIRST)
    breadth.learn(found(50, 20), 20)
    assert breadth.views == MOST


@pytest.fixture
def store(shop):
    return Counting(shop.store)


@pytest.fixture
def client(store, shop, demo_embedder):
    index = ProductIndex(store, params=shop.params, model_id=shop.model_id)
    with SearchClient(index, model=demo_embedder) as client:
        yield client


def test_after_a_search_that_was_widened_the_same_one_takes_one_call(client, store):
    first = client.search("mug", mode="vector", depth=40)
    assert len(store.searches) > 1
    store.searches.clear()
    again = client.search("mug", mode="vector", depth=40)
    assert (ids(again), len(store.searches)) == (ids(first), 1)


def test_scores_of_the_engine_are_those_of_the_vectors(client):
    plain = client.search("red mug", mode="vector", limit=20)
    exact = client.search("red mug", mode="vector", limit=20, explain=True)
    assert ids(plain) == ids(exact)
    assert [each.score for each in plain] == pytest.approx([each.score for each in exact], abs=1e-5)
