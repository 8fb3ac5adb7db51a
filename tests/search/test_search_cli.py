"""`fourtower search`, called as the console does; exit codes and sentences are those that a person sees."""

import json
import sys

import pytest
from tests.search import sdk
from tests.search.remote.stand import Stand, problem

from fourtower_ingest.parsing import parse_event
from fourtower_search.index.opening import create_index
from fourtower_search.index.settings import IndexSettings
from fourtower_search.reranking.features import Features
from fourtower_search.reranking.listwise import write_model
from fourtower_search.reranking.model import RerankModel
from fourtower_workers.cli import main
from fourtower_workers.indexing import Indexer

HOSTILE = "<script>alert(1)</script> [/bold] \x1b[31m"


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs `fourtower search ...`; gives its exit code, stdout and stderr."""

    def run(*arguments):
        monkeypatch.setenv("COLUMNS", "100")
        monkeypatch.setattr(sys, "argv", ["fourtower", "search", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def hostile_file(tmp_path, drawn_catalog, demo_embedder):
    """An index of one product whose every text tries to be more than text, and whose pictures lie elsewhere."""
    line = sdk.event(
        "[/bold]",
        title=HOSTILE,
        description=HOSTILE,
        images=[{"url": "link.jpg"}],
        attributes={"category": "mug", "material": HOSTILE},
    )
    secret = drawn_catalog / "images" / "p7-000000-0.jpg"
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "link.jpg").write_bytes(secret.read_bytes())
    plan = sdk.plan_of(drawn_catalog, demo_embedder, index=IndexSettings(type="FLAT"))
    path = tmp_path / "hostile.db"
    with create_index(str(path), plan, params=demo_embedder.params) as index:
        (outcome,) = Indexer(index, demo_embedder, image_root=tmp_path / "pictures").index_events([parse_event(line)])
        assert outcome.status == "applied"
    (tmp_path / "pictures" / "link.jpg").unlink()
    (tmp_path / "pictures" / "link.jpg").symlink_to(secret)
    return path


def test_a_table(call, lite_file):
    code, printed, said = call("mug", "--index", lite_file, "--limit", 3, "--facet", "category", "--mode", "vector")
    assert (code, said) == (0, "")
    assert "relevance" in printed
    assert "3 of 100 or more products" in printed
    assert "category: mug " in printed


def test_json(call, lite_file, drawn_catalog):
    photo = drawn_catalog / "images" / "p7-000000-0.jpg"
    where = "price < 1000 and category != 'lamp'"
    code, printed, said = call(
        "--image", photo, "--index", lite_file, "--where", where, "--sort=-price", "--json", "--explain"
    )
    assert (code, said) == (0, "")
    found = json.loads(printed)
    prices = [hit["attributes"]["price"] for hit in found["hits"]]
    assert prices == sorted(prices, reverse=True)
    assert found["generation"] == "products_g1"
    assert found["hits"][0]["explanation"]["value"] == found["hits"][0]["score"]


def test_explanations_and_a_page(call, lite_file, drawn_catalog, tmp_path):
    page = tmp_path / "page.html"
    photo = drawn_catalog / "images" / "p7-000000-0.jpg"
    options = ("--index", lite_file, "--limit", 2, "--explain", "--html", page, "--image-root", drawn_catalog)
    code, printed, said = call("mug", "--image", photo, *options)
    assert (code, said) == (0, f"Wrote {page}\n")
    assert "query_text · product_text" in printed
    assert "mixed query" in printed
    assert page.read_text().count("src='data:image/jpeg;base64,") == 3, "the photo and two hits"


def test_similar_products(call, lite_file):
    code, printed, _ = call("--similar", "p7-000001", "--index", lite_file, "--json", "--limit", 3)
    assert code == 0
    assert "p7-000001" not in [hit["product_id"] for hit in json.loads(printed)["hits"]]


def test_a_service_is_asked_as_a_file_is(call, service, lite_file, drawn_catalog, tmp_path):
    photo = drawn_catalog / "images" / "p7-000000-0.jpg"
    asked = ("mug", "--image", photo, "--limit", 3, "--where", "price < 100", "--mode", "vector")
    assert call(*asked, "--index", service)[1].split() != []
    shown = [call(*asked, "--json", "--index", index) for index in (service, lite_file)]
    assert [code for code, _, _ in shown] == [0, 0], shown
    remote, embedded = ([hit["product_id"] for hit in json.loads(printed)["hits"]] for _, printed, _ in shown)
    assert remote == embedded
    page = tmp_path / "page.html"
    assert call(*asked, "--index", service, "--html", page, "--image-root", drawn_catalog)[0] == 0
    assert page.read_text().count("src='data:image/jpeg;base64,") == 4


def test_a_key_of_the_environment_goes_to_services_only(call, lite_file, drawn_catalog, demo_embedder, monkeypatch):
    stand = Stand()
    monkeypatch.setenv("FOURTOWER_API_KEY", "ft_key")
    monkeypatch.setenv("FOURTOWER_TOKEN", "root:Milvus")
    monkeypatch.setenv("FOURTOWER_ALIAS", "products")
    try:
        stand.answers(problem("forbidden", 403, "This key may not search."))
        code, _, said = call("mug", "--index", stand.address)
    finally:
        stand.close()
    assert (code, said[:35]) == (1, "fourtower: This key may not search.")
    assert {asked.headers["authorization"] for asked in stand.asked} == {"Bearer ft_key"}
    assert call("mug", "--index", lite_file, "--limit", 1)[0] == 0


def test_nothing_relevant_is_an_answer(call, lite_file):
    assert call("mug", "--index", lite_file, "--min-relevance", 1)[:2] == (0, "Nothing relevant was found.\n")


def test_a_learned_reranker_is_named_by_its_file(call, lite_file, demo_embedder, drawn_catalog, tmp_path):
    features = Features.of(sdk.schema_of(drawn_catalog))
    width = len(features.names)
    plain = RerankModel(
        model_id=demo_embedder.model_id, features=features, means=(0.0,) * width, scales=(1.0,) * width,
        weights=(0.0,) * width,
    )  # fmt: skip
    write_model(plain, tmp_path / "reranker.json")
    options = ("--index", lite_file, "--rerank", tmp_path / "reranker.json", "--explain", "--limit", 1)
    code, printed, _ = call("mug", *options)
    assert code == 0
    assert "re-ranked by listwise" in printed


def test_a_catalog_takes_over_neither_terminal_nor_page(call, hostile_file, tmp_path):
    page = tmp_path / "page.html"
    options = ("--index", hostile_file, "--explain", "--html", page, "--image-root", tmp_path / "pictures")
    code, printed, said = call("mug", *options)
    assert code == 0, said
    assert "\x1b" not in printed
    assert "[/bold]" in printed
    assert "<script>" not in page.read_text()
    assert "src=" not in page.read_text(), "the link leads out of the folder of pictures"
    assert "not shown" in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 2, "fourtower: The query is empty; give it words"),
        (["mug", "--where", "prices < 5"], 2, "fourtower: The catalog has no attribute 'prices'"),
        (["mug", "--sort", "stock"], 2, "fourtower: Can't sort by 'stock', which is int and not sortable"),
        (["mug", "--image", "gone.jpg"], 2, "fourtower: Picture 1 of the query: 'gone.jpg' can't be read"),
        (["mug", "--similar", "stool"], 2, "fourtower: --similar takes neither words nor photos"),
        (["--similar", "stool", "--mode", "lexical"], 2, "fourtower: --similar goes by pictures and text together"),
        (["--similar", "nobody"], 1, "fourtower: The index holds no product 'nobody'"),
        (["mug", "--alias", "shoes"], 1, "fourtower: There is no index 'shoes' at "),
        (["mug", "--model", "gone"], 1, "fourtower: There is no checkpoint folder gone"),
        (["mug", "--rerank", "gone.json"], 1, "fourtower: gone.json: No such file or directory"),
        (["mug", "--rerank", "magic"], 2, "fourtower: There is no re-ranker 'magic'"),
        (["mug", "--html", "/nowhere/page.html"], 1, "fourtower: /nowhere/page.html: No such file or directory."),
        (["mug", "--index", "redis://x"], 2, "fourtower: 'redis://x' is no address of an index"),
        (["mug", "--index", "http://127.0.0.1:9"], 1, "fourtower: http://127.0.0.1:9 can't be reached"),
        (
            ["mug", "--index", "http://a:b@host"],
            2,
            "fourtower: This is an address of a service with a user or password",
        ),
        (["mug", "--index", "http://x", "--model", "demo"], 2, "fourtower: model is decided where the service runs"),
        (["mug", "--limit", "0"], 2, "Invalid value for '--limit'"),
        (["mug", "--mode", "magic"], 2, "Invalid value for '--mode'"),
        (["mug", "--colour", "red"], 2, "No such option"),
    ],
)
def test_wrong_calls(call, lite_file, arguments, code, sentence):
    index = [] if "--index" in arguments else ["--index", lite_file]
    found, printed, said = call(*arguments, *index)
    assert (found, printed) == (code, "")
    assert sentence in " ".join(said.replace("│", " ").split())
    assert "Traceback" not in said


def test_a_missing_index_comes_with_the_command_that_makes_one(call, tmp_path):
    code, _, said = call("mug", "--index", tmp_path / "none.db")
    assert code == 1
    assert "Make one: fourtower index load EVENTS.jsonl --index" in said
    assert said.count("\n") == 1
