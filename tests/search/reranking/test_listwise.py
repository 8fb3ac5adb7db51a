from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.search.reranking.builders import SCHEMA, asked, candidate, vector

from fourtower_encoders.joint import Calibration
from fourtower_search.errors import IndexMismatch
from fourtower_search.ranking.rerank import Reranker
from fourtower_search.reranking.features import Features
from fourtower_search.reranking.listwise import MOST_BYTES, ListwiseReranker, read_model, write_model
from fourtower_search.reranking.model import Hidden, RerankModel, sigmoid
from fourtower_search.schema import CatalogSchema

FEATURES = Features.of(SCHEMA)
WIDTH = len(FEATURES.names)


def model(*, hidden: bool = False, **weights: float) -> RerankModel:
    random = np.random.default_rng(4)
    layer = Hidden(
        inputs=tuple(map(tuple, random.normal(size=(WIDTH, 3)).tolist())),
        biases=(0.1, 0.2, 0.3),
        outputs=(0.5, -0.5, 1.0),
    )
    return RerankModel(
        model_id="m",
        features=FEATURES,
        means=(1.0,) * WIDTH,
        scales=(2.0,) * WIDTH,
        temperature=1.5,
        weights=tuple(weights.get(name, 0.0) for name in FEATURES.names),
        hidden=layer if hidden else None,
        calibration=Calibration(slope=0.5, intercept=-1.0),
    )


CANDIDATES = [
    candidate("a", score=0.9, attributes={"rating": 1.0}),
    candidate("b", score=0.8, attributes={"rating": 5.0}),
    candidate("c", score=0.7),
]


def test_scores_by_hand() -> None:
    given = ListwiseReranker(model(rating=2.0))(asked(), CANDIDATES)
    odds = np.log(np.array([0.9, 0.8, 0.7]) / np.array([0.1, 0.2, 0.3]))
    ranked = 1.5 * odds + 2.0 * np.array([0.0, 2.0, 0.0])  # a missing rating counts as average
    assert given == pytest.approx(sigmoid(0.5 * ranked - 1.0).tolist())


def test_without_a_correction_the_order_is_the_plain_one() -> None:
    given = ListwiseReranker(model())(asked(), CANDIDATES)
    assert given == sorted(given, reverse=True)


def test_a_saved_model_scores_alike(tmp_path: Path) -> None:
    path = tmp_path / "reranker.json"
    write_model(model(hidden=True, rating=0.3, text_text=1.0), path)
    loaded: Reranker = ListwiseReranker.load(path, model_id="m", schema=SCHEMA)
    query = asked(vector=vector(("text", [1, 0, 0, 0], 1.0)))
    some = [candidate(f"p{n}", halves=np.eye(4)[[n, 3 - n]], score=0.5) for n in range(4)]
    assert loaded(query, some) == ListwiseReranker(model(hidden=True, rating=0.3, text_text=1.0))(query, some)
    assert [each.name for each in tmp_path.iterdir()] == ["reranker.json"]


def test_nothing_to_rank_is_no_error() -> None:
    assert ListwiseReranker(model())(asked(), []) == []


def test_another_model_or_catalog_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "reranker.json"
    write_model(model(), path)
    with pytest.raises(IndexMismatch, match=r"fitted with model 'm', but this index was built by 'other'"):
        ListwiseReranker.load(path, model_id="other", schema=SCHEMA)
    with pytest.raises(IndexMismatch, match="needs brand, in_stock, rating, tags"):
        ListwiseReranker.load(path, model_id="m", schema=CatalogSchema())


def damaged(**changes: object) -> bytes:
    return json.dumps({**json.loads(model(hidden=True).model_dump_json()), **changes}).encode()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "JSON"),
        (b"\x80\x04K\x01.", "JSON"),
        (damaged(schema_version=2), "schema_version"),
        (damaged(means=[0.0]), "numbers for"),
        (damaged(scales=[0.0] * WIDTH), "above 0"),
        (damaged(weights=[1e999] * WIDTH), "finite"),
        (damaged(temperature=-1), "temperature"),
        (damaged(calibration={"slope": -1, "intercept": 0}), "above 0"),
        (damaged(hidden={"inputs": [[1.0]] * WIDTH, "biases": [0.0], "outputs": [0.0, 1.0]}), "hidden layer"),
        (damaged(hidden={"inputs": [[1.0, 2.0]] * WIDTH, "biases": [0.0], "outputs": [0.0]}), "hidden unit"),
        (damaged(hidden={"inputs": [[1.0]], "biases": [0.0], "outputs": [0.0]}), "numbers for"),
        (damaged(surprise=1), "surprise"),
        (b" " * (MOST_BYTES + 1), "larger than any"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "reranker.json"
    path.write_bytes(content)
    with pytest.raises(IndexMismatch) as caught:
        read_model(path)
    assert problem in str(caught.value)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(IndexMismatch, match="rerank fit"):
        read_model(tmp_path / "none.json")


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(-1e6, 1e6) | st.none()), min_size=1))
def test_scores_are_shares_whatever_the_signals(values: list[tuple[float, float | None]]) -> None:
    some = [
        candidate(f"p{n}", score=score, attributes={} if rating is None else {"rating": rating})
        for n, (score, rating) in enumerate(values)
    ]
    given = ListwiseReranker(model(hidden=True, rating=1.0))(asked(), some)
    assert all(0 <= score <= 1 for score in given)
