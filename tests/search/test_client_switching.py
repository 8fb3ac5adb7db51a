"""Clients under constant load follow switches between models: nothing fails, nothing is mixed, nobody stays behind."""

import asyncio
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from tests.search import sdk
from tests.search.index.conftest import new_name

from fourtower_encoders.embedder import Embedder
from fourtower_search import AsyncSearchClient, Image, SearchClient, Text
from fourtower_search.errors import CursorExpired
from fourtower_search.index.opening import in_memory_index, open_generation, open_generations
from fourtower_search.index.settings import IndexSettings
from fourtower_workers.reindexing.switching import rollback, switch

PRODUCTS = 40
REFRESH_S = 0.2
ALL = {"limit": 100, "depth": 500, "mode": "vector"}
FEW = {"limit": 10, "mode": "vector"}


@pytest.fixture(scope="module")
def towers(tiny_towers, demo_embedder):
    """Two models of different dimensions, by where they are recorded to lie."""
    with Embedder.load(tiny_towers, runtime="onnx") as tiny:
        assert tiny.dim != demo_embedder.dim
        yield {"demo": demo_embedder, str(tiny_towers): tiny}


@pytest.fixture(scope="module")
def filled(towers, drawn_catalog):
    """The same products as rows of each model."""
    return {model: sdk.indexed(drawn_catalog, embedder)[:PRODUCTS] for model, embedder in towers.items()}


@pytest.fixture(scope="module")
def queries(drawn_catalog):
    """By name: words, a picture, both, and words to move away from."""
    picture = Image((drawn_catalog / "images" / "p7-000000-0.jpg").read_bytes())
    return {
        "words": Text("red mug"),
        "picture": picture,
        "both": [picture, Text("green", 0.5)],
        "minus": [Text("lamp"), Text("plain", -0.3)],
    }


@pytest.fixture(scope="module")
def expected(towers, filled, queries, drawn_catalog):
    """What each model says of every product, exactly, by query: from an index of its own, in memory."""
    scores = {}
    for model, embedder in towers.items():
        plan = sdk.plan_of(drawn_catalog, embedder, model=model)
        with (
            sdk.fill(in_memory_index(plan, params=embedder.params), filled[model]) as index,
            SearchClient(index, model=embedder) as client,
        ):
            scores[model] = {name: scores_of(client.search(query, **ALL)) for name, query in queries.items()}
    for name in queries:
        first, second = (scores[model][name] for model in scores)
        assert len(first) == len(second) == PRODUCTS
        assert max(abs(first[each] - second[each]) for each in first) > 0.05, "a mixed answer could not be told"
    return scores


def scores_of(result):
    return {hit.product_id: hit.score for hit in result}


class Shop:
    """An index on a server with one generation per model."""

    def __init__(self, address, towers, filled, folder):
        self.address, self.alias = address, new_name()
        self.generations = open_generations(address, alias=self.alias)
        self.models = {}
        for model, embedder in towers.items():
            self.add(model, embedder, filled[model], folder)
        self.generations.point(1, timeout_s=60)

    def add(self, model, embedder, writes, folder):
        plan = sdk.plan_of(folder, embedder, model=model, index=IndexSettings(type="FLAT"))
        record = self.generations.create(plan, timeout_s=60)
        self.models[record.collection] = model
        with open_generation(self.generations, record, params=embedder.params) as index:
            sdk.fill(index, writes)
            wait_until(lambda: index.count() == len(writes), what="bounded reads see all")

    def client(self, kind=SearchClient, **settings):
        settings = {"alias": self.alias, "refresh_s": REFRESH_S, "timeout_s": 60} | settings
        return kind(self.address, **settings)

    def switch(self):
        return switch(self.generations, 2, now=datetime.now(UTC)).live.collection

    def rollback(self):
        return rollback(self.generations, now=datetime.now(UTC)).live.collection

    def close(self):
        names = [record.generation for record in self.generations.records(timeout_s=60)]
        live = self.generations.current(timeout_s=60).generation
        for number in names:
            if number != live:
                self.generations.drop(number, timeout_s=60)
        self.generations.close()


@pytest.fixture(params=["lite_server", "milvus_server"])
def shop(request, towers, filled, drawn_catalog):
    shop = Shop(request.getfixturevalue(request.param), towers, filled, drawn_catalog)
    yield shop
    shop.close()


