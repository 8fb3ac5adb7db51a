"""A client follows its index from generation to generation: nothing fails, and no answer mixes two of them."""

import threading
import time
from dataclasses import replace

import pytest
from tests.search import sdk

from fourtower_search import SearchClient
from fourtower_search.errors import CursorExpired, UnknownProduct
from fourtower_search.index.opening import open_generation, open_generations
from fourtower_search.index.rows import Order, ProductWrite

ALIAS = "shop"


@pytest.fixture
def generations(tmp_path):
    opened = open_generations(str(tmp_path / "products.db"), alias=ALIAS)
    yield opened
    opened.close()


@pytest.fixture
def build(generations, drawn_catalog, shop_writes, demo_embedder):
    """Builds a generation, all of whose products have its number as their version, and points the alias to it."""
    plan = sdk.plan_of(drawn_catalog, demo_embedder)

    def make():
        record = generations.create(plan, timeout_s=60)
        writes = [_at(write, record.generation) for write in shop_writes[:40]]
        with open_generation(generations, record, params=demo_embedder.params) as index:
            sdk.fill(index, writes).store.flush(timeout_s=60)
        generations.point(record.generation, timeout_s=60)
        return record

    return make


def _at(write, version):
    order = Order(version, False, "d")
    return ProductWrite(write.product_id, order, tuple(replace(row, order=order) for row in write.rows))


def wait_until(condition, *, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.01)


def test_switching_while_threads_search_fails_nothing_and_mixes_nothing(tmp_path, build, generations):
    first = build()
    stop, faults, seen = threading.Event(), [], []

    def search(client):
        while not stop.is_set():
            try:
                result = client.search("mug", limit=20, depth=20)
            except Exception as error:
                faults.append(repr(error))
                return
            seen.append(result.generation)
            number = int(result.generation.rpartition("_g")[2])
            if {hit.version for hit in result} != {number} or len(result) != 20:
                faults.append(f"{result.generation} has {[hit.version for hit in result]}")

    with SearchClient(tmp_path / "products.db", alias=ALIAS, refresh_s=0.02, timeout_s=60) as client:
        threads = [threading.Thread(target=search, args=(client,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            second = build()
            wait_until(lambda: faults or second.collection in seen)
            generations.point(first.generation, timeout_s=60)
            wait_until(lambda: faults or seen[-1] == first.collection)
            generations.drop(second.generation, timeout_s=60)
            enough = len(seen) + 8
            wait_until(lambda: faults or len(seen) >= enough)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert faults == []
    assert set(seen) == {first.collection, second.collection}


def test_a_switch_can_be_asked_for_and_ends_old_cursors(tmp_path, build):
    build()
    with SearchClient(tmp_path / "products.db", alias=ALIAS, refresh_s=3600) as client:
        cursor = client.search("mug", limit=3).next_cursor
        begun = client.products()
        assert next(begun).version == 1
        build()
        assert client.generation == "shop_g1", "nobody looked yet"
        client.refresh()
        assert client.generation == "shop_g2"
        assert client.get("p7-000001").version == 2
        assert {product.version for product in begun} == {1}, "what had begun stays with its generation"
        with pytest.raises(CursorExpired, match="rebuilt since"):
            client.search("mug", limit=3, cursor=cursor)


def test_a_next_generation_that_can_not_be_loaded_leaves_the_old_one(
    tmp_path, build, generations, drawn_catalog, demo_embedder, caplog
):
    build()
    with SearchClient(tmp_path / "products.db", alias=ALIAS, refresh_s=3600) as client:
        plan = sdk.plan_of(drawn_catalog, demo_embedder, model=str(tmp_path / "gone"), model_id="another")
        generations.point(generations.create(plan, timeout_s=60).generation, timeout_s=60)
        client.refresh()
        assert client.search("mug").generation == "shop_g1"
        assert "The next generation, shop_g2, can't be loaded; shop_g1 goes on answering." in caplog.text
        with pytest.raises(UnknownProduct):
            client.similar("nobody")
