"""Whatever metric an engine looks by, what comes back is scored as inner products."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest
from tests.search.index.conftest import drop, new_name

from fourtower_search.errors import IndexMismatch
from fourtower_search.index.conditions import Compare
from fourtower_search.index.milvus.address import parse_address
from fourtower_search.index.milvus.connection import Connection
from fourtower_search.index.milvus.layout import Shape
from fourtower_search.index.milvus.rows import MilvusRows
from fourtower_search.index.rows import Order, Row
from fourtower_search.index.settings import IndexSettings
from fourtower_search.schema import CatalogSchema

DIM = 16


def halves(number: int) -> np.ndarray:
    pair = np.random.default_rng(number).normal(size=(2, DIM // 2))
    return (pair / np.linalg.norm(pair, axis=1, keepdims=True)).reshape(-1).astype(np.float32)


@pytest.fixture
def connection(address):
    with closing(Connection(parse_address(address), timeout_s=30)) as connection:
        yield connection


@pytest.fixture
def name(connection):
    name = new_name()
    yield name
    drop(connection, name)


@pytest.mark.parametrize("engine", ["lite_file", "milvus"])
@pytest.mark.parametrize("metric", ["COSINE", "L2"])
def test_scores_are_inner_products(connection, name, metric):
    shape = Shape(CatalogSchema(), DIM, IndexSettings(type="FLAT", metric=metric))
    store = MilvusRows.create(connection, name, shape, timeout_s=60)
    rows = [Row(f"p{number}", Order(1, False, "d"), 0, 1, vector=halves(number)) for number in range(20)]
    store.upsert([*rows, Row("gone", Order(1, True, "d"), 0, 1)], timeout_s=20)
    queries = np.stack([3 * halves(100), 0.5 * halves(101)])
    live = Compare("deleted", "==", False)
    answers = store.search(queries, live, limit=5, consistency="strong", timeout_s=20)
    assert not store.capabilities.exact_scores
    for query, hits in zip(queries, answers, strict=True):
        products = {row.product_id: float(row.vector @ query) for row in rows}
        assert [hit.product_id for hit in hits] == sorted(products, key=products.get, reverse=True)[:5]
        assert [hit.score for hit in hits] == pytest.approx([products[hit.product_id] for hit in hits], abs=1e-4)
    with pytest.raises(IndexMismatch, match=f"have the metric {metric}, not the metric IP"):
        MilvusRows.open(connection, name, Shape(CatalogSchema(), DIM, IndexSettings(type="FLAT")), timeout_s=60)
