"""Reads through the index on every engine: nothing is cut off, whatever ids hold, and versions are told apart."""

from __future__ import annotations

import numpy as np
from tests.search.index.builders import SCHEMA, delete, open_index, stored_keys, upsert
from tests.search.index.oracle import DIM

from fourtower_search.index import product_index
from fourtower_search.index.conditions import Compare

IDS = [f"p{number}" for number in range(40)] + [
    "a@b",
    "a#0",
    'say "so"',
    "back\\slash",
    "naïve 👟",
    "\uffee",
    "new\nline",
    "p@1.a#0",
    "a'b",
]
ONE = np.ones((1, DIM), dtype=np.float32)


def applied(index, writes):
    assert {outcome.status for outcome in index.apply(writes, timeout_s=60)} == {"applied"}


def test_live_products_are_iterated_and_counted_whatever_their_ids(new_store, monkeypatch):
    with open_index(new_store(SCHEMA, DIM), timeout_s=60) as index:
        applied(index, [upsert(key, 1, views=2, attributes={"price": len(key)}) for key in IDS])
        applied(index, [upsert(key, 2, attributes={"price": len(key)}) for key in IDS[::2]])
        applied(index, [delete(f"gone{number}", 1) for number in range(9)])
        assert set(index.get(IDS, consistency="strong")) == set(IDS)
        monkeypatch.setattr(product_index, "PAGE", 16)
        assert [product.product_id for product in index.iterate(batch=5)] == sorted(IDS)
        short = [product.product_id for product in index.iterate(Compare("a_price", "<=", 2))]
        assert short == sorted(key for key in IDS if len(key) <= 2)
        stored = dict(index.iterate_stored())
        assert len(stored) == len(IDS) + 9
        stats = index.stats()
        rows = sum(len(product.rows) for product in stored.values())
        assert (stats.rows, stats.products, stats.tombstones) == (rows, len(IDS), 9)


def test_vectors_come_back_bit_for_bit(new_store):
    with open_index(new_store(SCHEMA, DIM), timeout_s=60) as index:
        vectors = np.random.default_rng(0).standard_normal((20, DIM)).astype(np.float32)
        writes = [upsert(f"p{number}", vector=vector) for number, vector in enumerate(vectors)]
        applied(index, [*writes, delete("q", 1)])
        index.get(["q"], consistency="strong")  # from here on bounded reads see it all
        found = index.vectors([*(write.rows[0].key for write in writes), "q@1.d#0", "nothing"])
        assert {key: vector.tobytes() for key, vector in found.items()} == {
            write.rows[0].key: write.rows[0].vector.tobytes() for write in writes
        }


def test_verified_hits_leave_out_rows_that_came_back(new_store):
    store = new_store(SCHEMA, DIM)
    with open_index(store, timeout_s=60) as index:
        applied(index, [upsert("p", 2), delete("q", 2), upsert("r", 1, vector=np.full(DIM, 0.5))])
        # As if the engine had lost the removal of these.
        store.upsert([*upsert("p", 1).rows, *upsert("q", 1).rows], timeout_s=30)
        assert len(stored_keys(store, "p", "q")) == 4
        [hits] = index.search(ONE, limit=2, freshness="verified")
        assert [(hit.row.product_id, hit.row.order.version) for hit in hits] == [("p", 2), ("r", 1)]
        assert [hit.row.product_id for hit in index.search(ONE, limit=9)[0]].count("q") == 1


def test_a_tombstone_alone_is_forgotten(new_store):
    store = new_store(SCHEMA, DIM)
    with open_index(store, timeout_s=60) as index:
        applied(index, [delete("p", 3), upsert("q", 1)])
        orders = {"p": delete("p", 3).order, "q": delete("q", 3).order}
        assert index.purge_tombstones(orders, timeout_s=30) == ["p"]
        assert stored_keys(store, "p", "q") == {"q@1.a#0"}
