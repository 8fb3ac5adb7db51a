"""Whatever goes wrong is said in one shape, under the request's id, and tells nothing that should stay inside."""

import json
import logging
import socket

import pytest
from tests.search.service.live import broken, error_of, form, named, running, settings_of, stranger

from fourtower_search.client import SearchClient
from fourtower_search.service.app import create_app

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def breakable(shop, demo_embedder):
    """A service whose re-ranker fails."""
    with SearchClient(shop, model=demo_embedder, rerankers={"broken": broken}) as client:
        app = create_app(settings_of(max_body_bytes=50_000), client=client)
        with running(app) as address, stranger(address) as http:
            yield http


BAD = {
    "no JSON": (b"{", "Invalid JSON"),
    "no text": (b"\xff\xfe", "Invalid JSON"),
    "nothing": (b"", "Invalid JSON"),
    "no object": (b"[]", "object"),
    "NaN": (b'{"query": "a", "diversity": NaN}', "diversity"),
    "half a character": (b'{"query": "\\ud800"}', "Invalid JSON"),
    "NUL": (b'{"query": "a\\u0000"}', "NUL"),
    "deep": (b'{"where": ' + b'{"must": [' * 500 + b"]}" * 500 + b"}", "recursion"),
    "a number for a text": (b'{"query": "a", "limit": "3"}', "limit"),
    "a float for an integer": (b'{"query": "a", "limit": 3.5}', "limit"),
    "true for a number": (b'{"query": "a", "limit": true}', "limit"),
    "an unknown field": (b'{"query": "a", "limt": 3}', "limit is meant"),
    "an unknown field, far off": (b'{"query": "a", "xyz": 3}', "there are: query"),
    "an unknown field inside": (b'{"query": "a", "cut": {"worse": 1}}', "cut"),
    "an unknown part": (b'{"query": [{"smell": "a"}]}', "exactly one of"),
    "an upload that is not there": (b'{"query": [{"upload": 0}]}', "none was sent"),
    "an upload with more": (b'{"query": [{"upload": 0, "text": "a"}]}', "text"),
    "too many parts": (json.dumps({"query": ["a"] * 17}).encode(), "16"),
    "too many pictures": (json.dumps({"image": ["data:image/png;base64,AA=="] * 9}).encode(), "8 are allowed"),
    "nothing to look for": (b"{}", "empty"),
    "an attribute that is not there": (b'{"query": "a", "sort": "prise"}', "prise"),
    "a huge number": (b'{"query": "a", "where": {"field": "price", "lt": 1' + b"0" * 400 + b"}}", "price"),
}


@pytest.mark.parametrize(("body", "said"), list(BAD.values()), ids=list(BAD))
def test_a_bad_search_is_told_what_is_wrong_with_it(http, body, said):
    response = http.post("/search", content=body, headers=JSON)
    code = "invalid_filter" if response.json()["code"] == "invalid_filter" else "invalid_query"
    assert said in error_of(response, 422, code)["message"]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/search/batch", {"queries": []}, "queries"),
        ("/search/batch", {"queries": [{"query": "a"}] * 65}, "64 are allowed"),
        ("/search/batch", {"queries": [{"query": "a", "limt": 1}]}, "queries.0.limt"),
        ("/facets", {"query": "a"}, "of"),
        ("/facets", {"query": "a", "of": []}, "of"),
        ("/facets", {"query": "a", "of": ["prise"]}, "prise"),
        ("/embed", {"texts": [""]}, "words"),
        ("/embed", {"texts": ["a"] * 65}, "64 are allowed"),
        ("/embed", {"images": ["data:image/png;base64,AA=="]}, "icture"),
        ("/products/lookup", {"ids": [""]}, "product id"),
        ("/products/lookup", {"ids": ["a"] * 65}, "64 are allowed"),
        ("/products/lookup", {"ids": "stool"}, "ids"),
        ("/products/scan", {"limit": 1001}, "limit"),
        ("/products/scan", {"after": "\0"}, "NUL"),
    ],
)
def test_other_bad_requests_are_told_too(http, path, body, said):
    assert said in error_of(http.post(path, json=body), 422, "invalid_query")["message"]


