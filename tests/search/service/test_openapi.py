"""The service does what its OpenAPI description says: every endpoint, whatever it is asked."""

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from tests.search.service.live import running, settings_of, stranger

from fourtower_search.service.app import create_app
from fourtower_search.service.examples import BATCHES, COUNTS, EMBEDDINGS, FACETS, LOOKUPS, SCANS, SEARCHES
from fourtower_search.service.key_file import edit_keys
from fourtower_search.service.keys import new_key

ENDPOINTS = [
    ("POST", "/search"),
    ("POST", "/search/batch"),
    ("POST", "/facets"),
    ("POST", "/embed"),
    ("POST", "/detect"),
    ("GET", "/products/{product_id}"),
    ("GET", "/products/{product_id}/similar"),
    ("GET", "/products/{product_id}/images/{view}"),
    ("POST", "/products/lookup"),
    ("POST", "/products/count"),
    ("POST", "/products/scan"),
    ("GET", "/schema"),
    ("GET", "/stats"),
]
NOT_HELD = [positive_data_acceptance]
"""What has the right form may still name an attribute that there is not, or a picture that is none."""
LONGEST_ADDRESS = 10_000
"""The server hangs up on what is too long for it, in the middle of it."""
EXAMPLES = {
    "/search": SEARCHES,
    "/search/batch": BATCHES,
    "/facets": FACETS,
    "/embed": EMBEDDINGS,
    "/products/lookup": LOOKUPS,
    "/products/count": COUNTS,
    "/products/scan": SCANS,
}


@pytest.fixture(scope="module")
def keyed(served_client, tmp_path_factory):
    """Where a service with keys listens, and a key that is good for everything."""
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    secret, stored = new_key("tester", ["search", "embed", "admin"])
    edit_keys(file, lambda before: [*before, stored])
    with running(create_app(settings_of(keys=file), client=served_client)) as address:
        yield address, {"Authorization": f"Bearer {secret}"}


@pytest.fixture(scope="module")
def described(keyed):
    return schemathesis.openapi.from_url(f"{keyed[0]}/openapi.json")


def test_every_endpoint_is_described(described):
    paths = described.raw_schema["paths"]
    assert {(method.upper(), path) for path, methods in paths.items() for method in methods} == set(ENDPOINTS)


@pytest.mark.slow
@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_every_answer_is_as_described(described, keyed, method, path, mode):
    """To what has the described form, and to what has not."""
    operation = described[path][method]

    @settings(max_examples=10, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(case=operation.as_strategy(generation_mode=mode))
    def answers(case):
        assume(len(str(case.query)) < LONGEST_ADDRESS)
        response = case.call(headers=keyed[1])
        assert response.status_code != 500, response.text
        if response.status_code in (429, 503):
            assert response.headers["retry-after"]
        case.validate_response(response, excluded_checks=NOT_HELD)

    answers()


FULL = [
    (
        "/search",
        {"query": "mug", "explain": True, "collapse": "group", "facets": ["brand", "price", "in_stock", "released"]},
    ),
    (
        "/search",
        {"query": "oak stool", "limit": 1, "boosts": [{"kind": "decay", "attribute": "released", "scale": "90d"}]},
    ),
    ("/search", {"query": [{"product": "stool"}], "weights": {"ii": 1, "it": 1, "ti": 1, "tt": 1}, "explain": True}),
    ("/search", {"query": "mug", "where": "price < 0"}),
    ("/search/batch", {"queries": [{"query": "mug"}, {"query": "stool", "fusion": "rrf", "explain": True}]}),
    ("/facets", {"query": "mug", "of": ["tags", "rating", "brand"]}),
    ("/embed", {"texts": ["mug"]}),
    ("/products/lookup", {"ids": ["stool", "nope"]}),
    ("/products/scan", {"limit": 3}),
]


@pytest.mark.parametrize(("path", "body"), FULL)
def test_answers_with_everything_in_them_are_as_described(described, keyed, path, body):
    address, key = keyed
    with stranger(address, headers=key) as http:
        response = http.post(path, json=body)
    assert response.status_code == 200, response.text
    described[path]["POST"].validate_response(response)


def test_an_answer_that_is_not_as_described_is_noticed(described, keyed):
    address, key = keyed
    with stranger(address, headers=key) as http:
        response = http.get("/products/stool")
    operation = described["/products/{product_id}"]["GET"]
    operation.validate_response(response)
    said = response.json()
    del said["product"]["title"]
    broken = httpx.Response(200, json=said, request=response.request)
    broken.elapsed = response.elapsed
    with pytest.raises(Exception, match='"title" is a required property'):
        operation.validate_response(broken)


@pytest.mark.parametrize("path", EXAMPLES)
def test_the_examples_are_answered(described, keyed, path):
    address, key = keyed
    media = described.raw_schema["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    assert [each["value"] for each in media["examples"].values()] == list(EXAMPLES[path].values())
    with stranger(address, headers=key) as http:
        for example in EXAMPLES[path].values():
            response = http.post(path, json=example)
            assert response.status_code == 200 or response.json()["code"] == "unknown_product", response.text
            described[path]["POST"].validate_response(response)
