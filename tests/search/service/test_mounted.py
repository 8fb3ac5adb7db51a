"""The router works in somebody else's application: under a prefix, with the rules of its host."""

from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, Header, HTTPException
from tests.search.sdk import ids
from tests.search.service.live import error_of, running, settings_of, stranger

from fourtower_search.client import SearchClient
from fourtower_search.service.key_file import edit_keys
from fourtower_search.service.keys import new_key
from fourtower_search.service.router import router


async def signed_in(x_user: Annotated[str | None, Header()] = None):
    if x_user != "ann":
        raise HTTPException(401, "Sign in first.")


@pytest.fixture(scope="module")
def host(served_client):
    """An application with things of its own beside the router."""
    app = FastAPI()

    @app.get("/own")
    async def own():
        return {"own": True}

    @app.get("/own/broken")
    async def own_error():
        raise HTTPException(418, "I am a teapot.")

    settings = settings_of(max_body_bytes=60_000)
    app.include_router(router(served_client, settings), prefix="/shop/v1", dependencies=[Depends(signed_in)])
    return app


@pytest.fixture(scope="module")
def guest(host):
    with running(host) as address, stranger(address, headers={"X-User": "ann"}) as http:
        yield http


def test_searches_are_answered_under_the_prefix(guest, served_client, photo):
    answer = guest.post("/shop/v1/search", json={"query": "red mug", "limit": 3}).json()
    assert [hit["product_id"] for hit in answer["hits"]] == ids(served_client.search("red mug", limit=3))
    assert guest.post("/shop/v1/search", files={"image": photo}).status_code == 200
    assert guest.get("/shop/v1/products/stool").json()["product"]["product_id"] == "stool"
    assert guest.get("/shop/v1/products/stool/similar").status_code == 200
    assert guest.get("/shop/v1/schema").json()["limits"]["max_body_bytes"] == 60_000


def test_errors_have_the_same_shape_and_limits_hold_there_too(guest):
    error_of(guest.post("/shop/v1/search", json={"query": "a", "limt": 1}), 422, "invalid_query")
    error_of(guest.get("/shop/v1/products/no%2Fsimilar"), 404, "unknown_product")
    error_of(guest.get("/shop/v1/products/stool/similar?limit=0"), 422, "invalid_request")
    json = {"Content-Type": "application/json"}
    error_of(guest.post("/shop/v1/search", content=b" " * 60_001, headers=json), 413, "too_large")


def test_the_host_lets_in_whom_it_likes(guest):
    response = guest.post("/shop/v1/search", json={"query": "a"}, headers={"X-User": "bob"})
    assert response.status_code == 401
    assert "Sign in first." in response.text


def test_the_host_keeps_its_own_ways(guest):
    assert guest.get("/own").json() == {"own": True}
    assert guest.get("/own/broken").json() == {"detail": "I am a teapot."}
    assert guest.get("/nothing").json() == {"detail": "Not Found"}


def test_the_hosts_description_is_whole(guest):
    described = guest.get("/openapi.json").json()
    assert "/shop/v1/search" in described["paths"]
    schemas = described["components"]["schemas"]
    for reference in references(described):
        assert reference.removeprefix("#/components/schemas/") in schemas


def references(value):
    if isinstance(value, dict):
        yield from (each for key, each in value.items() if key == "$ref")
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from references(each)


def test_keys_of_the_routers_own_work_there_as_well(served_client, tmp_path):
    secret, stored = new_key("web", ["search"])
    edit_keys(tmp_path / "keys.json", lambda before: [*before, stored])
    app = FastAPI()
    app.include_router(router(served_client, settings_of(keys=tmp_path / "keys.json")), prefix="/find")
    with running(app) as address, stranger(address) as http:
        error_of(http.post("/find/search", json={"query": "mug"}), 401, "unauthenticated")
        http.headers["Authorization"] = f"Bearer {secret}"
        assert http.post("/find/search", json={"query": "mug"}).status_code == 200
        error_of(http.post("/find/embed", json={"texts": ["mug"]}), 403, "forbidden")


def test_an_application_may_be_started_again(served_client):
    app = FastAPI()
    app.include_router(router(served_client, settings_of()))
    for _ in range(2):
        with running(app) as address, stranger(address) as http:
            assert http.post("/search", json={"query": "mug"}).status_code == 200
    assert served_client.count(), "the client is the host's to close"


def test_two_routers_keep_apart(shop, demo_embedder, served_client):
    with SearchClient(shop, model=demo_embedder) as other:
        app = FastAPI()
        app.include_router(router(served_client, settings_of(max_batch=1)), prefix="/a")
        app.include_router(router(other, settings_of(max_batch=2)), prefix="/b")
        with running(app) as address, stranger(address) as http:
            batches = {at: http.get(f"/{at}/schema").json()["limits"]["max_batch"] for at in "ab"}
            assert batches == {"a": 1, "b": 2}