def test_addresses_and_methods_that_there_are_not_get_the_same_shape(http):
    assert "openapi.json" in error_of(http.get("/nonsense"), 404, "not_found")["message"]
    error_of(http.get("/search/"), 404, "not_found")
    response = http.get("/search")
    assert "openapi.json" in error_of(response, 405, "not_allowed")["message"]
    assert response.headers["allow"] == "POST"
    for kind in ("application/x-www-form-urlencoded", "text/plain", "image/jpeg", "", "application/json-patch"):
        error_of(http.post("/search", content=b"{}", headers={"Content-Type": kind}), 415, "unsupported_media")


def test_json_may_say_its_characters(http):
    response = http.post(
        "/search", content=b'{"query": "mug"}', headers={"Content-Type": "Application/JSON; charset=utf-8"}
    )
    assert response.status_code == 200


def test_what_is_too_large_is_not_read(breakable):
    said = error_of(breakable.post("/search", content=b" " * 50_001, headers=JSON), 413, "too_large")
    assert "50" in said["message"]
    error_of(breakable.post("/search", content=iter([b" " * 30_000] * 2), headers=JSON), 413, "too_large")


def test_what_nobody_foresaw_is_logged_under_its_id_and_not_told(breakable, caplog):
    with caplog.at_level(logging.ERROR):
        response = breakable.post("/search", json={"query": "mug SECRET", "rerank": "broken"})
    said = error_of(response, 500, "internal")
    assert "SECRET" not in response.text
    [record] = [each for each in caplog.records if each.name == "fourtower.service"]
    assert record.fields["request_id"] == said["request_id"]
    assert "RuntimeError" in record.message
    assert "live.py" in record.message
    assert "broken" in record.message
    assert "SECRET" not in caplog.text


def test_after_that_it_answers_as_before(breakable):
    assert breakable.post("/search", json={"query": "mug"}).status_code == 200


def test_a_request_keeps_the_id_that_it_brings(http):
    kept = http.get("/nope", headers={"X-Request-Id": "from-the-proxy.1"})
    assert error_of(kept, 404, "not_found")["request_id"] == "from-the-proxy.1"
    ids = {http.post("/search", json={"query": "mug"}).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


def test_a_caller_may_have_less_patience_than_the_service(http):
    hurried = http.post("/search", json={"query": "mug"}, headers={"X-Timeout-S": "0.000001"})
    said = error_of(hurried, 503, hurried.json()["code"])
    assert said["code"] in ("index_unavailable", "overloaded")
    assert int(hurried.headers["retry-after"]) >= 1
    assert said["detail"]["retry_after_s"] > 0
    for nonsense in ("soon", "-1", "nan", "inf", "0"):
        error_of(http.post("/search", json={"query": "mug"}, headers={"X-Timeout-S": nonsense}), 422, "invalid_query")


def test_no_picture_of_the_caller_gets_into_answers_or_logs(http, caplog):
    body, kind = form([named("image", b"SECRETPICTURE" * 1000, file="a.jpg")])
    with caplog.at_level(logging.DEBUG):
        response = http.post("/search", content=body, headers={"Content-Type": kind})
        as_url = http.post("/search", json={"image": "data:image/jpeg;base64," + "SECRET" * 1000})
    for each in (response, as_url):
        error_of(each, 422, "invalid_query")
        assert "SECRETPICTURE" not in each.text
    assert "SECRETPICTURE" not in caplog.text
    assert "SECRETSECRET" not in caplog.text


def test_nonsense_that_is_no_http_ends_nothing(address, http):
    host, port = address.removeprefix("http://").split(":")
    for line in (
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /search HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    ):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(line + b"\r\n\r\n")
            connection.settimeout(10)
            assert b"500" not in connection.recv(1000)[:20]
    assert http.post("/search", json={"query": "mug"}).status_code == 200
