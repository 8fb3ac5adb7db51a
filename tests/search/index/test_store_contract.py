"""What every store does, in memory, in Milvus Lite's file and server, and on a real Milvus server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from fourtower_search.errors import IndexMismatch, InvalidCatalog
from fourtower_search.index.conditions import Compare, Every, Holds, Negated, OneOf, Some
from fourtower_search.index.rows import Order, Row, tombstone
from fourtower_search.schema import Attribute, CatalogSchema

DIM = 16
SECONDS = 20.0
LIVE = Compare("deleted", "==", False)
ALL = Every(())
SCHEMA = CatalogSchema(
    attributes={
        "price": Attribute(type="float"),
        "stock": Attribute(type="int"),
        "brand": Attribute(type="string", searchable=True),
        "tags": Attribute(type="strings"),
        "sale": Attribute(type="bool"),
        "since": Attribute(type="time"),
    }
)
HOSTILE = (
    "plain",
    'quo"te',
    "apo'strophe",
    "back\\slash",
    '\\"',
    "at@9.dead#beef",
    "#",
    "emoji 🦶👟",
    "new\nline\ttab\r",
    "% _ * ?",
    '"] or key != "',
    "zero\u200bwidth \u2028 e\u0301 é",
    "{tmpl}",
    "日本語",
    " ",
    "\\u0041",
    "$meta",
)


def vectors_of(count, seed=0):
    values = np.random.default_rng(seed).normal(size=(count, DIM))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def a_row(product_id, vector, *, version=1, view=0, **fields):
    return Row(product_id, Order(version, False, "d1"), view, fields.pop("row_count", 1), vector=vector, **fields)


def some_rows(count, seed=0):
    return [
        a_row(
            f"p{number}",
            vector,
            attributes={"price": number / 4, "stock": number, "sale": number % 2 == 0},
            title=f"shoe {number}",
        )
        for number, vector in enumerate(vectors_of(count, seed))
    ]


def same(left, right):
    """Equal rows, vectors compared bit by bit."""
    return (
        replace(left, vector=None, payload={}) == replace(right, vector=None, payload={})
        and dict(left.payload) == dict(right.payload)
        and (left.vector is right.vector is None or left.vector.tobytes() == right.vector.tobytes())
    )


def read_all(store, where=ALL):
    return {row.key: row for row in store.rows(where, vectors=True, consistency="strong", timeout_s=SECONDS)}


def test_what_is_written_is_read_back_bit_by_bit(new_store):
    store = new_store(SCHEMA, DIM)
    odd = np.array([1e-42, -0.0, 3.4e38, -1e-7, 1 / 3, *[0.1] * (DIM - 5)], dtype=np.float32)
    full = Row(
        "p1",
        Order(2**63 - 1, False, "e" * 64),
        view=3,
        row_count=4,
        image_hash="i" * 64,
        text_hash="t" * 64,
        imputed="image",
        image_missing=True,
        vector=odd,
        attributes={
            "price": -1e-300,
            "stock": -(2**63) + 1,
            "brand": "Ünïcode",
            "tags": ("a", 'b"', "c'\\"),
            "sale": False,
            "since": 1_700_000_000_123,
        },
        group_id="g",
        source="catalog.updates",
        title="T",
        payload={"description": "x\u0000y" * 10, "images": [{"url": "http://x/1"}], "n": [1, 2.5, None, True]},
    )
    bare = a_row("p2", vectors_of(1)[0])
    gone = tombstone("p3", Order(7, True, "f")).rows[0]
    store.upsert([full, bare, gone], timeout_s=SECONDS)

    stored = read_all(store)
    assert set(stored) == {full.key, bare.key, gone.key}
    assert same(stored[full.key], full)
    assert same(stored[bare.key], bare)
    assert same(stored[gone.key], gone)
    states = {state.key: state for state in store.states(["p1", "p2", "p3"], consistency="strong", timeout_s=SECONDS)}
    assert states[full.key].order == full.order
    assert (states[full.key].view, states[full.key].row_count, states[full.key].imputed) == (3, 4, "image")
    assert states[gone.key].order.deleted


def test_a_write_replaces_and_a_delete_removes_and_strong_reads_see_it_at_once(new_store):
    store = new_store(SCHEMA, DIM)
    rows = some_rows(6)
    store.upsert(rows, timeout_s=SECONDS)
    changed = replace(rows[2], title="changed", vector=vectors_of(1, seed=9)[0], attributes={"brand": "new"})
    store.upsert([replace(changed, title="overtaken"), changed], timeout_s=SECONDS)
    assert same(read_all(store)[changed.key], changed)
    assert store.count(ALL, consistency="strong", timeout_s=SECONDS) == 6

    store.delete([rows[0].key, rows[1].key, "no such key"], timeout_s=SECONDS)
    left = store.states([row.product_id for row in rows], consistency="strong", timeout_s=SECONDS)
    assert {state.key for state in left} == {row.key for row in rows[2:]}
    assert store.count(ALL, consistency="strong", timeout_s=SECONDS) == 4
    store.upsert([], timeout_s=SECONDS)
    store.delete([], timeout_s=SECONDS)
    assert store.states([], consistency="strong", timeout_s=SECONDS) == []


def test_hostile_strings_are_only_strings(new_store):
    store = new_store(SCHEMA, DIM)
    rows = [
        a_row(
            text,
            vector,
            title=text,
            group_id=text,
            attributes={"brand": text, "tags": (text, "x")},
            payload={text: text},
        )
        for text, vector in zip(HOSTILE, vectors_of(len(HOSTILE)), strict=True)
    ]
    store.upsert(rows, timeout_s=SECONDS)
    stored = read_all(store)
    # That strong read waited for the writes, so that later bounded ones, which are cheaper, see them too.
    for row in rows:
        assert same(stored[row.key], row)
        found = store.states([row.product_id], consistency="bounded", timeout_s=SECONDS)
        assert [state.key for state in found] == [row.key]
        for condition in (OneOf("key", (row.key,)), Compare("a_brand", "==", row.title)):
            assert store.keys(condition, consistency="bounded", timeout_s=SECONDS) == [row.key]
        assert store.keys(Holds("a_tags", (row.title,), "all"), consistency="bounded", timeout_s=SECONDS) == [row.key]
    store.delete([row.key for row in rows[::2]], timeout_s=SECONDS)
    assert set(read_all(store)) == {row.key for row in rows[1::2]}


def test_search_returns_the_highest_inner_products_in_order(new_store):
    store = new_store(SCHEMA, DIM)
    rows = some_rows(60)
    store.upsert([*rows, tombstone("gone", Order(1, True, "d")).rows[0]], timeout_s=SECONDS)
    matrix = np.stack([row.vector for row in rows])
    queries = vectors_of(7, seed=5) * 3
    assert store.capabilities.exact_scores

    found = store.search(queries, LIVE, limit=10, with_vectors=True, consistency="strong", timeout_s=SECONDS)
    assert len(found) == len(queries)
    for query, hits in zip(queries, found, strict=True):
        expected = matrix @ query
        assert [hit.row.product_id for hit in hits] == [f"p{number}" for number in np.argsort(-expected)[:10]]
        assert [hit.score for hit in hits] == pytest.approx(np.sort(expected)[::-1][:10], abs=1e-6)
        assert all(same(hit.row, rows[int(hit.row.product_id[1:])]) for hit in hits)
    bare = store.search(queries[:1], LIVE, limit=3, timeout_s=SECONDS)[0]
    assert [hit.row.vector for hit in bare] == [None] * 3


def test_search_looks_only_where_a_condition_holds(new_store):
    store = new_store(SCHEMA, DIM)
    rows = some_rows(40)
    store.upsert(rows, timeout_s=SECONDS)
    matrix = np.stack([row.vector for row in rows])
    query = vectors_of(1, seed=3)
    where = Every((LIVE, Some((Compare("a_price", "<", 2.0), Negated(Compare("a_stock", "<", 36))))))
    allowed = [*range(8), *range(36, 40)]
    expected = sorted(allowed, key=lambda number: -float(matrix[number] @ query[0]))

    hits = store.search(query, where, limit=30, consistency="strong", timeout_s=SECONDS)[0]
    assert [hit.row.product_id for hit in hits] == [f"p{number}" for number in expected]
    assert store.count(where, consistency="strong", timeout_s=SECONDS) == len(allowed)
    assert store.search(query, OneOf("product_id", ()), limit=5, timeout_s=SECONDS) == [[]]
    assert store.search(query[:0], LIVE, limit=5, timeout_s=SECONDS) == []
    assert len(store.rows(where, limit=5, vectors=False, timeout_s=SECONDS)) == 5
    assert len(store.keys(where, limit=5, consistency="bounded", timeout_s=SECONDS)) == 5


def test_states_are_whole_where_an_answer_fills_a_page(new_store):
    store = new_store(SCHEMA, DIM, page=8)
    vector = vectors_of(1)[0]
    rows = [
        a_row(f"p{number}", vector, version=version, view=view, row_count=2)
        for number in range(6)
        for version in (1, 2)
        for view in (0, 1)
    ]
    store.upsert(rows, timeout_s=SECONDS)
    ids = [f"p{number}" for number in range(6)]
    found = store.states([*ids, *ids, "unknown"], consistency="strong", timeout_s=SECONDS)
    assert sorted(state.key for state in found) == sorted(row.key for row in rows)


@pytest.mark.parametrize("engine", ["lite_file", "lite_server", "milvus"])
def test_a_product_with_a_page_of_rows_is_refused_rather_than_read_in_part(new_store):
    store = new_store(SCHEMA, DIM, page=4)
    vector = vectors_of(1)[0]
    store.upsert([a_row("p1", vector, view=view, row_count=4) for view in range(4)], timeout_s=SECONDS)
    with pytest.raises(IndexMismatch, match=r"'p1' has 4 rows or more"):
        store.states(["p1"], consistency="strong", timeout_s=SECONDS)


def test_a_batch_with_one_impossible_row_is_not_written_at_all(new_store):
    store = new_store(SCHEMA, DIM)
    good, other = some_rows(2)
    for bad, error in (
        (replace(other, vector=None), IndexMismatch),
        (replace(other, vector=np.ones(DIM + 1, dtype=np.float32)), IndexMismatch),
        (replace(other, vector=np.full(DIM, np.nan, dtype=np.float32)), IndexMismatch),
        (replace(other, payload={"description": "x" * 70_000}), InvalidCatalog),
    ):
        with pytest.raises(error, match=r"p1"):
            store.upsert([good, bad], timeout_s=SECONDS)
    assert store.count(ALL, consistency="strong", timeout_s=SECONDS) == 0


def test_threads_may_share_a_store(new_store):
    store = new_store(SCHEMA, DIM)
    rows = some_rows(160)

    def work(part):
        store.upsert(part, timeout_s=SECONDS)
        store.search(np.stack([part[0].vector]), LIVE, limit=5, timeout_s=SECONDS)
        store.delete([part[0].key], timeout_s=SECONDS)
        return len(store.states([row.product_id for row in part], consistency="strong", timeout_s=SECONDS))

    with ThreadPoolExecutor(8) as threads:
        counts = list(threads.map(work, [rows[start : start + 20] for start in range(0, 160, 20)]))
    assert counts == [19] * 8
    assert set(read_all(store)) == {row.key for number, row in enumerate(rows) if number % 20}


def test_a_store_can_be_closed_twice(new_store):
    store = new_store(SCHEMA, DIM)
    store.close()
    store.close()


@pytest.mark.parametrize("engine", ["memory", "lite_file", "lite_server"])
def test_lexical_search_finds_words_of_titles_and_searchable_attributes(new_store):
    store = new_store(SCHEMA, DIM)
    titles = ["red leather boot", "red boot", "blue boot", "a sandal", "red red red hat"]
    vectors = vectors_of(len(titles))
    rows = [
        a_row(f"p{number}", vectors[number], title=title, attributes={"brand": "Kestrel"} if number == 3 else {})
        for number, title in enumerate(titles)
    ]
    store.upsert(rows, timeout_s=SECONDS)
    store.flush(timeout_s=SECONDS)
    assert store.capabilities.lexical

    hits = store.lexical("leather boot", LIVE, limit=10, timeout_s=SECONDS)
    assert hits[0].row.product_id == "p0"
    assert {hit.row.product_id for hit in hits} == {"p0", "p1", "p2"}
    assert all(hit.score > 0 for hit in hits)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert [hit.row.product_id for hit in store.lexical("kestrel", LIVE, limit=5, timeout_s=SECONDS)] == ["p3"]
    only = Every((LIVE, Compare("product_id", "==", "p2")))
    assert [hit.row.product_id for hit in store.lexical("boot", only, limit=5, timeout_s=SECONDS)] == ["p2"]
    assert store.lexical("zeppelin", LIVE, limit=5, timeout_s=SECONDS) == []
    assert store.lexical("   ", LIVE, limit=5, timeout_s=SECONDS) == []
    best = store.lexical("leather", LIVE, limit=1, with_vectors=True, timeout_s=SECONDS)[0]
    assert same(best.row, rows[0])
