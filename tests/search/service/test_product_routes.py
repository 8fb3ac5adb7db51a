"""Products by their ids, whatever these hold, and the index as a whole."""

import json
from importlib.metadata import version
from urllib.parse import quote

import pytest
from tests.search import sdk
from tests.search.service.live import error_of, running, settings_of, stranger

from fourtower_ingest.parsing import parse_event
from fourtower_search.client import SearchClient
from fourtower_search.query.request import MAX_DEPTH, MAX_PAGE
from fourtower_search.service.app import create_app
from fourtower_search.wire.results import product_form
from fourtower_workers.indexing import Indexer

ODD = [
    "a/b",
    "a",
    "a/similar",
    "a/images/0",
    "similar",
    "100% wool",
    "what?#",
    "Käse 🧀",
    "../etc",
    " ",
    "+",
    "a;b=c",
    "x//y",
]


@pytest.fixture(scope="module")
def odd(drawn_catalog, demo_embedder):
    """A service over products with ids that addresses don't like."""
    events = [sdk.event(each, title=f"Oak stool {n}", attributes={"category": "stool"}) for n, each in enumerate(ODD)]
    with sdk.memory_index(drawn_catalog, demo_embedder) as index:
        Indexer(index, demo_embedder).index_events([parse_event(each) for each in events])
        with (
            SearchClient(index, model=demo_embedder) as client,
            running(create_app(settings_of(), client=client)) as at,
            stranger(at) as http,
        ):
            yield http


def ids_of(answer):
    return [each["product_id"] for each in answer.json()["products"]]


@pytest.mark.parametrize("product_id", ODD)
def test_a_product_is_found_by_any_id(odd, product_id):
    answer = odd.get("/products/" + quote(product_id, safe=""))
    assert answer.json()["product"]["product_id"] == product_id


@pytest.mark.parametrize("product_id", ODD)
def test_products_like_one_with_any_id_are_found(odd, product_id):
    answer = odd.get(f"/products/{quote(product_id, safe='')}/similar", params={"limit": 50})
    assert {hit["product_id"] for hit in answer.json()["hits"]} == set(ODD) - {product_id}


def test_several_products_come_in_the_order_in_which_they_were_asked_for(odd):
    answer = odd.post("/products/lookup", json={"ids": ["what?#", "not there", "a/b", "what?#"]})
    assert ids_of(answer) == ["what?#", "a/b"]


def test_a_product_has_all_that_the_index_holds_of_it(http, served_client):
    said = http.get("/products/stool").json()
    assert said["product"] == json.loads(json.dumps(product_form(served_client.get("stool"))))
    assert said["product"]["attributes"]["released"] == "2026-05-01T12:00:00.000Z"
    assert said["generation"] == served_client.generation


def test_an_unknown_product_is_said_to_be_unknown(http):
    assert "nope" in error_of(http.get("/products/nope"), 404, "unknown_product")["message"]
    error_of(http.get("/products/nope/similar"), 404, "unknown_product")
    error_of(http.get("/products/"), 422, "invalid_query")
    assert ids_of(http.post("/products/lookup", json={"ids": ["nope"]})) == []


def test_similar_products_take_options(http, served_client):
    options = {"limit": 3, "where": "price < 60", "collapse": "group", "sort": "-price", "explain": True}
    answer = http.get("/products/stool/similar", params={**options, "explain": "true"}).json()
    expected = served_client.similar("stool", **options)
    assert [hit["product_id"] for hit in answer["hits"]] == sdk.ids(expected)
    assert answer["hits"][0]["explanation"]["children"]
    error = error_of(http.get("/products/stool/similar", params={"limt": 3}), 422, "invalid_request")
    assert error["detail"]["problems"][0]["where"] == "query.limt"


def test_products_are_counted(http, served_client):
    assert http.post("/products/count", json={}).json()["count"] == served_client.count()
    cheap = {"field": "price", "lt": 30}
    assert http.post("/products/count", json={"where": cheap}).json()["count"] == served_client.count("price < 30")
    assert (
        "prise" in error_of(http.post("/products/count", json={"where": "prise < 3"}), 422, "invalid_filter")["message"]
    )


def test_all_products_are_read_in_pieces(http, served_client):
    pieces, after = [], ""
    while True:
        answer = http.post("/products/scan", json={"where": "price < 60", "after": after, "limit": 17}).json()
        pieces.append(answer["products"])
        if not answer["more"]:
            break
        after = answer["products"][-1]["product_id"]
    expected = [product_form(each) for each in served_client.products("price < 60")]
    assert [each for piece in pieces for each in piece] == json.loads(json.dumps(expected))
    assert {len(piece) for piece in pieces[:-1]} == {17}


def test_the_schema_says_what_can_be_asked_and_how_much(http, served_client):
    said = http.get("/schema").json()
    facts = served_client.facts()
    assert said["schema"]["attributes"].keys() == facts.schema.attributes.keys()
    assert said["schema"]["attributes"]["price"]["type"] == "float"
    assert (said["demo"], said["dim"], said["generation"]) == (True, facts.dim, facts.generation)
    assert said["limits"]["max_page"] == MAX_PAGE
    for limit in ("max_page", "max_depth"):
        assert error_of(
            http.post("/search", json={"query": "a", "limit": said["limits"][limit] + 1}), 422, "invalid_query"
        )
    assert said["limits"]["max_depth"] == MAX_DEPTH
    assert said["limits"]["image_urls"] is False


def test_the_version_is_that_which_was_started(http, tmp_path, monkeypatch):
    before = http.get("/stats").json()["version"]
    newer = tmp_path / "fourtower-99.9.dist-info"
    newer.mkdir()
    (newer / "METADATA").write_text("Metadata-Version: 2.1\nName: fourtower\nVersion: 99.9\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert version("fourtower") == "99.9"
    assert http.get("/stats").json()["version"] == before != "99.9"


def test_the_statistics_say_how_busy_it_is(http, served_client):
    before = http.get("/stats").json()
    http.post("/search", json={"query": "mug"})
    after = http.get("/stats").json()
    assert after["products"] == served_client.count()
    assert after["batches"] > before["batches"]
    assert after["cache"]["hits"] + after["cache"]["misses"] > before["cache"]["hits"] + before["cache"]["misses"]
