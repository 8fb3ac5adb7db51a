"""The metrics count what happened."""

import pytest
from tests.search.service.live import running, settings_of, stranger, until

from fourtower_search.client import SearchClient
from fourtower_search.service.app import create_app


@pytest.fixture
def measured(shop, demo_embedder):
    """A service that nobody has asked yet, and a way to read its metrics."""
    with SearchClient(shop, model=demo_embedder) as client:
        app = create_app(settings_of(), client=client)
        registry = app.state.service.metrics.registry

        def value(name, **labels):
            return registry.get_sample_value(f"fourtower_service_{name}", labels)

        with running(app) as address, stranger(address) as http:
            yield http, value


def test_requests_are_counted_by_route_and_status(measured):
    http, value = measured
    for query in ("mug", "mug", "stool"):
        assert http.post("/search", json={"query": query}).status_code == 200
    http.post("/search", json={"limt": 1})
    http.get("/products/stool")
    http.get("/products/a%2Fb%2Fc")
    http.get("/nonsense/1")
    http.get("/nonsense/2")
    product = "/products/{product_id:path}"
    until(lambda: value("requests_total", route="other", status="404") == 2)
    assert value("requests_total", route="/search", status="200") == 3
    assert value("requests_total", route="/search", status="422") == 1
    assert value("requests_total", route=product, status="200") == 1
    assert value("requests_total", route=product, status="404") == 1
    assert value("request_seconds_count", route="/search") == 4
    assert 0 < value("request_seconds_sum", route="/search") < 60


def test_searches_embeddings_and_refused_pictures_are_counted(measured, photo):
    http, value = measured
    for _ in range(2):
        http.post("/search", json={"query": "mug"})
    http.post("/search/batch", json={"queries": [{"query": "mug"}, {"query": "stool"}]})
    http.get("/products/stool")
    http.post("/search", files={"image": b"no picture"})
    http.post("/search", files={"image": photo[:100]})
    http.post("/search", json={"query": "a", "limit": 0})
    until(lambda: value("running") == 0)
    assert value("batched_searches_total") == 6
    assert 3 <= value("batches_total") <= 6
    assert value("calls_total") == 1
    assert value("waiting") == 0
    assert value("images_refused_total") == 2
    assert value("embeddings_total", **{"from": "memory"}) >= 2
    assert value("embeddings_total", **{"from": "model"}) >= 2