def wait_until(condition, *, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it never came about: {what}"
        time.sleep(0.01)


class Load:
    """What searches all the time, and notes what it was answered."""

    def __init__(self, shop, queries, expected):
        self.shop, self.queries, self.expected = shop, queries, expected
        self.stop, self.faults = threading.Event(), []
        self.seen, self.answers = {}, 0
        self._lock = threading.Lock()

    def check(self, who, name, result):
        """An answer has the scores of the model whose generation it names."""
        scores = self.expected[self.shop.models[result.generation]][name]
        wrong = {hit.product_id: hit.score for hit in result if abs(hit.score - scores[hit.product_id]) > 2e-3}
        with self._lock:
            if wrong or len(result) != FEW["limit"]:
                self.faults.append(f"{name} on {result.generation}: {len(result)} hits, {wrong} are not of its model")
            self.seen[who] = result.generation
            self.answers += 1

    def search(self, who, client):
        while not self.stop.is_set() and not self.faults:
            try:
                for name, query in self.queries.items():
                    self.check(who, name, client.search(query, **FEW))
                together = client.search_many(list(self.queries.values()), **FEW)
                assert len({result.generation for result in together}) == 1
                for name, result in zip(self.queries, together, strict=True):
                    self.check(who, name, result)
            except Exception as error:
                self.faults.append(f"{who}: {error!r}")

    async def search_asynchronously(self):
        async with self.shop.client(AsyncSearchClient, threads=3) as client:
            while not self.stop.is_set() and not self.faults:
                try:
                    results = await asyncio.gather(*(client.search(each, **FEW) for each in self.queries.values()))
                except Exception as error:
                    self.faults.append(f"asyncio: {error!r}")
                    return
                for name, result in zip(self.queries, results, strict=True):
                    self.check("asyncio", name, result)

    def all_on(self, collection):
        assert not self.faults
        return set(self.seen.values()) == {collection}

    @contextmanager
    def running(self):
        with self.shop.client() as shared, self.shop.client() as alone:
            whose = {"first": shared, "second": shared, "alone": alone}
            threads = [threading.Thread(target=self.search, args=each) for each in whose.items()]
            threads.append(threading.Thread(target=lambda: asyncio.run(self.search_asynchronously())))
            for thread in threads:
                thread.start()
            try:
                wait_until(lambda: len(self.seen) == len(threads) or self.faults, what="everybody searches")
                yield
            finally:
                self.stop.set()
                for thread in threads:
                    thread.join()


def test_switch_and_rollback_under_load_fail_nothing_mix_nothing_and_reach_everybody(shop, queries, expected):
    load, late = Load(shop, queries, expected), []
    with load.running():
        began = time.monotonic()
        shop.client().close()
        opening_s = time.monotonic() - began  # beside the load
        for move in (shop.switch, shop.rollback) * 2:
            collection, moved = move(), time.monotonic()
            with shop.client() as between:
                assert between.search(queries["words"], **FEW).generation == collection, "a new client is there at once"
            wait_until(lambda to=collection: load.all_on(to), what=f"everybody is on {collection}")
            late.append(time.monotonic() - moved)
            enough = load.answers + 20
            wait_until(lambda to=enough: load.answers >= to or load.faults, what="more is answered")
    assert load.faults == []
    assert load.answers > 100
    assert max(late) < REFRESH_S + 5 * opening_s + 10, (late, opening_s)


@pytest.mark.parametrize("shop", ["lite_server"], indirect=True)
def test_a_cursor_ends_with_its_generation_and_is_good_again_after_a_rollback(shop, queries):
    with shop.client(refresh_s=3600) as client:
        query = queries["words"]
        first = client.search(query, **FEW)
        shop.switch()
        assert client.search(query, cursor=first.next_cursor, **FEW).generation == first.generation, "not yet"
        client.refresh()
        with pytest.raises(CursorExpired, match="rebuilt since"):
            client.search(query, cursor=first.next_cursor, **FEW)
        shop.rollback()
        client.refresh()
        second = client.search(query, cursor=first.next_cursor, **FEW)
        assert len(set(sdk.ids(first)) | set(sdk.ids(second))) == 20


def test_a_client_that_missed_the_switch_follows_when_its_generation_is_dropped(shop, queries):
    calls = {
        "search": lambda client: client.search(queries["both"], **FEW).generation,
        "many": lambda client: client.search_many([queries["words"]], **FEW)[0].generation,
        "get": lambda client: client.get("stool" if client.count() > PRODUCTS else some) and client.generation,
        "count": lambda client: client.count() and client.generation,
        "similar": lambda client: client.similar(some, limit=3).generation,
        "products": lambda client: len(list(client.products())) == PRODUCTS and client.generation,
        "facets": lambda client: client.facets(queries["words"], of=["category"]) and client.generation,
    }
    clients = {name: shop.client(refresh_s=3600) for name in calls}
    try:
        some = next(iter(clients["search"].search(queries["words"], **FEW))).product_id
        followed = shop.switch()
        assert {name: client.generation for name, client in clients.items()} == dict.fromkeys(calls, f"{shop.alias}_g1")
        shop.generations.drop(1, timeout_s=60)
        assert {name: call(clients[name]) for name, call in calls.items()} == dict.fromkeys(calls, followed)
    finally:
        for client in clients.values():
            client.close()


@pytest.mark.parametrize("shop", ["lite_server"], indirect=True)
def test_a_model_that_can_not_be_loaded_leaves_clients_where_they_are(
    shop, queries, drawn_catalog, towers, filled, caplog
):
    with shop.client(refresh_s=3600) as client:
        nowhere = str(drawn_catalog / "nowhere")
        shop.add(nowhere, towers["demo"], filled["demo"], drawn_catalog)
        switch(shop.generations, 3, now=datetime.now(UTC))
        client.refresh()
        assert client.search(queries["words"], **FEW).generation == f"{shop.alias}_g1"
        assert f"{shop.alias}_g3, can't be loaded; {shop.alias}_g1 goes on answering." in caplog.text
        assert f"records {nowhere} as its model" in caplog.text
        shop.rollback()
        client.refresh()
        assert client.generation == f"{shop.alias}_g1"
