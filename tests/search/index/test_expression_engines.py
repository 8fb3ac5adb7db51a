"""Every engine chooses, of hostile products and by random filters, what the filters mean."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymilvus import MilvusClient
from tests.search.filters.catalog import DIM, SCHEMA, STRINGS, Product, products, row_of
from tests.search.filters.reference import matches
from tests.search.filters.strategies import fitting

from fourtower_search.filters import F, Filter, bind
from fourtower_search.filters.tree import MAX_DEPTH, MAX_LEAVES
from fourtower_search.index.columns import to_columns
from fourtower_search.index.conditions import Compare, Condition, Every, Negated, OneOf, Some, holds
from fourtower_search.index.deadline import Deadline
from fourtower_search.index.expression import expression
from fourtower_search.index.milvus.address import parse_address
from fourtower_search.index.milvus.connection import Connection
from fourtower_search.index.milvus.layout import Shape
from fourtower_search.index.milvus.rows import MilvusRows
from fourtower_search.index.settings import IndexSettings
from fourtower_search.schema import LOWEST_INT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ENOUGH_TO_INDEX = 1_300
"""A server indexes no segment of fewer than 1,024 rows."""


class Engine:
    """A collection filled with products."""

    def __init__(self, client: MilvusClient, collection: str, given: list[Product], *, understands_codes: bool) -> None:
        self.client, self.collection, self.products = client, collection, given
        self.columns = [to_columns(row_of(product), SCHEMA) for product in given]
        self.understands_codes = understands_codes

    def chosen(self, condition: Condition, *, ascii_only: bool = False, level: str = "Bounded") -> set[str]:
        """The ids of the products for which the engine finds a condition true."""
        found = self.client.query(
            self.collection,
            filter=expression(condition, ascii_only=ascii_only),
            output_fields=["product_id"],
            consistency_level=level,
            timeout=20,
        )
        return {row["product_id"] for row in found}

    def holding(self, condition: Condition) -> set[str]:
        """The same, found without the engine."""
        return {columns["product_id"] for columns in self.columns if holds(condition, columns)}

    def meant(self, where: Filter) -> set[str]:
        """The same, from the products as the shop has them."""
        return {product["product_id"] for product in self.products if matches(where, product)}


@pytest.fixture(scope="module", params=["lite", "lite-flushed", "server", "server-indexed"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Each engine, with rows fresh from a write, and with rows in files and under indexes."""
    kind, _, settled = request.param.partition("-")
    folder: Path = tmp_path_factory.mktemp("engine")
    place = str(folder / "products.db") if kind == "lite" else request.getfixturevalue("milvus_server")
    address, name = parse_address(place), f"filters_{uuid.uuid4().hex}"
    connection = Connection(address, timeout_s=30)
    given_products = products(ENOUGH_TO_INDEX if settled and kind == "server" else 300, seed=7)
    store = MilvusRows.create(connection, name, Shape(SCHEMA, DIM, IndexSettings()), timeout_s=60)
    store.upsert([row_of(product) for product in given_products], timeout_s=60)
    client = MilvusClient(uri=address.uri, timeout=30)
    if settled:
        settle(client, name, connection, wait_for_indexes=kind == "server")
    engine = Engine(client, name, given_products, understands_codes=kind == "server")
    assert len(engine.chosen(Every(()), level="Strong")) == len(given_products)
    yield engine
    client.drop_collection(name)
    client.close()
    store.close()


def settle(client: MilvusClient, name: str, connection: Connection, *, wait_for_indexes: bool) -> None:
    """Write all rows out, wait for their indexes, and load both."""
    client.flush(name, timeout=60)
    deadline = time.monotonic() + 120
    while wait_for_indexes and unindexed(client, name):
        assert time.monotonic() < deadline, "the server never finished its indexes"
        time.sleep(0.2)
    client.release_collection(name)
    connection.load(name, Deadline(60))


def unindexed(client: MilvusClient, name: str) -> int:
    """Rows that an index lacks, over all indexes."""
    states = (client.describe_index(name, index) for index in client.list_indexes(name))
    return sum(state["pending_index_rows"] for state in states)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(where=fitting, ascii_only=st.booleans())
def test_engines_choose_what_a_filter_means(engine, where, ascii_only):
    condition = bind(where, SCHEMA)
    expected = engine.meant(where)
    assert engine.holding(condition) == expected
    assert engine.chosen(condition, ascii_only=ascii_only and engine.understands_codes) == expected


def test_every_string_is_found_as_it_is(engine):
    for text in STRINGS:
        for where in (F.brand == text, F.brand < text, F.group_id.isin([text, "-"]), F.tags.contains(text)):
            condition = bind(where, SCHEMA)
            assert engine.chosen(condition) == engine.meant(where), where
            if engine.understands_codes:
                assert engine.chosen(condition, ascii_only=True) == engine.meant(where), where


def test_conditions_that_no_filter_makes(engine):
    lowest = [Compare("a_stock", sign, LOWEST_INT) for sign in ("==", "!=", "<", "<=", ">", ">=")]
    others = [
        OneOf("a_stock", (LOWEST_INT, 0, 1)),
        OneOf("a_stock", (LOWEST_INT,)),
        OneOf("a_in_stock", (-1, 1)),
        Compare("deleted", "==", False),
        Compare("deleted", "!=", False),
        OneOf("deleted", (True,)),
        Every(()),
        Some(()),
        Negated(Some(())),
        Every((Some(()), Compare("view", "==", 0))),
    ]
    for condition in [*lowest, *others]:
        assert engine.chosen(condition) == engine.holding(condition), condition


def test_the_biggest_filters_are_answered(engine):
    deep = F.stock >= 0
    for level in range(MAX_DEPTH):
        deep = deep & (F.rank != level) if level % 2 else deep | (F.price < level)
    wide = F.stock == 0
    for number in range(1, MAX_LEAVES):
        wide = wide | (F.stock == number)
    ids = F.product_id.isin(
        [product["product_id"] for product in engine.products[:100]] + [str(n) for n in range(9000)]
    )
    for where in (deep, wide, ids, ~F.rank.isin(range(1000))):
        assert engine.chosen(bind(where, SCHEMA)) == engine.meant(where)
