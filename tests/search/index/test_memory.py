from __future__ import annotations

import math
import random
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.search.index.builders import SCHEMA, delete, upsert
from tests.search.index.oracle import DIM

from fourtower_search.errors import IndexMismatch, InvalidCatalog
from fourtower_search.index.bm25 import Bm25
from fourtower_search.index.conditions import Compare, Every, OneOf
from fourtower_search.index.memory import MemoryRows

ANY = Every(())


@pytest.fixture
def store():
    return MemoryRows(SCHEMA, DIM)


def put(store, *writes):
    store.upsert([row for write in writes for row in write.rows], timeout_s=1)


def test_a_row_comes_back_as_it_was_written(store):
    write = upsert(
        "p", views=2, attributes={"price": 3, "brand": "finch"}, title="Shoe", payload={"images": [{"url": "a"}]}
    )
    put(store, write)
    rows = sorted(store.rows(ANY, vectors=True, timeout_s=1), key=lambda row: row.view)
    assert [row.vector.tolist() for row in rows] == [row.vector.tolist() for row in write.rows]
    assert [(row.title, row.attributes, row.payload) for row in rows] == [
        (row.title, row.attributes, row.payload) for row in write.rows
    ]
    assert all(row.vector is None for row in store.rows(ANY, vectors=False, timeout_s=1))


def test_a_row_of_the_same_key_replaces_the_old_one(store):
    put(store, upsert("p", title="old", vector=np.zeros(DIM)))
    put(store, upsert("p", title="new"))
    [row] = store.rows(ANY, vectors=True, timeout_s=1)
    assert (row.title, row.vector.tolist()) == ("new", [1.0] * DIM)
    assert store.lexical("old", ANY, limit=5, timeout_s=1) == []


def test_a_tombstone_has_a_state_but_no_vector_and_is_found_by_no_search(store):
    put(store, delete("p", 2))
    [state] = store.states(["p"], consistency="strong", timeout_s=1)
    assert state.order.deleted
    assert store.search(np.ones((1, DIM), dtype=np.float32), ANY, limit=5, timeout_s=1) == [[]]


@pytest.mark.parametrize("vector", [np.ones(DIM + 1), np.full(DIM, np.nan)])
def test_an_unusable_vector_is_refused_and_nothing_of_its_batch_is_kept(store, vector):
    with pytest.raises(IndexMismatch, match=f"vector of {DIM} finite numbers"):
        put(store, upsert("p"), upsert("q", vector=vector))
    assert store.count(ANY, timeout_s=1) == 0


def test_a_product_that_is_too_big_is_refused(store):
    with pytest.raises(InvalidCatalog, match="60,000 are allowed"):
        put(store, upsert("p", payload={"description": "x" * 70_000}))


def test_removing_unknown_keys_is_no_error(store):
    store.delete(["nothing@1.a#0"], timeout_s=1)


@given(st.integers(0, 2**32 - 1))
def test_search_is_the_exact_order_of_inner_products_after_any_writes(seed):
    rng = np.random.default_rng(seed)
    store, kept = MemoryRows(SCHEMA, DIM), {}
    for _ in range(60):
        write = upsert(f"p{rng.integers(20)}", int(rng.integers(3)) + 1, vector=rng.standard_normal(DIM))
        if rng.random() < 0.3:
            store.delete([write.rows[0].key], timeout_s=1)
            kept.pop(write.rows[0].key, None)
        else:
            write = upsert(write.product_id, write.order.version, vector=rng.standard_normal(DIM))
            put(store, write)
            kept[write.rows[0].key] = (write.rows[0].vector, write.order.version)
    queries = rng.standard_normal((3, DIM)).astype(np.float32)
    answers = store.search(queries, Compare("version", "<=", 2), limit=7, with_vectors=True, timeout_s=1)
    for query, hits in zip(queries, answers, strict=True):
        scores = {key: float(vector @ query) for key, (vector, version) in kept.items() if version <= 2}
        best = sorted(scores, key=lambda key: -scores[key])[:7]
        assert [hit.row.key for hit in hits] == best
        assert [hit.score for hit in hits] == pytest.approx([scores[key] for key in best], abs=1e-5)
        assert all(np.array_equal(hit.row.vector, kept[hit.row.key][0]) for hit in hits)


