"""Recall is what an exact scan says it is, whatever the engine leaves out; ties are no losses."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.index.faults import Wrapped

from fourtower_encoders.joint import QueryParams
from fourtower_search.index.generations import GenerationPlan
from fourtower_search.index.memory import MemoryRows
from fourtower_search.index.opening import create_index
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.index.rows import Order, ProductWrite, Row
from fourtower_search.schema import CatalogSchema
from fourtower_workers.reindexing.pairing import Sample
from fourtower_workers.reindexing.recall import Best, measure_recall

DIM = 8


class Lossy(Wrapped):
    """An engine that finds only some of what it should: every so-manieth hit, and worse ones instead."""

    def __init__(self, store, every):
        super().__init__(store)
        self.every = every

    def search(self, vectors, where, *, limit, **how):
        found = self.inner.search(vectors, where, limit=limit * self.every, **how)
        return [hits[:: self.every] for hits in found]


def write(product_id, *vectors):
    order = Order(1, False, "d")
    rows = [Row(product_id, order, view, len(vectors), vector=vector) for view, vector in enumerate(vectors)]
    return ProductWrite(product_id, order, tuple(rows))


def drawn(count, *, dim=DIM, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def index_of(vectors, wrap=lambda store: store):
    index = ProductIndex(wrap(MemoryRows(CatalogSchema(), vectors.shape[1])), params=QueryParams(), model_id="m")
    index.apply([write(f"p{number:05}", vector) for number, vector in enumerate(vectors)])
    return index


def keys(index, count):
    return [product.rows[0].key for product, _ in zip(index.iterate(), range(count), strict=False)]


@pytest.mark.parametrize(("every", "share"), [(1, 1.0), (2, 0.5), (5, 0.2)])
def test_the_share_of_right_hits_is_measured(every, share):
    with index_of(drawn(1200), lambda store: Lossy(store, every)) as index:
        scanned = []
        found = measure_recall(index, keys(index, 60), advance=scanned.append)
        assert found.mean == pytest.approx(share)
        assert (found.queries, found.rows, sum(scanned)) == (60, 1200, 1200)


def test_rows_with_equal_vectors_can_stand_for_each_other():
    with index_of(drawn(4).repeat(50, axis=0)) as index:
        assert measure_recall(index, keys(index, 10)).mean == 1.0


def test_fewer_rows_than_hits_are_enough():
    with index_of(drawn(3)) as index:
        assert measure_recall(index, keys(index, 3)).mean == 1.0
    with index_of(drawn(2), lambda store: Lossy(store, 2)) as index:
        assert measure_recall(index, keys(index, 2)).mean == 0.5


def test_every_view_and_no_deleted_product_counts():
    with index_of(drawn(30)) as index:
        index.apply([write("several", *drawn(3, seed=1))])
        gone = replace(write("p00000"), order=Order(2, True, "d"), rows=(Row("p00000", Order(2, True, "d"), 0, 1),))
        index.apply([gone])
        assert measure_recall(index, keys(index, 5)).rows == 29 + 3


def test_an_empty_index_misses_nothing():
    with index_of(drawn(1)) as index:
        assert measure_recall(index, []).mean == 1.0
        assert measure_recall(index, ["gone@1.d#0"]).queries == 0


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 80), cuts=st.lists(st.integers(0, 80), max_size=4), depth=st.integers(1, 12), seed=st.integers()
)
def test_scanning_in_blocks_finds_the_same_as_scanning_at_once(rows, cuts, depth, seed):
    vectors, queries = drawn(rows, seed=abs(seed)), drawn(5, seed=abs(seed) + 1)
    best = Best(queries, depth)
    edges = [0, *sorted(min(cut, rows) for cut in cuts), rows]
    for start, end in pairwise(edges):
        best.take(vectors[start:end])
    ranked = -np.sort(-(queries @ vectors.T), axis=1)
    np.testing.assert_allclose(best.bar(), ranked[:, min(depth, rows) - 1], atol=1e-4)
    assert (best.rows, best.count) == (rows, min(depth, rows))


def test_a_sample_is_fair_repeatable_and_no_larger_than_asked():
    def draw(count, size, seed):
        sample = Sample(size, seed)
        for number in range(count):
            sample.offer(str(number))
        return sample.items

    assert draw(5, 10, 0) == list("01234")
    assert draw(1000, 20, 3) == draw(1000, 20, 3) != draw(1000, 20, 4)
    counts = Counter(item for seed in range(3000) for item in draw(20, 5, seed))
    assert len(counts) == 20
    assert all(600 < count < 900 for count in counts.values()), "750 each are expected"


def test_a_poor_index_of_a_real_engine_is_told_from_a_good_one(tmp_path):
    vectors = drawn(600, dim=16)
    shares = {}
    for name, layout in {
        "poor": {"type": "IVF_FLAT", "params": {"nlist": 32}, "search": {"nprobe": 1}},
        "good": {"type": "HNSW"},
    }.items():
        plan = GenerationPlan(model="m", model_id="m", dim=16, index=layout)
        with create_index(str(tmp_path / f"{name}.db"), plan) as index:
            index.apply([write(f"p{number:05}", vector) for number, vector in enumerate(vectors)], timeout_s=60)
            index.store.flush(timeout_s=60)
            shares[name] = measure_recall(index, keys(index, 100)).mean
    assert shares["poor"] < 0.7
    assert shares["good"] > 0.95
