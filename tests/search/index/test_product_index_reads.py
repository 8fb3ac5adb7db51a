from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from tests.search.index.builders import SCHEMA, delete, open_index, upsert
from tests.search.index.faults import Recording, Wrapped
from tests.search.index.oracle import DIM

from fourtower_search.errors import IndexMismatch, InvalidQuery
from fourtower_search.index import product_index, scanning
from fourtower_search.index.conditions import Compare, Holds, Negated
from fourtower_search.index.deadline import Deadline
from fourtower_search.index.memory import MemoryRows
from fourtower_search.index.product_index import ANY, LIVE
from fourtower_search.index.scanning import product_of, rows_of, scan

HOSTILE = [
    "",
    "a@b",
    "a#0",
    'say "so"',
    "back\\slash",
    "naïve 👟",
    "new\nline",
    "p@1.a#0",
    "%",
    "a'b",
    "zero\u200bwidth",
]
ONE = np.ones((1, DIM), dtype=np.float32)


@pytest.fixture
def store():
    return MemoryRows(SCHEMA, DIM)


@pytest.fixture
def index(store):
    with open_index(store) as index:
        yield index


def put(store, *writes):
    store.upsert([row for write in writes for row in write.rows], timeout_s=1)


def ids(hits):
    return [hit.row.product_id for hit in hits]


def test_what_is_stored_is_read_for_every_product_that_was_asked_for(index, store):
    put(store, upsert("p", 1), upsert("p", 2, views=2), delete("q", 3))
    stored = index.read(["p", "q", "r"])
    assert stored["p"].complete == upsert("p", 2).order
    assert len(stored["p"].rows) == 3
    assert stored["q"].complete.deleted
    assert stored["r"].rows == ()


def test_vectors_are_read_by_key_where_there_are_any(index, store):
    vector = np.arange(DIM, dtype=np.float32)
    put(store, upsert("p", vector=vector), delete("q", 1))
    found = index.vectors(["p@1.a#0", "q@1.d#0", "r@1.a#0"])
    assert list(found) == ["p@1.a#0"]
    assert np.array_equal(found["p@1.a#0"], vector)


def test_a_product_is_got_in_its_highest_complete_version_with_all_views(index, store):
    put(store, upsert("p", 1), upsert("p", 2, views=3), upsert("q", 1), delete("q", 2))
    store.upsert(upsert("p", 3, views=2).rows[:1], timeout_s=1)
    found = index.get(["p", "q", "r"], vectors=True)
    assert list(found) == ["p"]
    assert [(row.order.version, row.view) for row in found["p"].rows] == [(2, 0), (2, 1), (2, 2)]
    assert found["p"].rows[0].vector.tolist() == [1.0] * DIM


def test_a_product_of_which_nothing_is_complete_is_not_live(index, store):
    store.upsert(upsert("p", 1, views=2).rows[:1], timeout_s=1)
    assert index.get(["p"]) == {}


def test_products_are_counted_not_their_views_nor_deletes(index):
    index.apply([upsert("p", 1, views=3), upsert("q", 1, attributes={"price": 5}), delete("r", 1)])
    assert index.count() == 2
    assert index.count(Compare("a_price", "==", 5)) == 1
    stats = index.stats()
    assert (stats.engine, stats.rows, stats.products, stats.tombstones) == ("memory", 5, 2, 1)


def test_every_live_product_is_iterated_once_however_small_an_answer_is(index, store, monkeypatch):
    live = [f"p{number}" for number in range(100)] + HOSTILE
    put(store, *(upsert(key, 2, views=len(key) % 3 + 1) for key in live))
    put(store, *(upsert(key, 1) for key in live[::3]))
    put(store, *(delete(f"gone{number}", 1) for number in range(30)))
    monkeypatch.setattr(product_index, "PAGE", 16)
    found = list(index.iterate(batch=7))
    assert [product.product_id for product in found] == sorted(live)
    assert {product.order.version for product in found} == {2}


