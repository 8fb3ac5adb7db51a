"""A real service answers as the index behind it does, and its client needs nothing that the index needs."""

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.search import sdk
from tests.search.remote.stand import reply
from tests.search.service.live import running, settings_of, until
from tests.search.test_client_fuzz import FILTERS, JSON, OPTIONS, PARTS, TEXTS

from fourtower_encoders.errors import ImageError
from fourtower_search import AsyncSearchClient, F, Image, SearchClient, Text
from fourtower_search.errors import CursorExpired, IndexUnavailable, SearchError
from fourtower_search.index.generations import MemoryGenerations
from fourtower_search.index.opening import open_generation
from fourtower_search.service.app import create_app

REFUSED = ("pymilvus", "grpc", "milvus_lite", "onnxruntime", "tokenizers", "fastapi", "starlette", "uvicorn", "torch")
SETTINGS = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
ALONE = """
import json, sys
from pathlib import Path

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Refusing())
from fourtower_search import F, Image, Product, SearchClient, Text, Vector
from PIL import Image as Pillow

with SearchClient({address!r}) as client:
    photo = Path({photo!r})
    whole = client.search("mug", where=F.price < 60, facets=["category"], explain=True, limit=3)
    found = [
        whole,
        client.search("mug", where=F.price < 60, limit=3, cursor=whole.next_cursor),
        client.search([Text("mug"), Image(photo), Product("stool")]),
        client.search(image=[photo.read_bytes(), Pillow.open(photo)]),
        client.search(Vector(client.embed(images=[photo])["images"][0])),
        client.similar("stool"),
        *client.search_many(["mug", "lamp"]),
    ]
    print(json.dumps({{
        "found": [[hit.product_id for hit in result] for result in found],
        "count": client.count(), "all": len(list(client.products())), "title": client.get("stool").title,
        "loaded": [name for name in {refused!r} if name in sys.modules],
    }}))
"""


@pytest.fixture(scope="module")
def remote(service):
    with SearchClient(service) as client:
        yield client


@pytest.fixture(scope="module")
def photo(drawn_catalog):
    return drawn_catalog / "images" / "p7-000000-0.jpg"


def plain(result):
    """A result without what is another one each time."""
    hits = tuple(replace(hit, explanation=None) for hit in result.hits)
    more = result.next_cursor is not None
    return replace(result, search_id="", timings_ms={}, image_root=None, next_cursor=more, hits=hits)


def test_it_needs_neither_milvus_nor_a_model_nor_the_service_itself(service, photo):
    script = ALONE.format(refused=REFUSED, address=service, photo=str(photo))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert all(said["found"])
    assert (said["count"], said["all"], said["title"], said["loaded"]) == (161, 161, "Oak stool <b>bold</b>", [])


def test_results_are_equal_down_to_the_last_figure(remote, shop_client, photo):
    options = {"explain": True, "facets": ["price", "tags", "released", "in_stock"], "limit": 20}
    for query in ("oak stool", [Text("red", 0.3), Image(photo.read_bytes()), Text("dots", -0.2)]):
        one, other = remote.search(query, **options), shop_client.search(query, **options)
        assert replace(one, search_id="", timings_ms={}, next_cursor="") == replace(
            other, search_id="", timings_ms={}, next_cursor=""
        )
    for one, other in zip(remote.products(), shop_client.products(), strict=True):
        assert one == other
    embedded = {"texts": ["mug", "é"], "images": [photo]}
    for name, rows in remote.embed(**embedded).items():
        np.testing.assert_array_equal(rows, shop_client.embed(**embedded)[name])
        assert rows.dtype == np.float32


def outcome(ask):
    """A result, or the kind of error and its sentence."""
    try:
        return ask()
    except (SearchError, ImageError) as error:
        return type(error), str(error)


@SETTINGS
@given(st.just("mug") | PARTS | st.lists(PARTS, max_size=3), st.none() | TEXTS, OPTIONS)
def test_any_request_ends_alike(remote, shop_client, query, text, options):
    one, other = (
        outcome(lambda c=client: plain(c.search(query, text=text, **options))) for client in (remote, shop_client)
    )
    if isinstance(one, tuple) and isinstance(other, tuple):
        assert one[0] == other[0], (one, other)
    else:
        assert one == other


@SETTINGS
@given(FILTERS | JSON)
def test_any_filter_ends_alike(remote, shop_client, where):
    one, other = (outcome(lambda c=client: c.count(where)) for client in (remote, shop_client))
    assert one == other


def test_many_queries_and_pictures_than_fit_one_request(remote, shop_client, photo):
    queries = [{"query": f"mug {n}", "limit": 2} for n in range(70)] + [{"image": photo, "limit": 1}] * 20
    found = remote.search_many(queries)
    assert list(map(plain, found)) == list(map(plain, shop_client.search_many(queries)))
    assert remote.embed(texts=["mug"] * 70, images=[photo] * 9)["images"].shape == (9, 128)
    assert set(remote.get_many([f"no-{n}" for n in range(200)] + ["stool"])) == {"stool"}


def test_all_products_come_page_by_page(stand):
    def page(ids, *, more):
        listed = [{"product_id": each, "version": 1} for each in ids]
        return reply({"products": listed, "generation": "shop_g1", "more": more})

    with SearchClient(stand.address) as client:
        stand.answers(page("ab", more=True), page("cd", more=True), page("e", more=False))
        assert "".join(product.product_id for product in client.products(F.price < 5)) == "abcde"
    assert [asked.form["after"] for asked in stand.asked] == ["", "b", "d"]
    assert {json.dumps(asked.form["where"]) for asked in stand.asked} == {'{"field": "price", "lt": 5}'}


def test_cursors_of_a_service_end_with_its_generation(drawn_catalog, shop_writes, demo_embedder):
    plan = sdk.plan_of(drawn_catalog, demo_embedder)
    generations = MemoryGenerations("products")
    inner = []
    for _ in range(2):
        record = generations.create(plan, timeout_s=1)
        index = sdk.fill(open_generation(generations, record, params=demo_embedder.params), shop_writes[:40])
        inner.append(SearchClient(index, model=demo_embedder, cursor_key=b"k" * 32))
    with running(create_app(settings_of(page=False), client=inner[0])) as one, SearchClient(one) as first:
        cursor = first.search("mug", limit=5).next_cursor
        assert first.generation == "products_g1"
    with running(create_app(settings_of(page=False), client=inner[1])) as two, SearchClient(two) as second:
        with pytest.raises(CursorExpired, match="rebuilt since"):
            second.search("mug", limit=5, cursor=cursor)
        assert second.generation == "products_g2"


def test_a_service_that_ends_and_comes_back_is_found_again(shop, demo_embedder):
    with SearchClient(shop, model=demo_embedder) as inner:
        with running(create_app(settings_of(page=False), client=inner)) as address:
            client = SearchClient(address, timeout_s=2)
            assert client.count() == 161
        with pytest.raises(IndexUnavailable, match="can't be reached"):
            client.count()
        client.close()


def test_a_coroutine_that_gives_up_leaves_the_others_alone(stand):
    async def main():
        async with AsyncSearchClient(stand.address, threads=2) as client:
            stand.answers(lambda _: stand.wait(), reply({"count": 7, "generation": "shop_g1"}))
            impatient = asyncio.create_task(client.count(timeout_s=20))
            await asyncio.to_thread(until, lambda: len(stand.asked) == 1)
            impatient.cancel()
            with pytest.raises(asyncio.CancelledError):
                await impatient
            start = time.monotonic()
            assert await client.count() == 7
            assert time.monotonic() - start < 10
            stand._closing.set()

    asyncio.run(main())
