"""From start to end: the index is opened in the background, readiness stays, and what was begun is finished."""

import pytest
from tests.search import sdk
from tests.search.service.live import error_of, running, settings_of, stranger, until
from tests.services.milvus import start_lite
from tests.services.processes import Server, free_port

from fourtower_search.errors import AccessDenied, IndexMismatch
from fourtower_search.index.opening import create_index
from fourtower_search.service.app import create_app

SEARCH = {"query": "red mug", "limit": 3}


@pytest.fixture
def engine(tmp_path, drawn_catalog, shop_writes, demo_embedder):
    """A server with an index, which does not run yet."""
    port = free_port()
    server = Server(lambda: start_lite(tmp_path / "milvus", port=port))
    server.start()
    address = f"milvus://127.0.0.1:{port}"
    with create_index(address, sdk.plan_of(drawn_catalog, demo_embedder), params=demo_embedder.params) as index:
        sdk.fill(index, shop_writes)
    server.stop()
    server.address = address
    yield server
    server.kill()


def test_it_waits_for_its_index_then_stays_ready_whatever_happens_to_it(engine):
    app = create_app(settings_of(index=engine.address, timeout_s=3.0, page=False))
    service = app.state.service
    with running(app) as address, stranger(address) as http:
        early = http.post("/search", json=SEARCH)
        said = error_of(early, 503, "index_unavailable")
        assert "not opened its index yet" in said["message"]
        assert int(early.headers["retry-after"]) >= 1
        assert "not opened its index yet" in service.unready()
        engine.start()
        until(lambda: not service.unready(), 60)
        assert len(http.post("/search", json=SEARCH).json()["hits"]) == 3
        engine.stop()
        away = http.post("/search", json=SEARCH)
        error_of(away, 503, "index_unavailable")
        assert away.headers["retry-after"]
        assert service.unready() == "", "a blip of the engine takes no replica out of service"
        engine.start()
        until(lambda: http.post("/search", json=SEARCH).status_code == 200, 60)


def test_an_index_in_a_file_is_opened_and_let_go_of(lite_file, drawn_catalog):
    settings = settings_of(index=str(lite_file), image_root=drawn_catalog, cursor_key="k" * 32)
    for _ in range(2):  # a file that somebody holds can't be opened a second time
        app = create_app(settings)
        with running(app) as address, stranger(address) as http:
            until(lambda app=app: not app.state.service.unready())
            assert http.post("/search", json=SEARCH).json()["hits"]
            assert http.get("/schema").json()["image_root"] is True


def test_an_index_that_will_never_be_there_ends_the_service(tmp_path):
    given_up = []
    app = create_app(settings_of(index=str(tmp_path / "none.db")), failed=lambda: given_up.append(True))
    with running(app) as address, stranger(address) as http:
        until(lambda: given_up)
        assert isinstance(app.state.service.failure, IndexMismatch)
        assert "There is no index" in app.state.service.unready()
        error_of(http.post("/search", json=SEARCH), 503, "index_unavailable")


def test_it_refuses_to_stand_open_to_others():
    with pytest.raises(AccessDenied, match="no API keys are set"):
        create_app(settings_of(host="0.0.0.0"))
    assert create_app(settings_of(host="0.0.0.0", insecure=True))
