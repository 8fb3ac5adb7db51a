"""Stores on every engine, each test with a collection of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from fourtower_search.index.deadline import Deadline
from fourtower_search.index.memory import MemoryRows
from fourtower_search.index.milvus.address import parse_address
from fourtower_search.index.milvus.connection import Connection
from fourtower_search.index.milvus.layout import Shape
from fourtower_search.index.milvus.rows import MilvusRows
from fourtower_search.index.settings import IndexSettings
from fourtower_search.index.store import PAGE, RowStore
from fourtower_search.schema import CatalogSchema

ENGINES = ("memory", "lite_file", "lite_server", "milvus")
StoreMaker = Callable[..., RowStore]


def new_name() -> str:
    """A name that no other test has."""
    return f"t{uuid4().hex[:12]}"


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """One engine after the other; a test can choose with `@pytest.mark.parametrize("engine", ...)`."""
    return str(request.param)


@pytest.fixture
def address(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where that engine is."""
    match engine:
        case "lite_file":
            return str(tmp_path / "index.db")
        case "lite_server":
            return str(request.getfixturevalue("lite_server"))
        case "milvus":
            return str(request.getfixturevalue("milvus_server"))
    pytest.fail(f"{engine} has no address")


@pytest.fixture
def new_store(engine: str, request: pytest.FixtureRequest) -> Iterator[StoreMaker]:
    """Makes stores on that engine; their collections are dropped afterwards."""
    with ExitStack() as afterwards:

        def make(
            schema: CatalogSchema, dim: int, *, page: int = PAGE, settings: IndexSettings | None = None
        ) -> RowStore:
            if engine == "memory":
                return MemoryRows(schema, dim)
            connection = Connection(parse_address(request.getfixturevalue("address")), timeout_s=30)
            afterwards.callback(connection.close)
            shape = Shape(schema, dim, settings or IndexSettings())
            store = MilvusRows.create(connection, new_name(), shape, timeout_s=60, page=page)
            afterwards.callback(drop, connection, store.collection)
            return store

        yield make


def drop(connection: Connection, collection: str) -> None:
    """Remove a collection, whoever closed the connection to it."""
    again = connection.another(timeout_s=30)
    again.call("drop_collection", "clean up", Deadline(30), collection_name=collection)
    again.close()