def test_equal_scores_are_ordered_by_key(store):
    put(store, upsert("b"), upsert("c"), upsert("a"))
    [hits] = store.search(np.ones((1, DIM), dtype=np.float32), ANY, limit=2, timeout_s=1)
    assert [hit.row.product_id for hit in hits] == ["a", "b"]


def test_conditions_that_name_products_or_keys_are_as_exact_as_others(store):
    put(store, upsert("p", views=2), upsert("q"), upsert("r", attributes={"price": 5}))
    named = Every((OneOf("product_id", ("p", "r", "p", "x")), Compare("view", "==", 0)))
    assert sorted(store.keys(named, consistency="strong", timeout_s=1)) == ["p@1.a#0", "r@1.a#0"]
    by_key = OneOf("key", ("q@1.a#0", "q@1.a#0", "no"))
    assert store.keys(by_key, consistency="strong", timeout_s=1) == ["q@1.a#0"]
    assert store.count(Compare("a_price", "==", 5), timeout_s=1) == 1
    assert len(store.rows(ANY, limit=3, vectors=False, timeout_s=1)) == 3


def test_words_find_titles_and_searchable_attributes_best_first(store):
    put(
        store,
        upsert("a", title="red shoe"),
        upsert("b", title="red red shoe", attributes={"brand": "Finch"}),
        upsert("c", title="blue hat with a very long description of nothing"),
    )
    assert [hit.row.product_id for hit in store.lexical("FINCH", ANY, limit=5, timeout_s=1)] == ["b"]
    assert [hit.row.product_id for hit in store.lexical("red hat", ANY, limit=5, timeout_s=1)] == ["c", "b", "a"]
    only_a = OneOf("product_id", ("a",))
    assert [hit.row.product_id for hit in store.lexical("red", only_a, limit=5, timeout_s=1)] == ["a"]
    assert store.lexical("nowhere", ANY, limit=5, timeout_s=1) == []


TEXTS = st.dictionaries(st.text("kl", min_size=1, max_size=3), st.text("ab ", max_size=12), max_size=6)


@given(TEXTS, TEXTS, st.text("abc ", max_size=6))
def test_bm25_is_the_textbook_formula_whatever_was_replaced_or_removed(before, after, query):
    index = Bm25()
    for key, text in before.items():
        index.put(key, text)
    for key in before.keys() - after.keys():
        index.remove(key)
    for key, text in after.items():
        index.put(key, text)
    documents = {key: text.split() for key, text in after.items() if text.split()}
    scores = {key: score for key in documents if (score := textbook(documents, documents[key], query)) > 0}
    ranked = list(index.ranked(query))
    assert dict(ranked) == pytest.approx(scores)
    assert [score for _, score in ranked] == sorted((score for _, score in ranked), reverse=True)


def textbook(documents, document, query):
    average = sum(map(len, documents.values())) / len(documents)
    total = 0.0
    for word in set(query.split()):
        found = sum(word in other for other in documents.values())
        times = document.count(word)
        weight = math.log(1 + (len(documents) - found + 0.5) / (found + 0.5))
        total += weight * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * len(document) / average))
    return total


def test_threads_may_read_while_others_write(store):
    stop, errors = threading.Event(), []

    def read():
        try:
            while not stop.is_set():
                for row in store.rows(ANY, vectors=True, timeout_s=1):
                    assert set(row.vector.tolist()) == {float(row.order.version)}
                store.search(np.ones((1, DIM), dtype=np.float32), ANY, limit=5, timeout_s=1)
                store.lexical("shoe", ANY, limit=5, timeout_s=1)
        except BaseException as error:
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    rng = random.Random(0)
    for _ in range(400):
        write = upsert(f"p{rng.randrange(9)}", version := rng.randint(1, 4), vector=np.full(DIM, version), title="shoe")
        put(store, write)
        store.delete([f"p{rng.randrange(9)}@{rng.randint(1, 4)}.a#0"], timeout_s=1)
    stop.set()
    for reader in readers:
        reader.join()
    assert errors == []
