"""Pages of products by their ids: whatever lies in the index, they join to all of it, and each is bounded."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.search.index.builders import SCHEMA, delete, open_index, upsert
from tests.search.index.faults import Wrapped
from tests.search.index.oracle import DIM

from fourtower_search.errors import IndexUnavailable
from fourtower_search.index.conditions import Compare
from fourtower_search.index.memory import MemoryRows

IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=4)
PRODUCTS = st.dictionaries(IDS, st.tuples(st.integers(1, 40), st.integers(0, 9), st.booleans()), max_size=25)
CHEAP = Compare("a_price", "<", 5)


def stored(products):
    """A store with products of so many views and such prices, some of them deleted."""
    store = MemoryRows(SCHEMA, DIM)
    for product_id, (views, price, deleted) in products.items():
        write = delete(product_id, 2) if deleted else upsert(product_id, views=views, attributes={"price": price})
        store.upsert(list(write.rows), timeout_s=1)
    return store


def pages(index, where, limit):
    """The ids of each page, one after the other."""
    found, after, more = [], "", True
    while more:
        products, more = index.page(where, after=after, limit=limit)
        found.append([product.product_id for product in products])
        after = found[-1][-1] if more else ""
    return found


@given(PRODUCTS, st.none() | st.just(CHEAP), st.integers(1, 9))
def test_pages_join_to_what_is_iterated(products, where, limit):
    with open_index(stored(products)) as index:
        whole = [product.product_id for product in index.iterate(where)]
        found = pages(index, where, limit)
    assert [product_id for page in found for product_id in page] == whole
    assert all(len(page) == limit for page in found[:-1])


@given(PRODUCTS, IDS)
def test_a_page_begins_after_an_id_that_need_not_exist(products, after):
    with open_index(stored(products)) as index:
        found, more = index.page(after=after, limit=1000)
        assert [product.product_id for product in found] == [
            product.product_id for product in index.iterate() if product.product_id > after
        ]
        assert not more


class Slow(Wrapped):
    """An engine that takes its time, and notes how many keys and rows it handed out."""

    def __init__(self, store, seconds=0.0):
        super().__init__(store)
        self.seconds, self.requests, self.found = seconds, 0, 0

    def keys(self, where, **how):
        return self._noted(self.inner.keys(where, **how))

    def rows(self, where, **how):
        return self._noted(self.inner.rows(where, **how))

    def _noted(self, found):
        time.sleep(self.seconds)
        self.requests, self.found = self.requests + 1, self.found + len(found)
        return found


@pytest.fixture(scope="module")
def large():
    """A store whose keys lie in no order, as those of an engine do."""
    numbers = random.Random(7).sample(range(3000), 3000)
    return stored({f"p{number:04}": (2, 1, False) for number in numbers})


def test_a_page_of_a_large_index_reads_a_small_part_of_it(large):
    store = Slow(large)
    with open_index(store) as index:
        products, more = index.page(after="p1500", limit=10)
    assert [product.product_id for product in products] == [f"p{number:04}" for number in range(1501, 1511)]
    assert more
    assert store.requests < 15
    assert store.found < 1500, "of 6000"


def test_the_time_of_a_page_is_that_of_all_its_requests(large):
    with open_index(Slow(large, 0.05)) as index, pytest.raises(IndexUnavailable, match=r"within 0\.12 s"):
        index.page(limit=1, timeout_s=0.12)
