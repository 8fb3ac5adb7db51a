"""Redis, an index on Milvus Lite's server, and a worker that belongs to one test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.services.milvus import start_lite
from tests.services.processes import Service
from tests.services.redis import RedisServer
from tests.workers.shop import SCHEMA, png
from tests.workers.stream.station import Station

from fourtower_encoders.embedder import Embedder
from fourtower_search.index.generations import GenerationPlan
from fourtower_search.index.opening import create_index
from fourtower_search.index.product_index import ProductIndex

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def demo_towers() -> Iterator[Embedder]:
    with Embedder.load("demo", runtime="onnx") as embedder:
        yield embedder


@pytest.fixture
def new_index(lite_server: str, demo_towers: Embedder) -> Iterator[ProductIndex]:
    """An empty index of the demo towers, open for looking."""
    with _index(lite_server, demo_towers) as index:
        yield index


def _index(address: str, demo_towers: Embedder) -> ProductIndex:
    plan = GenerationPlan(
        model="demo",
        model_id=demo_towers.model_id,
        dim=2 * demo_towers.dim,
        catalog=SCHEMA,
        topic_id="topic-1",
        partition_count=6,
    )
    return create_index(address, plan, alias=f"shop{next(_NUMBERS)}", params=demo_towers.params)


@pytest.fixture
def own_lite(tmp_path: Path) -> Iterator[Service]:
    """A Milvus Lite server that a test may stop."""
    service = start_lite(tmp_path / "lite")
    yield service
    service.stop()


@pytest.fixture
def station_on_own_lite(
    tmp_path: Path, redis_server: RedisServer, own_lite: Service, demo_towers: Embedder
) -> Iterator[Station]:
    """A station whose index may go away."""
    address = f"milvus://127.0.0.1:{own_lite.port}"
    with _index(address, demo_towers) as index:
        pass
    with _station(tmp_path, redis_server, index, address) as station:
        yield station


@pytest.fixture
def station(tmp_path: Path, redis_server: RedisServer, new_index: ProductIndex, lite_server: str) -> Iterator[Station]:
    """Where a test starts a worker."""
    with _station(tmp_path, redis_server, new_index, lite_server) as station:
        yield station


@pytest.fixture
def own_redis(new_redis: Callable[[], RedisServer]) -> RedisServer:
    """A Redis that a test may stop."""
    return new_redis()


@pytest.fixture
def lonely_station(
    tmp_path: Path, own_redis: RedisServer, new_index: ProductIndex, lite_server: str
) -> Iterator[Station]:
    """A station with a Redis of its own."""
    with _station(tmp_path, own_redis, new_index, lite_server) as station:
        yield station


@contextmanager
def _station(folder: Path, redis: RedisServer, index: ProductIndex, address: str) -> Iterator[Station]:
    for name, seed in (("a.png", 1), ("b.png", 2)):
        (folder / name).write_bytes(png(seed))
    (folder / "broken.png").write_bytes(b"no picture")
    assert index.record is not None
    station = Station(folder, redis.url, address, index.record.alias)
    yield station
    station.stop()
    station.client.close()
