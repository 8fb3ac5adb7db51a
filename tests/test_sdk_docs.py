"""The page about the SDK is true: its examples run, in order, beside an index and a photo; its tables are complete."""

import re
import shutil
from pathlib import Path

import pytest
from tests.search.service.live import running, settings_of

from fourtower_encoders.embedder import Embedder
from fourtower_encoders.synth import SynthConfig, write_catalog
from fourtower_search import SearchClient, errors
from fourtower_search.index.opening import open_index
from fourtower_search.query.sugar import SearchOptions
from fourtower_search.service.app import create_app
from fourtower_workers.index_cli import load

PAGE = Path(__file__).parents[1] / "docs" / "sdk.md"
ELSEWHERE = {"where", "explain", "facets", "cursor", "image_amount"}
"""Options that have a section of their own."""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder as the page wants it."""
    write_catalog(tmp_path / "catalog", SynthConfig(products=48, size=64, photos=1, tasks_per_kind=8))
    load(tmp_path / "catalog" / "events.jsonl", index=str(tmp_path / "products.db"))
    photo = next((tmp_path / "catalog" / "street").iterdir())
    shutil.copy(photo, tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def service(here):
    """The address of a service of that index."""
    with SearchClient("products.db") as client, running(create_app(settings_of(page=False), client=client)) as address:
        yield address


def test_every_example_runs(here, service, capsys):
    text = PAGE.read_text().replace("http://localhost:8000", service)
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    names = {}
    for number, block in enumerate(blocks):
        exec(compile(block, f"docs/sdk.md, example {number + 1}", "exec"), names)
    printed = capsys.readouterr().out
    assert len(blocks) >= 15
    assert "Can't sort by 'prise', which is not declared. Possible: price, rating." in printed
    assert "vector score" in printed
    assert names["mugs"].hits
    assert len(names["everything"]) == 48
    assert names["first"].next_cursor
    assert not {hit.product_id for hit in names["first"]} & {hit.product_id for hit in names["second"]}
    with Embedder.load("demo", runtime="onnx") as towers, open_index("products.db") as index:
        assert index.model_id == towers.model_id, "the client that was closed holds the file no longer"


def test_the_table_of_options_has_all_of_them():
    table = PAGE.read_text().split("| Option |")[1].split("\n\n")[0]
    named = set(re.findall(r"`(\w+)`", "\n".join(line.split("|")[1] for line in table.splitlines()[2:])))
    assert named | ELSEWHERE == set(SearchOptions.__annotations__)
    for option in ELSEWHERE:
        assert f"{option}=" in PAGE.read_text()


def test_the_table_of_errors_has_those_that_a_search_can_raise():
    table = PAGE.read_text().split("| Error |")[1]
    raised = {name for name, kind in vars(errors).items() if isinstance(kind, type)} - {"SearchError", "InvalidCatalog"}
    assert {name for name in raised if f"`{name}`" not in table} == set()
