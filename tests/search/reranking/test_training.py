from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtower_search.reranking.lists import JudgedList, Lists
from fourtower_search.reranking.model import logit, sigmoid
from fourtower_search.reranking.training import Problem, fit, loss, start


def judged(plain: list[float], gains: list[float], table: list | None = None, **fields) -> JudgedList:
    return JudgedList(
        fields.get("query_id", "q"),
        fields.get("source", "s"),
        fields.get("product_ids", tuple(f"p{n}" for n in range(len(plain)))),
        np.array(plain),
        np.array(table if table is not None else [[0.0]] * len(plain)),
        np.array(gains),
        np.array(sorted(gains, reverse=True)[:10]),
    )


def random_problem(seed: int, *, queries: int = 4, width: int = 5, features: int = 3) -> Problem:
    random = np.random.default_rng(seed)
    lists = [
        judged(
            random.uniform(0.1, 0.9, size).tolist(),
            [1.0, *random.integers(0, 2, size - 1).tolist()],
            random.normal(size=(size, features)).tolist(),
        )
        for size in random.integers(2, width + 1, queries)
    ]
    together = Lists.of(lists)
    return Problem.of(together, together.table)


def test_the_loss_of_two_candidates_by_hand() -> None:
    lists = Lists.of([judged([sigmoid(np.array(1.0)).item(), 0.5], [1, 0], [[0.0], [2.0]])])
    problem = Problem.of(lists, lists.table)
    value, gradients = loss(
        problem, {"log_temperature": np.array(0.0), "weights": np.array([0.25])}, penalty=0.1
    )  # scores 1 and 0.5
    first = math.exp(1) / (math.exp(1) + math.exp(0.5))
    assert value == pytest.approx(-math.log(first) + 0.1 * 0.25**2)
    assert gradients["weights"] == pytest.approx([(1 - first) * 2 + 2 * 0.1 * 0.25])
    assert gradients["log_temperature"] == pytest.approx(first - 1)


@pytest.mark.parametrize("hidden", [0, 3])
def test_gradients_agree_with_differences(hidden: int) -> None:
    problem = random_problem(5)
    random = np.random.default_rng(1)
    parameters = {name: value + random.normal(0, 0.4, value.shape) for name, value in start(3, hidden, seed=2).items()}
    _, gradients = loss(problem, parameters, penalty=0.05)
    for name, value in parameters.items():
        numeric = np.zeros(value.shape)
        for place in np.ndindex(value.shape):
            moved = [dict(parameters), dict(parameters)]
            for each, step in zip(moved, (1e-5, -1e-5), strict=True):
                each[name] = np.array(value)
                each[name][place] += step
            up, down = (loss(problem, each, penalty=0.05)[0] for each in moved)
            numeric[place] = (up - down) / 2e-5
        assert gradients[name] == pytest.approx(numeric, abs=1e-7), name


def test_places_without_a_candidate_change_nothing() -> None:
    problem = random_problem(3, queries=3, width=4)
    wider = Problem(
        *(np.concatenate([each, np.full((3, 2, *each.shape[2:]), filler)], axis=1) for each, filler in (
            (problem.prior, 50.0), (problem.inputs, 9.0), (problem.targets, 0.0))),
        present=np.concatenate([problem.present, np.zeros((3, 2), bool)], axis=1),
    )  # fmt: skip
    parameters = {"log_temperature": np.array(0.3), "weights": np.array([0.1, -0.2, 0.5])}
    one, other = (loss(each, parameters, penalty=0.0) for each in (problem, wider))
    assert one[0] == pytest.approx(other[0])
    assert one[1]["weights"] == pytest.approx(other[1]["weights"])


def test_lists_that_can_teach_nothing_are_left_out() -> None:
    lists = Lists.of([judged([0.5, 0.4], [0, 0]), judged([0.5], [1]), judged([0.5, 0.4], [0, 1])])
    assert Problem.of(lists, lists.table).prior.shape[0] == 1


@pytest.mark.parametrize("hidden", [0, 4])
def test_fitting_lowers_the_loss_and_is_repeatable(hidden: int) -> None:
    problem = random_problem(7, queries=30, width=8)
    before = loss(problem, start(3, hidden, seed=0), penalty=0.01)[0]
    fitted = [fit(problem, hidden=hidden, penalty=0.01, seed=0) for _ in range(2)]
    assert loss(problem, fitted[0], penalty=0.01)[0] < before
    for name, value in fitted[0].items():
        assert np.array_equal(value, fitted[1][name])


def test_a_strong_penalty_leaves_no_correction() -> None:
    fitted = fit(random_problem(7, queries=30, width=8), hidden=0, penalty=1e4)
    assert np.abs(fitted["weights"]).max() < 1e-3


def test_ndcg_by_hand_and_ties_by_product_id() -> None:
    lists = Lists.of([judged([0.5, 0.5, 0.9], [3, 1, 0], product_ids=("b", "a", "c")), judged([0.1], [1])])
    perfect = 3 + 1 / math.log2(3)
    assert lists.ndcg(lists.plain) == pytest.approx([(1 / math.log2(3) + 3 / 2) / perfect, 1])
    assert lists.ndcg(-lists.plain)[0] == pytest.approx((1 + 3 / math.log2(3)) / perfect)


def test_what_was_not_found_counts_in_the_ideal() -> None:
    one = judged([0.5, 0.4], [0, 1])
    missing = JudgedList(
        one.query_id, one.source, one.product_ids, one.plain, one.table, one.gains, np.array([5.0, 1.0])
    )
    lists = Lists.of([missing])
    assert lists.ndcg(lists.plain) == pytest.approx([(1 / math.log2(3)) / (5 + 1 / math.log2(3))])


@given(st.floats(1e-12, 1 - 1e-12))
def test_logit_and_sigmoid_are_inverse(score: float) -> None:
    assert sigmoid(logit(np.array(score))) == pytest.approx(score, rel=1e-6)


@given(st.lists(st.floats(-20, 20), min_size=2))
def test_sigmoid_keeps_the_order(values: list[float]) -> None:
    ordered = np.sort(np.unique(np.round(values, 6)))
    assert (np.diff(sigmoid(ordered)) > 0).all()
