"""Each generation answers judged queries with the model that built it."""

from __future__ import annotations

import pytest
from tests.search import sdk

from fourtower_encoders.embedder import Embedder
from fourtower_encoders.synth import SynthConfig, write_catalog
from fourtower_search.errors import IndexMismatch, InvalidQuery
from fourtower_search.index.generations import MemoryGenerations
from fourtower_search.index.opening import open_generation
from fourtower_workers.reindexing.relevance import Candidate, compare_relevance


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    write_catalog(folder, SynthConfig(products=40, size=64, photos=1, test_share=0.8, val_share=0.1, tasks_per_kind=8))
    return folder


@pytest.fixture(scope="module")
def generations(folder, tiny_towers):
    """A generation of the shipped towers, and one of towers that learned nothing."""
    opened = MemoryGenerations("shop")
    for model in ("demo", str(tiny_towers)):
        with Embedder.load(model, runtime="onnx") as embedder:
            record = opened.create(sdk.plan_of(folder, embedder, model=model), timeout_s=10)
            with open_generation(opened, record, params=embedder.params) as index:
                sdk.fill(index, sdk.indexed(folder, embedder))
    return opened


@pytest.fixture(scope="module")
def records(generations):
    return generations.records(timeout_s=10)


def test_towers_that_learned_nothing_are_worse_whichever_side_they_stand_on(generations, records, folder):
    judgments, asked = folder / "judgments.test.jsonl", []
    demo, tiny = map(Candidate, records)
    found = compare_relevance(generations, demo, tiny, judgments, advance=asked.append)
    assert found.queries == len(judgments.read_text().splitlines())
    assert sum(asked) == 2 * found.queries
    assert found.live > found.following + 0.2
    assert found.difference.mean == pytest.approx(found.following - found.live, abs=1e-6)
    assert found.difference.high < 0
    back = compare_relevance(generations, tiny, demo, judgments)
    assert (back.live, back.following) == (found.following, found.live)
    assert back.difference.low > 0


def test_a_model_that_lies_elsewhere_can_be_named(generations, records, folder, tmp_path):
    lost = records[0].model_copy(update={"model": str(tmp_path / "gone")})
    judgments = folder / "one.jsonl"
    judgments.write_text((folder / "judgments.test.jsonl").read_text().splitlines()[-1] + "\n")
    with pytest.raises(IndexMismatch, match=r"built with .*gone, which can't be loaded here .* with --model"):
        compare_relevance(generations, Candidate(lost), Candidate(records[1]), judgments)
    assert compare_relevance(generations, Candidate(lost, "demo"), Candidate(records[1]), judgments).queries == 1
    with pytest.raises(IndexMismatch, match="built with model"):
        compare_relevance(generations, Candidate(records[1], "demo"), Candidate(records[0]), judgments)


def test_judgments_without_a_right_answer_compare_nothing(generations, records, tmp_path):
    judgments = tmp_path / "empty.jsonl"
    judgments.write_text('{"query_id": "q", "text": "mug", "grades": {}}\n')
    with pytest.raises(InvalidQuery, match=r"No query of .* has a right answer"):
        compare_relevance(generations, Candidate(records[0]), Candidate(records[1]), judgments)
