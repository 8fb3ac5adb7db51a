from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtower_encoders.errors import InvalidConfig
from fourtower_search.errors import InvalidQuery
from fourtower_search.evaluation.judgments import Judged, Judgments
from fourtower_search.evaluation.measure import Search, evaluate


@dataclass(frozen=True)
class Product:
    product_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


def answers(**by_query: Sequence[str | Product]) -> Search:
    """A search that knows its answers."""

    def search(query: Judged, limit: int) -> list[Product]:
        found = by_query.get(query.query_id, ())
        return [each if isinstance(each, Product) else Product(each) for each in found][:limit]

    return search


def judged(**grades: Mapping[str, float]) -> Judgments:
    return Judgments(tuple(Judged(name, some, text=name) for name, some in grades.items()))


def test_graded_hits_by_hand() -> None:
    report = evaluate(answers(q=["x", "b", "a"]), judged(q={"a": 2, "b": 1, "c": 1}))
    got = 1 / math.log2(3) + 3 / math.log2(4)
    best = 3 + 1 / math.log2(3) + 1 / math.log2(4)
    expected = {"nDCG@10": got / best, "recall@10": 1, "MRR@10": 1 / 3, "Hit@1": 0, "Hit@10": 1}
    figures = report.figures()["text"]
    assert {name: figures[name] for name in expected} == pytest.approx(expected)
    assert "XC@1" not in figures, "nobody knows the categories"


def test_linear_gains_by_hand() -> None:
    judgments = Judgments((Judged("q", {"a": 1.0, "b": 0.1, "c": 0.01}),), "linear")
    report = evaluate(answers(q=["c", "b", "a"]), judgments)
    got = 0.01 + 0.1 / math.log2(3) + 1 / math.log2(4)
    best = 1 + 0.1 / math.log2(3) + 0.01 / math.log2(4)
    assert report.values["nDCG@10"] == pytest.approx([got / best])
    assert report.values["MRR@10"] == pytest.approx([1 / 3])


def test_recall_asks_for_no_more_answers_than_places() -> None:
    report = evaluate(answers(q=[f"p{n}" for n in range(20)]), judged(q={f"p{n}": 1 for n in range(5, 40)}))
    assert report.values["recall@10"] == pytest.approx([0.5])


def test_no_hit_counts_as_the_worst_answer() -> None:
    report = evaluate(answers(), judged(q={"a": 1}))
    assert {name: values.tolist() for name, values in report.values.items() if name != "XC@1"} == {
        "nDCG@10": [0],
        "recall@10": [0],
        "MRR@10": [0],
        "Hit@1": [0],
        "Hit@10": [0],
    }
    assert np.isnan(report.values["XC@1"]).all()


def test_a_query_without_right_answers_only_counts_in_times() -> None:
    report = evaluate(answers(a=["x"], b=["y"]), judged(a={"x": 1}, b={}))
    assert all(np.isnan(values[1]) for values in report.values.values())
    assert report.figures()["text"]["Hit@1"] == 1
    assert report.figures()["text"]["queries"] == 2


def test_the_same_product_again_is_no_second_answer() -> None:
    report = evaluate(answers(q=["a", "a", "b"]), judged(q={"a": 1, "b": 1}))
    assert report.values["recall@10"] == pytest.approx([1])
    assert report.values["nDCG@10"] == pytest.approx([(1 + 1 / math.log2(4)) / (1 + 1 / math.log2(3))])


@pytest.mark.parametrize(
    ("found", "own", "expected"),
    [("shoe", "mug", 1.0), ("mug", "mug", 0.0), (None, "mug", math.nan), ("mug", None, math.nan)],
)
def test_the_first_hit_may_be_of_another_category(found: str | None, own: str | None, expected: float) -> None:
    first = Product("a", {"kind": found} if found else {})
    judgments = Judgments((Judged("q", {"b": 1}, category=own),))
    report = evaluate(answers(q=[first]), judgments, category="kind")
    assert report.values["XC@1"] == pytest.approx([expected], nan_ok=True)


def test_kinds_are_measured_apart_and_together() -> None:
    queries = (Judged("a", {"x": 1}, "image"), Judged("b", {"x": 1}, "text"), Judged("c", {"x": 1}, "text"))
    figures = evaluate(answers(a=["x"], b=["y"], c=["x"]), Judgments(queries)).figures()
    assert {kind: row["Hit@1"] for kind, row in figures.items()} == pytest.approx(
        {"all": 2 / 3, "image": 1, "text": 0.5}
    )
    assert {kind: row["queries"] for kind, row in figures.items()} == {"all": 3, "image": 1, "text": 2}


def test_times_are_those_of_the_measured_calls_alone() -> None:
    ticks = iter([0.0, 0.010, 1.0, 1.030, 2.0, 2.020])
    calls: list[str] = []

    def search(query: Judged, limit: int) -> list[Product]:
        calls.append(query.query_id)
        return []

    done: list[int] = []
    judgments = judged(a={"x": 1}, b={"x": 1}, c={"x": 1})
    report = evaluate(search, judgments, clock=lambda: next(ticks), progress=done.append)
    assert calls == ["c", "a", "b", "c"]
    assert done == [1, 2, 3]
    assert report.milliseconds == pytest.approx([10, 30, 20])
    assert report.figures()["text"]["p50_ms"] == pytest.approx(20)
    assert report.figures()["text"]["p95_ms"] == pytest.approx(29)


def test_a_refused_query_is_named() -> None:
    def search(query: Judged, limit: int) -> list[Product]:
        raise InvalidQuery("The picture is broken.")

    with pytest.raises(InvalidQuery, match="Query 'q' was refused: The picture is broken"):
        evaluate(search, judged(q={"a": 1}))


def test_nothing_is_measured_with_nothing() -> None:
    with pytest.raises(InvalidConfig, match="no judged queries"):
        evaluate(answers(), Judgments(()))


IDS = st.lists(st.sampled_from([f"p{n}" for n in range(15)]), unique=True)


@given(found=IDS, grades=st.dictionaries(st.sampled_from([f"p{n}" for n in range(15)]), st.integers(1, 4)))
def test_figures_are_shares_and_agree_with_each_other(found: list[str], grades: dict[str, float]) -> None:
    report = evaluate(answers(q=found), judged(q=grades))
    figures = {name: float(values[0]) for name, values in report.values.items() if name != "XC@1"}
    if not grades:
        assert all(math.isnan(value) for value in figures.values())
        return
    assert all(0 <= value <= 1 + 1e-6 for value in figures.values())
    assert figures["Hit@1"] <= figures["MRR@10"] <= figures["Hit@10"]
    assert (figures["recall@10"] > 0) == (figures["Hit@10"] > 0) == (figures["MRR@10"] > 0)
    best = sorted(grades, key=lambda product_id: -grades[product_id])
    perfect = evaluate(answers(q=best), judged(q=grades))
    assert perfect.values["nDCG@10"] == pytest.approx([1])
    assert perfect.values["recall@10"] == pytest.approx([1])
