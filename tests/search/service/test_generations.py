"""Every answer names the generation that gave it, also when another one became current meanwhile."""

import pytest
from tests.search import sdk
from tests.search.service.live import running, settings_of, stranger

from fourtower_search import SearchClient
from fourtower_search.index.opening import open_generation, open_generations
from fourtower_search.service.app import create_app

ALIAS = "shop"


class Restless:
    """Answers as a client does, and changes to another generation as soon as it has answered."""

    def __init__(self, answering, change):
        self._answering, self._change = answering, change

    @property
    def generation(self):
        return self._answering.generation

    def __getattr__(self, name):
        asked = getattr(self._answering, name)
        if name in ("close", "refresh", "cache_stats"):
            return asked

        def answer(*args, **options):
            found = asked(*args, **options)
            self._change()
            return found

        return answer


@pytest.fixture(scope="module")
def changing(tmp_path_factory, drawn_catalog, shop_writes, demo_embedder):
    """A service over two generations, which takes the other one after each answer: their collections by size."""
    address = tmp_path_factory.mktemp("index") / "products.db"
    generations = open_generations(str(address), alias=ALIAS)
    plan = sdk.plan_of(drawn_catalog, demo_embedder, model="/srv/secret place/towers of 2026/")
    records = {}
    for size in (40, 30):
        record = generations.create(plan, timeout_s=60)
        with open_generation(generations, record, params=demo_embedder.params) as index:
            sdk.fill(index, shop_writes[:size]).store.flush(timeout_s=60)
        generations.point(record.generation, timeout_s=60)
        records[size] = record
    turns = iter(list(records.values()) * 100)

    def change():
        generations.point(next(turns).generation, timeout_s=60)
        client.refresh()

    with SearchClient(address, alias=ALIAS, model=demo_embedder, timeout_s=60) as client:
        client._answering = Restless(client._answering, change)
        with running(create_app(settings_of(timeout_s=60), client=client)) as at, stranger(at) as http:
            yield http, {size: record.collection for size, record in records.items()}
    generations.close()


def test_a_count_names_the_generation_that_was_counted(changing):
    http, collections = changing
    for _ in range(3):
        said = http.post("/products/count", json={}).json()
        assert said["generation"] == collections[said["count"]]
        said = http.get("/stats").json()
        assert said["generation"] == collections[said["products"]]


def test_products_name_the_generation_that_they_are_of(changing, shop_writes):
    http, collections = changing
    ids = [write.product_id for write in shop_writes[:40]]
    for _ in range(3):
        said = http.post("/products/lookup", json={"ids": ids}).json()
        assert said["generation"] == collections[len(said["products"])]


def test_embeddings_name_the_generation_whose_model_made_them(changing):
    http, _ = changing
    current = http.get("/schema").json()["generation"]  # after which the other one is current
    named = [http.post("/embed", json={"texts": ["mug"]}).json()["generation"] for _ in range(2)]
    assert current == named[1]
    assert current != named[0]


def test_where_the_model_lies_is_told_to_nobody(changing):
    http, _ = changing
    assert http.get("/schema").json()["model"] == "towers of 2026"
    for path in ("/schema", "/stats"):
        assert "secret" not in http.get(path).text
    with SearchClient(str(http.base_url)) as remote:
        assert remote.facts().model == "towers of 2026"