def test_iterating_asks_the_version_that_it_hands_out_whether_it_fulfils_the_condition(index, store):
    put(store, upsert("p", 1, attributes={"price": 1}), upsert("p", 2, attributes={"price": 9}))
    put(store, upsert("q", 1, attributes={"price": 1}))
    cheap = Compare("a_price", "==", 1)
    assert [product.product_id for product in index.iterate(cheap)] == ["q"]
    assert [product.product_id for product in index.iterate(Compare("a_price", "==", 9))] == ["p"]


def test_everything_stored_is_iterated_deletes_too(index, store):
    put(store, upsert("p", 1), upsert("p", 2), delete("q", 1))
    found = dict(index.iterate_stored())
    assert {key: len(stored.rows) for key, stored in found.items()} == {"p": 2, "q": 1}


@pytest.mark.parametrize("page", [5, 6, 17, 1000])
def test_a_scan_finds_each_product_once_whatever_the_page(store, page):
    put(store, *(upsert(f"p{number}", views=4) for number in range(60)))
    found = [key for part in scan(store, ANY, consistency="strong", timeout_s=1, page=page) for key in part]
    assert found == sorted(f"p{number}" for number in range(60))


def test_a_product_with_more_rows_than_a_page_is_an_error_not_a_part_of_it(store):
    put(store, upsert("p", views=8))
    with pytest.raises(IndexMismatch, match="Product p has 5 rows or more"):
        list(scan(store, ANY, consistency="strong", timeout_s=1, page=5))
    with pytest.raises(IndexMismatch, match="Product p has 5 rows or more"):
        rows_of(store, ["p"], vectors=False, consistency="strong", deadline=Deadline(1), page=5)


def test_rows_are_never_cut_off(store):
    put(store, *(upsert(f"p{number}", views=3) for number in range(40)))
    asked = [f"p{number}" for number in range(40)] * 2
    rows = rows_of(store, asked, vectors=False, consistency="strong", deadline=Deadline(10), page=10)
    assert Counter(row.product_id for row in rows) == {f"p{number}": 3 for number in range(40)}


def test_many_keys_are_asked_for_in_slices(store, index, monkeypatch):
    monkeypatch.setattr(scanning, "SLICE", 4)
    writes = [upsert(f"p{number}") for number in range(30)]
    put(store, *writes)
    assert len(index.vectors([write.rows[0].key for write in writes])) == 30


@pytest.mark.parametrize("product_id", HOSTILE)
def test_the_product_of_a_key_is_found_whatever_its_id_holds(product_id):
    assert product_of(upsert(product_id, 12, views=2, digest="0f").rows[1].key) == product_id


def test_search_leaves_deletes_out_and_obeys_a_condition(index):
    index.apply([upsert("p", attributes={"price": 1}), upsert("q", attributes={"price": 9}), delete("r", 1)])
    assert sorted(ids(index.search(ONE, limit=5)[0])) == ["p", "q"]
    [hits] = index.search(ONE, Compare("a_price", ">", 5), limit=5, with_vectors=True)
    assert ids(hits) == ["q"]
    assert hits[0].score == pytest.approx(DIM)
    assert hits[0].row.vector is not None


class LosesFilteredHits(Wrapped):
    """An engine whose filtered searches miss every other row, and whose answers leave out words."""

    def __init__(self, store):
        super().__init__(store)
        self.capabilities = replace(store.capabilities, filters_lose_hits=True)

    def search(self, vectors, where, *, limit, **how):
        found = self.inner.search(vectors, where, limit=limit, **how)
        for hit in (hit for hits in found for hit in hits):
            hit.columns = {name: value for name, value in hit.columns.items() if name != "title_words"}
        return found if where == LIVE else [hits[::2] for hits in found]


