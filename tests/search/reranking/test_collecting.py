from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from fourtower_encoders.embedder import Embedder
from fourtower_search.client import SearchClient
from fourtower_search.evaluation.judgments import Judged, Judgments, read_judgments
from fourtower_search.index.memory import MemoryRows
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.index.rows import ProductWrite
from fourtower_search.query.parts import Text
from fourtower_search.reranking.collecting import Recorder, collect
from fourtower_search.reranking.features import ALIGNMENTS, Features
from fourtower_search.reranking.learning import learn
from fourtower_search.reranking.lists import JudgedList
from fourtower_search.reranking.listwise import ListwiseReranker
from fourtower_search.schema import CatalogSchema


@pytest.fixture(scope="module")
def index(
    drawn_catalog: Path, catalog_writes: Sequence[ProductWrite], demo_embedder: Embedder
) -> Iterator[ProductIndex]:
    rows = MemoryRows(CatalogSchema.load(drawn_catalog / "catalog.toml"), 2 * demo_embedder.dim)
    with ProductIndex(rows, params=demo_embedder.params, model_id=demo_embedder.model_id) as index:
        assert {outcome.status for outcome in index.apply(catalog_writes)} == {"applied"}
        yield index


@pytest.fixture(scope="module")
def judgments(drawn_catalog: Path) -> Judgments:
    return read_judgments(drawn_catalog / "judgments.test.jsonl")


@pytest.fixture(scope="module")
def lists(index: ProductIndex, demo_embedder: Embedder, judgments: Judgments) -> list[JudgedList]:
    recorder = Recorder()
    with SearchClient(index, model=demo_embedder, rerankers={Recorder.name: recorder}) as client:
        return collect(client.search, recorder, judgments, Features.of(index.schema))


def test_every_query_has_its_graded_candidates(lists: list[JudgedList], judgments: Judgments) -> None:
    assert [each.query_id for each in lists] == [query.query_id for query in judgments.queries]
    for each, query in zip(lists, judgments.queries, strict=True):
        assert len(each.product_ids) == len(set(each.product_ids)) == 100
        worth = [judgments.gain(query.grades[name]) if name in query.grades else 0.0 for name in each.product_ids]
        assert each.gains.tolist() == worth
        assert each.ideal[0] == max(judgments.gain(grade) for grade in query.grades.values())


def test_the_features_are_those_of_the_search(
    lists: list[JudgedList], index: ProductIndex, demo_embedder: Embedder
) -> None:
    names = Features.of(index.schema).names
    weights = demo_embedder.params.weights
    pairs = (weights.ii, weights.it, weights.ti, weights.tt)
    for each in lists[::25]:
        columns = dict(zip(names, each.table.T, strict=True))
        total = sum(weight * columns[name] for weight, name in zip(pairs, ALIGNMENTS, strict=True))
        assert columns["raw"] == pytest.approx(total, abs=1e-4)
        assert np.all((columns["relevance"] >= 0) & (columns["relevance"] <= 1))


def test_a_learned_reranker_reranks_a_live_search(
    lists: list[JudgedList], index: ProductIndex, demo_embedder: Embedder
) -> None:
    features = Features.of(index.schema)
    model = learn(lists, features, model_id=index.model_id)
    assert model.quality is not None
    assert model.quality.reranked >= model.quality.plain - 0.02
    rerankers = {"learned": ListwiseReranker(model)}
    with SearchClient(index, model=demo_embedder, rerankers=rerankers) as client:
        plain = client.search([Text("zebra mug")], limit=20)
        learned = client.search([Text("zebra mug")], limit=20, rerank="learned", explain=True)
    scores = [hit.score for hit in learned]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert [hit.score for hit in plain] != scores


def test_a_query_that_finds_nothing_is_left_out(index: ProductIndex, demo_embedder: Embedder) -> None:
    recorder, features = Recorder(), Features.of(index.schema)
    nothing = {"must": [{"field": "price", "lt": -1}]}
    queries = (Judged("a", {"p": 1}, text="mug", where=nothing), Judged("b", {"p": 1}, text="mug"))
    with SearchClient(index, model=demo_embedder, rerankers={Recorder.name: recorder}) as client:
        found = collect(client.search, recorder, Judgments(queries), features)
    assert [each.query_id for each in found] == ["b"]
    assert not found[0].gains.any()
