"""Collections are created whole, found again, verified, and never altered; scores mean the same by any metric."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest
from tests.search.index.conftest import drop, new_name

from fourtower_search.errors import IndexMismatch, IndexUnavailable, InvalidQuery, Unsupported
from fourtower_search.index.conditions import Compare, Every
from fourtower_search.index.deadline import Deadline
from fourtower_search.index.milvus import collections
from fourtower_search.index.milvus.address import parse_address
from fourtower_search.index.milvus.collections import create_collection, exists
from fourtower_search.index.milvus.connection import Connection, Field
from fourtower_search.index.milvus.layout import VECTOR, Shape, fields_of, first_difference
from fourtower_search.index.milvus.rows import MilvusRows
from fourtower_search.index.rows import Order, Row
from fourtower_search.index.settings import IndexSettings
from fourtower_search.index.store import PAGE
from fourtower_search.index.vector_indexes import LITE
from fourtower_search.schema import Attribute, CatalogSchema

SCHEMA = CatalogSchema(attributes={"brand": Attribute(type="string"), "price": Attribute(type="float")})
SHAPE = Shape(SCHEMA, 8, IndexSettings())
WIDE = 16
ALL = Every(())
MILVUS = ["lite_file", "lite_server", "milvus"]
SERVER = ["FLAT", "AUTOINDEX", "HNSW", "IVF_FLAT", "IVF_SQ8", "IVF_PQ", "SCANN", "DISKANN"]


@pytest.fixture
def connection(address):
    with closing(Connection(parse_address(address), timeout_s=30)) as connection:
        yield connection


@pytest.fixture
def name(connection):
    name = new_name()
    yield name
    drop(connection, name)


@pytest.mark.parametrize("engine", MILVUS)
def test_a_collection_is_opened_as_it_was_created_and_refused_otherwise(connection, name):
    MilvusRows.create(connection, name, SHAPE, timeout_s=60)
    store = MilvusRows.create(connection, name, SHAPE, timeout_s=60)
    rows = [Row("p1", Order(1, False, "d"), 0, 1, vector=np.ones(8, np.float32), attributes={"price": 1.5})]
    store.upsert(rows, timeout_s=20)
    again = MilvusRows.open(connection, name, SHAPE, timeout_s=60)
    assert again.count(ALL, consistency="strong", timeout_s=20) == 1

    number = CatalogSchema(attributes={"brand": Attribute(type="int"), "price": Attribute(type="float")})
    longer = CatalogSchema(
        attributes={"brand": Attribute(type="string", max_length=99), "price": Attribute(type="float")}
    )
    more = CatalogSchema(attributes={**SCHEMA.attributes, "tags": Attribute(type="strings")})
    fewer = CatalogSchema(attributes={"brand": Attribute(type="string")})
    for shape, difference in (
        (Shape(SCHEMA, 16, IndexSettings()), "column vector has dimension 8, not 16"),
        (Shape(number, 8, IndexSettings()), "column a_brand has type VARCHAR, not INT64"),
        (Shape(longer, 8, IndexSettings()), "column a_brand has length 512, not 99"),
        (Shape(more, 8, IndexSettings()), "it has no column a_tags"),
        (Shape(fewer, 8, IndexSettings()), "it has a column a_price that is not ours"),
        (Shape(SCHEMA, 8, IndexSettings(vectors="float16")), "column vector has type FLOAT_VECTOR, not FLOAT16_VECTOR"),
    ):
        with pytest.raises(IndexMismatch, match=f"{difference}; build a new generation"):
            MilvusRows.open(connection, name, shape, timeout_s=60)
    with pytest.raises(IndexMismatch, match="dimension 8, not 16"):
        MilvusRows.create(connection, name, Shape(SCHEMA, 16, IndexSettings()), timeout_s=60)
    assert again.count(ALL, consistency="strong", timeout_s=20) == 1


@pytest.mark.parametrize("engine", ["lite_file", "milvus"])
def test_an_interrupted_creation_is_finished_by_the_next_one(connection, name):
    deadline = Deadline(60)
    connection.create_collection(name, fields_of(SHAPE, lexical=connection.features.lexical), deadline, shards=1)
    with pytest.raises(IndexMismatch, match="have no index, not the metric IP; create the index again"):
        MilvusRows.open(connection, name, SHAPE, timeout_s=60)
    assert MilvusRows.create(connection, name, SHAPE, timeout_s=60).count(ALL, timeout_s=20) == 0


@pytest.mark.parametrize("engine", ["lite_file", "milvus"])
def test_another_metric_is_refused(connection, name):
    deadline = Deadline(60)
    connection.create_collection(name, fields_of(SHAPE, lexical=False), deadline, shards=1)
    connection.create_index(name, VECTOR, {"index_type": "FLAT", "metric_type": "L2", "params": {}}, deadline)
    with pytest.raises(IndexMismatch, match="the metric L2, not the metric IP"):
        MilvusRows.open(connection, name, SHAPE, timeout_s=60)


def halves(number: int) -> np.ndarray:
    pair = np.random.default_rng(number).normal(size=(2, WIDE // 2))
    return (pair / np.linalg.norm(pair, axis=1, keepdims=True)).reshape(-1).astype(np.float32)


@pytest.mark.parametrize("engine", ["lite_file", "milvus"])
@pytest.mark.parametrize("metric", ["COSINE", "L2"])
def test_scores_are_inner_products_whatever_metric_the_engine_looks_by(connection, name, metric):
    shape = Shape(CatalogSchema(), WIDE, IndexSettings(type="FLAT", metric=metric))
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
        MilvusRows.open(connection, name, Shape(CatalogSchema(), WIDE, IndexSettings(type="FLAT")), timeout_s=60)


@pytest.mark.parametrize("engine", ["lite_file", "milvus"])
def test_a_collection_without_full_text_columns_serves_everything_else(connection, name):
    deadline = Deadline(60)
    connection.create_collection(name, fields_of(SHAPE, lexical=False), deadline, shards=1)
    create_collection(connection, name, SHAPE, deadline)
    store = MilvusRows.open(connection, name, SHAPE, timeout_s=60)
    assert not store.capabilities.lexical
    store.upsert([Row("p1", Order(1, False, "d"), 0, 1, vector=np.ones(8, np.float32))], timeout_s=20)
    assert store.count(ALL, consistency="strong", timeout_s=20) == 1
    with pytest.raises(Unsupported, match=r"no full-text search .* from 2\.5 on"):
        store.lexical("shoe", ALL, limit=5, timeout_s=20)


@pytest.mark.parametrize("engine", ["lite_file", "milvus"])
def test_what_the_engine_lacks_or_nobody_made_is_said(connection):
    with pytest.raises(Unsupported, match="use float32"):
        MilvusRows.create(connection, new_name(), Shape(SCHEMA, 8, IndexSettings(vectors="bfloat16")), timeout_s=60)
    with pytest.raises(IndexMismatch, match="could not describe the collection nobody_made_this"):
        MilvusRows.open(connection, "nobody_made_this", SHAPE, timeout_s=60)
    assert not exists(connection, "nobody_made_this", Deadline(20))


@pytest.mark.parametrize(
    ("engine", "kind", "params"),
    [
        *(("lite_file", kind, {}) for kind in LITE),
        *(("milvus", kind, {"m": 4} if kind == "IVF_PQ" else {}) for kind in SERVER),
    ],
)
def test_every_type_can_be_had_by_its_name_and_finds_what_it_should(connection, name, kind, params):
    settings = IndexSettings(type=kind, params=params)
    store = MilvusRows.create(connection, name, Shape(CatalogSchema(), WIDE, settings), timeout_s=60)
    rows = [Row(f"p{number}", Order(1, False, "d"), 0, 1, vector=halves(number)) for number in range(100)]
    store.upsert(rows, timeout_s=20)
    store.flush(timeout_s=20)
    found = store.search(rows[7].vector[None], ALL, limit=1, consistency="strong", timeout_s=20)
    assert found[0][0].product_id == "p7"


@pytest.mark.parametrize(
    ("engine", "settings", "error", "message"),
    [
        ("milvus", {"type": "IVF_PQ"}, InvalidQuery, "IVF_PQ needs m, .* from 1 to 16 by which 16 can be divided;"),
        ("milvus", {"type": "IVF_PQ", "params": {"m": 5}}, InvalidQuery, "can't use m 5, which must be"),
        ("milvus", {"type": "IVF_FLAT", "params": {"nlist": 65_537}}, InvalidQuery, "nlist 65537, .* 1 to 65,536;"),
        ("milvus", {"params": {"M": 4_000}}, InvalidQuery, "HNSW can't use M 4000"),
        ("milvus", {"search": {"ef": "deep"}}, InvalidQuery, "can't use ef 'deep'"),
        ("milvus", {"type": "GPU_IVF_FLAT"}, InvalidQuery, "nlist out of range"),
        ("milvus", {"type": "NONSENSE"}, InvalidQuery, "invalid index type: NONSENSE"),
        ("milvus", {"type": "BIN_FLAT"}, InvalidQuery, "could not index the column vector"),
        ("lite_file", {"type": "IVF_PQ", "params": {"m": 4}}, Unsupported, "no index type IVF_PQ; use FLAT, HNSW,"),
        ("lite_file", {"type": "IVF_SQ8", "search": {"nprobe": 0}}, InvalidQuery, "can't use nprobe 0"),
    ],
)
def test_an_index_that_cannot_be_made_is_refused_and_leaves_nothing(connection, name, settings, error, message):
    shape = Shape(CatalogSchema(), WIDE, IndexSettings(**settings))
    with pytest.raises(error, match=message) as caught:
        MilvusRows.create(connection, name, shape, timeout_s=60)
    assert "try again" not in str(caught.value)
    assert not exists(connection, name, Deadline(20))


@pytest.mark.parametrize("engine", MILVUS)
def test_an_index_is_built_with_its_parameters(connection, name):
    settings = IndexSettings(type="IVF_FLAT", params={"nlist": 5})
    create_collection(connection, name, Shape(CatalogSchema(), WIDE, settings), Deadline(60))
    told = connection.call("describe_index", "look", Deadline(20), collection_name=name, index_name=VECTOR)
    assert int((told.get("params") or told)["nlist"]) == 5


@pytest.mark.parametrize("engine", ["lite_server", "milvus"])
def test_what_somebody_else_makes_meanwhile_is_taken_up(connection, name, monkeypatch):
    answers = {"exists": [False], "_indexed": [set()]}

    def outrun(method):
        original = getattr(collections, method)
        monkeypatch.setattr(
            collections, method, lambda *args: answers[method].pop() if answers[method] else original(*args)
        )

    create_collection(connection, name, SHAPE, Deadline(60))
    outrun("exists")
    outrun("_indexed")
    create_collection(connection, name, SHAPE, Deadline(60))
    assert answers == {"exists": [], "_indexed": []}, "it was told that nothing is there"
    assert MilvusRows.open(connection, name, SHAPE, timeout_s=60).count(ALL, timeout_s=20) == 0


@pytest.mark.parametrize("engine", ["lite_file"])
@pytest.mark.parametrize(
    "settings", [{"type": "FLAT"}, {"type": "AUTOINDEX"}, {"type": "HNSW", "scalar_indexes": False}]
)
def test_other_indexes_are_passed_through(connection, name, settings):
    store = MilvusRows.create(connection, name, Shape(SCHEMA, 8, IndexSettings(**settings)), timeout_s=60)
    store.upsert([Row("p1", Order(1, False, "d"), 0, 1, vector=np.ones(8, np.float32))], timeout_s=20)
    store.flush(timeout_s=20)
    assert store.search(np.ones((1, 8), np.float32), ALL, limit=3, timeout_s=20)[0][0].score == pytest.approx(8.0)


@pytest.mark.parametrize("engine", ["lite_file"])
def test_queries_of_the_wrong_size_are_refused(connection, name):
    store = MilvusRows.create(connection, name, SHAPE, timeout_s=60)
    with pytest.raises(InvalidQuery, match="8 numbers each"):
        store.search(np.ones((1, 9), np.float32), ALL, limit=3, timeout_s=20)
    for limit in (0, PAGE + 1):
        with pytest.raises(InvalidQuery, match="At most 16,384 rows"):
            store.search(np.ones((1, 8), np.float32), ALL, limit=limit, timeout_s=20)
        with pytest.raises(InvalidQuery, match="At most 16,384 rows"):
            store.keys(ALL, limit=limit, consistency="bounded", timeout_s=20)


@pytest.mark.parametrize("engine", ["lite_file"])
def test_a_file_belongs_to_one_process_until_it_is_closed(address, tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(IndexUnavailable, match=r"index\.db is open in another process"):
            Connection(parse_address(address), timeout_s=5)
        holder.communicate("close\n")
    first, second = (Connection(parse_address(address), timeout_s=20) for _ in range(2))
    first.close()
    assert not exists(second, "anything", Deadline(20))
    second.close()
    # Closed for good: another process may have it now.
    assert subprocess.run([sys.executable, "-c", HOLD, address], input="close\n", text=True, check=True).returncode == 0


HOLD = """
import sys
from fourtower_search.index.milvus.address import parse_address
from fourtower_search.index.milvus.connection import Connection
connection = Connection(parse_address(sys.argv[1]), timeout_s=20)
print("open", flush=True)
sys.stdin.readline()
connection.close()
"""


def test_the_first_difference_is_named():
    wanted = {"a": Field("VARCHAR", length=5, primary=True), "b": Field("ARRAY", length=5, items=3)}
    assert first_difference(wanted, wanted) == ""
    assert first_difference(wanted, {**wanted, "b": Field("ARRAY", length=0, items=3)}) == ""
    assert (
        first_difference(wanted, {**wanted, "b": Field("ARRAY", length=5, items=4)})
        == "its column b has capacity 4, not 3"
    )
    assert first_difference(wanted, {"b": wanted["b"]}) == "it has no column a"
    assert (
        first_difference(wanted, {**wanted, "a": Field("VARCHAR", length=5)})
        == "its column a has being the key False, not True"
    )
