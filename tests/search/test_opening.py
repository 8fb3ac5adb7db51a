"""Opening an index: the model that built it, or a sentence that says what is missing; and nothing is left open."""

import gc
import shutil

import pytest
from tests.search import sdk

from fourtower_encoders.checkpoint import locate
from fourtower_encoders.errors import CheckpointError
from fourtower_search import SearchClient
from fourtower_search.client import connect
from fourtower_search.errors import IndexMismatch, InvalidQuery, SearchError
from fourtower_search.index.opening import create_index, open_index
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.index.settings import IndexSettings


@pytest.fixture
def empty(tmp_path, drawn_catalog, demo_embedder):
    """Makes an empty index in a file, from a plan with changes."""

    def make(name="empty.db", **changes):
        plan = sdk.plan_of(drawn_catalog, demo_embedder, index=IndexSettings(type="FLAT"), **changes)
        create_index(str(tmp_path / name), plan).close()
        return tmp_path / name

    return make


def test_the_model_that_the_index_records_is_loaded(empty):
    with connect(empty()) as client:
        assert client.search("mug").hits == ()
        assert client.generation == "products_g1"
        assert client.count() == 0


def test_the_model_may_lie_elsewhere(empty, tmp_path):
    path = empty(model=str(tmp_path / "moved-away"))
    with pytest.raises(IndexMismatch, match=r"records .*moved-away as its model, which can't be loaded here"):
        SearchClient(path)
    shutil.copytree(locate("demo"), tmp_path / "here")
    with SearchClient(path, model=tmp_path / "here") as client:
        assert client.search("mug").hits == ()


def test_another_model_is_refused(empty, demo_embedder):
    path = empty(model_id="0123456789abcdef")
    with pytest.raises(IndexMismatch, match=r"built with model 0123456789abcdef, this is .*; pass model="):
        SearchClient(path)
    with pytest.raises(IndexMismatch, match="built with model 0123456789abcdef"):
        SearchClient(path, model=demo_embedder)


def test_a_model_that_is_none_is_refused(empty, tmp_path):
    with pytest.raises(CheckpointError):
        SearchClient(empty(), model=tmp_path)


def test_an_index_of_objects_needs_a_model(shop):
    unrecorded = ProductIndex(shop.store, params=shop.params, model_id=shop.model_id)
    with pytest.raises(IndexMismatch, match=r"records no model; pass model= the checkpoint that built it"):
        SearchClient(unrecorded)
    with SearchClient(shop) as client:
        assert client.search("mug").hits, "a recorded one is found by itself"


def test_a_missing_index_comes_with_the_command_that_makes_one(tmp_path, empty):
    missing = tmp_path / "missing.db"
    with pytest.raises(IndexMismatch, match=f"no index 'products' at {missing}. Make one: fourtower index load"):
        SearchClient(missing)
    with pytest.raises(IndexMismatch, match="no index 'shoes' at "):
        SearchClient(empty(), alias="shoes")


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("http://", "address of a service with no usable host"),
        ("http://user:secret@localhost:8000", "with a user or password; pass the service's key as api_key"),
        ("redis://localhost", "is no address of an index; write ./products.db"),
        ("products", "is no address of an index"),
        ("gone/products.db", "the folder gone does not exist"),
    ],
)
def test_what_is_no_address_is_refused(address, sentence):
    with pytest.raises(InvalidQuery, match=sentence):
        SearchClient(address)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"cursor_key": b""}, "cursor_key must be at least 16 bytes"),
        ({"cursor_key": "a" * 32}, "cursor_key must be at least 16 bytes"),
        ({"timeout_s": -1}, "timeout_s is -1; it must be a number of seconds"),
        ({"timeout_s": "soon"}, "timeout_s is 'soon'"),
        ({"alias": "Shoes!"}, "can't name an index"),
        ({"api_key": "ft_key"}, "An API key is for a service"),
    ],
)
def test_wrong_settings_are_refused(settings, sentence, empty, demo_embedder):
    with pytest.raises(InvalidQuery, match=sentence):
        SearchClient(empty(), model=demo_embedder, **settings)


def test_an_opening_that_fails_leaves_nothing_open(empty, demo_embedder):
    """Milvus Lite's engine would keep the file locked against other processes."""
    from milvus_lite.server_manager import server_manager_instance

    path = empty(model_id="another")
    for model in (None, demo_embedder):
        with pytest.raises(IndexMismatch):
            SearchClient(path, model=model)
    assert str(path) not in server_manager_instance._servers


def test_a_closed_client_lets_go_of_its_file(empty):
    from milvus_lite.server_manager import server_manager_instance

    path = empty()
    with SearchClient(path) as client:
        client.search("mug")
        assert str(path) in server_manager_instance._servers
    assert str(path) not in server_manager_instance._servers
    gc.collect()  # a channel that was left open would warn


def test_what_the_caller_opened_stays_open(own_index, demo_embedder):
    with SearchClient(own_index, model=demo_embedder) as client:
        client.search("mug")
    assert own_index.count() == 161
    assert demo_embedder.embed_texts(["mug"], role="query_text").shape == (1, demo_embedder.dim)


def test_two_clients_share_a_file(lite_file, demo_embedder):
    with SearchClient(lite_file, model=demo_embedder) as one, SearchClient(lite_file, model=demo_embedder) as other:
        assert sdk.ids(one.search("mug")) == sdk.ids(other.search("mug"))
    with open_index(str(lite_file)) as index:
        assert index.count() == 161


def test_plugins_and_rerankers_of_ones_own(shop, demo_embedder):
    def by_price(query, candidates):
        return [1 / (1 + (each.number("price") or 1e9)) for each in candidates]

    def broken(query, candidates):
        return [0.5]

    rerankers = {"by_price": by_price, "broken": broken}
    with SearchClient(shop, model=demo_embedder, rerankers=rerankers) as client:
        prices = [hit.attributes["price"] for hit in client.search("mug", rerank="by_price", depth=30)]
        assert prices == sorted(prices)
        explained = client.search("mug", rerank="by_price", explain=True, limit=1)[0]
        assert explained.explanation.label == "re-ranked by by_price"
        with pytest.raises(SearchError, match="'broken' must return one finite score for each of"):
            client.search("mug", rerank="broken")
        with pytest.raises(InvalidQuery, match=r"Known: .*broken, by_price"):
            client.search("mug", rerank="by_prices")