@pytest.mark.parametrize(
    "where", [Compare("a_price", "<", 7), Holds("title_words", ("cup",), "any"), Negated(Compare("a_price", "==", 3))]
)
def test_what_an_engine_loses_under_a_filter_is_found_without_it(store, where):
    spread = [[np.cos(angle), np.sin(angle), *[0] * (DIM - 2)] for angle in np.linspace(0, 1.5, 12)]
    writes = [
        upsert(f"p{n}", views=2, vector=vector, title="a cup" if n % 2 else "a box", attributes={"price": n})
        for n, vector in enumerate(spread)
    ]
    assert {outcome.status for outcome in open_index(store).apply(writes)} == {"applied"}
    asked = np.array([[1, *[0] * (DIM - 1)], [0, 1, *[0] * (DIM - 2)]], dtype=np.float32)
    right, lossy = (
        [[(hit.product_id, hit.view, hit.score) for hit in hits] for hits in index.search(asked, where, limit=24)]
        for index in (open_index(store), open_index(LosesFilteredHits(store)))
    )
    assert [sorted(hits) for hits in lossy] == [sorted(hits) for hits in right]
    assert all([hit[2] for hit in hits] == sorted((hit[2] for hit in hits), reverse=True) for hits in lossy)
    assert len(open_index(LosesFilteredHits(store)).search(asked, where, limit=3)[0]) <= 3


def test_verified_hits_are_current_ones_and_as_many_as_were_asked_for(index, store):
    put(store, *(upsert(f"p{number:02}", 1, vector=np.full(DIM, 2)) for number in range(20)))
    put(store, *(upsert(f"p{number:02}", 2) for number in range(10)), *(delete(f"p{n}", 2) for n in range(10, 19)))
    [fast] = index.search(ONE, limit=5)
    assert {hit.row.order.version for hit in fast} == {1}
    [hits] = index.search(ONE, limit=5, freshness="verified")
    assert [(hit.row.product_id, hit.row.order.version) for hit in hits] == [
        ("p19", 1),
        *((f"p{number:02}", 2) for number in range(4)),
    ]


def test_verified_hits_end_where_there_are_no_more(index, store):
    put(store, upsert("p", 1), delete("p", 2), upsert("q", 1))
    assert [ids(hits) for hits in index.search(np.repeat(ONE, 2, 0), limit=5, freshness="verified")] == [["q"], ["q"]]


def test_a_hit_that_was_forgotten_since_is_not_verified(store):
    class Vanishing(Recording):
        def search(self, *args, **kwargs):
            hits = self.inner.search(*args, **kwargs)
            self.inner.delete(["p@1.a#0"], timeout_s=1)
            return hits

    put(store, upsert("p", 1), upsert("q", 1))
    with open_index(Vanishing(store)) as index:
        assert [ids(hits) for hits in index.search(ONE, limit=5, freshness="verified")] == [["q"]]


def test_words_find_live_products_verified_or_not(index, store):
    put(store, upsert("p", 1, title="red shoe"), upsert("p", 2, title="blue shoe"), upsert("q", 1, title="red hat"))
    assert sorted(ids(index.lexical("red", limit=5))) == ["p", "q"]
    assert ids(index.lexical("red", limit=5, freshness="verified")) == ["q"]


@pytest.mark.parametrize("vectors", [np.ones(DIM), np.ones((1, DIM + 1)), np.full((1, DIM), np.inf)])
def test_an_unusable_query_vector_is_refused(index, vectors):
    with pytest.raises(InvalidQuery, match=rf"shape \[Q, {DIM}\]"):
        index.search(vectors.astype(np.float32), limit=5)


@pytest.mark.parametrize("limit", [0, 16_385])
def test_a_limit_beyond_what_an_engine_answers_is_refused(index, limit):
    with pytest.raises(InvalidQuery, match=f"not {limit}"):
        index.search(ONE, limit=limit)
    with pytest.raises(InvalidQuery, match=f"not {limit}"):
        index.lexical("red", limit=limit)
