from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from fourtower_encoders.embedder import Embedder
from fourtower_search.client import SearchClient
from fourtower_search.evaluation.judgments import Judged, read_judgments
from fourtower_search.evaluation.live import asking, parts_of
from fourtower_search.evaluation.measure import evaluate
from fourtower_search.index.memory import MemoryRows
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.index.rows import ProductWrite
from fourtower_search.query.parts import Image, Text
from fourtower_search.query.words import MINUS_WEIGHT
from fourtower_search.schema import CatalogSchema


@pytest.fixture(scope="module")
def client(
    drawn_catalog: Path, catalog_writes: Sequence[ProductWrite], demo_embedder: Embedder
) -> Iterator[SearchClient]:
    rows = MemoryRows(CatalogSchema.load(drawn_catalog / "catalog.toml"), 2 * demo_embedder.dim)
    index = ProductIndex(rows, params=demo_embedder.params, model_id=demo_embedder.model_id)
    with index, SearchClient(index, model=demo_embedder) as client:
        assert {outcome.status for outcome in index.apply(catalog_writes)} == {"applied"}
        yield client


def test_the_parts_are_those_that_a_person_would_use() -> None:
    image, text, minus = parts_of(Judged("q", {}, text="-red mug", minus="plain", image=Path("a.jpg")))
    assert isinstance(image, Image)
    assert image.source == Path("a.jpg")
    assert (text, minus) == (Text("-red mug"), Text("plain", MINUS_WEIGHT))
    assert parts_of(Judged("q", {}, text="mug")) == [Text("mug")]


def test_a_live_index_is_measured_by_kind(client: SearchClient, drawn_catalog: Path) -> None:
    report = evaluate(asking(client.search), read_judgments(drawn_catalog / "judgments.test.jsonl"))
    figures = report.figures()
    assert set(figures) == {"all", "image", "text", "change_category", "change_colour", "add_attribute", "negation"}
    assert figures["text"]["nDCG@10"] > 0.7
    assert figures["image"]["Hit@10"] > 0.5
    assert figures["image"]["XC@1"] < 0.5
    assert figures["all"]["p95_ms"] >= figures["all"]["p50_ms"] > 0


def test_filters_of_judgments_are_obeyed(client: SearchClient) -> None:
    query = Judged("q", {}, text="mug", where={"must": [{"field": "category", "eq": "lamp"}]})
    assert {hit.attributes["category"] for hit in asking(client.search)(query, 5)} == {"lamp"}


def test_options_go_along(client: SearchClient) -> None:
    hits = asking(client.search, sort="-price")(Judged("q", {}, text="mug"), 5)
    prices = [hit.attributes["price"] for hit in hits]
    assert len(prices) == 5
    assert prices == sorted(prices, reverse=True)
