"""Metrics against plain loops and hand-computed cases."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtower_encoders import metrics
from fourtower_encoders.metrics import (
    average_precision_at,
    collapse,
    hit_at,
    ndcg_at,
    positions,
    rank,
    recall_at,
    reciprocal_rank,
    share_at,
    top_k,
    without,
)

SCORES = st.sampled_from([-np.inf, -2.0, -1.0, -0.5, -0.0, 0.0, 0.25, 1.0, 3e-39, 1e30])


def tables(elements, *, most=7):
    """Rectangular nested lists [Q, K] with at least one column."""
    widths = st.integers(1, most)
    return widths.flatmap(
        lambda width: st.lists(st.lists(elements, min_size=width, max_size=width), min_size=1, max_size=4)
    )


@given(tables(SCORES), st.integers(1, 9))
def test_top_k_sorts_by_score_then_by_column(table, k):
    scores = np.array(table, dtype=np.float32)
    expected = [sorted(range(len(row)), key=lambda column: (-row[column], column))[:k] for row in scores.tolist()]
    assert top_k(scores, k).tolist() == expected


@given(tables(st.floats(-10, 10, width=32)), st.data())
def test_collapse_keeps_the_best_row_of_each_product(table, data):
    scores = np.array(table, dtype=np.float32)
    owner = data.draw(st.lists(st.integers(0, 3), min_size=scores.shape[1], max_size=scores.shape[1]))
    best = collapse(scores, np.array(owner), products=4)
    for query, row in enumerate(scores):
        for product in range(4):
            own = [score for score, whose in zip(row, owner, strict=True) if whose == product]
            assert best[query, product] == max(own, default=-np.inf)


def test_rank_finds_each_product_once_by_its_best_view():
    rows = np.array([[0.1, 0], [0.9, 0], [0.5, 0], [0.7, 0]], dtype=np.float32)
    found = rank(np.array([[1, 0]], dtype=np.float32), rows, 5, owner=np.array([0, 0, 1, 2]))
    assert found.top.tolist() == [[0, 2, 1]]
    assert found.scores.tolist() == pytest.approx([pytest.approx([0.9, 0.7, 0.5])])


def test_products_that_are_not_allowed_come_last():
    rows = np.eye(3, dtype=np.float32)
    queries = np.array([[3, 2, 1], [3, 2, 1]], dtype=np.float32)
    allowed = np.array([[False, True, True], [True, True, True]])
    found = rank(queries, rows, 3, allowed=allowed)
    assert found.top.tolist() == [[1, 2, 0], [0, 1, 2]]
    assert found.scores[0].tolist() == [2, 1, -np.inf]


def test_ranking_in_chunks_changes_nothing(monkeypatch):
    random = np.random.default_rng(3)
    queries, rows = random.integers(-3, 4, (23, 5)), random.integers(-3, 4, (40, 5))  # whole numbers: many ties
    owner = np.sort(random.integers(0, 25, 40))
    owner = np.unique(owner, return_inverse=True)[1]
    targets = random.integers(0, owner.max() + 1, 23)
    whole = rank(queries, rows, 8, owner=owner), positions(queries, rows, targets, owner=owner)
    monkeypatch.setattr(metrics, "_SCORES_AT_ONCE", 100)
    parts = rank(queries, rows, 8, owner=owner), positions(queries, rows, targets, owner=owner)
    np.testing.assert_array_equal(whole[0].top, parts[0].top)
    np.testing.assert_array_equal(whole[0].scores, parts[0].scores)
    np.testing.assert_array_equal(whole[1], parts[1])


def test_positions_agree_with_the_full_ranking_where_scores_tie():
    random = np.random.default_rng(4)
    queries, rows = random.integers(-1, 2, (30, 3)), random.integers(-1, 2, (20, 3))
    targets = random.integers(0, 20, 30)
    full = rank(queries, rows, 20).top
    expected = [row.tolist().index(target) + 1 for row, target in zip(full, targets, strict=True)]
    assert positions(queries, rows, targets).tolist() == expected


def test_an_empty_query_set_gives_empty_rankings():
    found = rank(np.zeros((0, 4), np.float32), np.ones((3, 4), np.float32), 2)
    assert found.top.shape == found.scores.shape == (0, 2)


def test_without_closes_the_gap_that_the_target_leaves():
    top = np.array([[4, 7, 1], [7, 4, 1], [1, 4, 9]])
    assert without(top, np.array([7, 7, 7])).tolist() == [[4, 1], [4, 1], [1, 4]]


@given(tables(st.booleans()), st.integers(1, 8), st.data())
def test_flag_metrics_agree_with_loops(table, k, data):
    relevant = np.array(table)
    extra = data.draw(st.lists(st.integers(0, 3), min_size=len(table), max_size=len(table)))
    total = relevant.sum(axis=1) + np.array(extra)
    hit, share = hit_at(relevant, k), share_at(relevant, k)
    recall, precision = recall_at(relevant, k, total=total), average_precision_at(relevant, k, total=total)
    for query, row in enumerate(table):
        seen = row[:k]
        assert hit[query] == any(seen)
        assert share[query] == pytest.approx(sum(seen) / len(seen))
        if total[query] == 0:
            assert math.isnan(recall[query])
            assert math.isnan(precision[query])
            continue
        assert recall[query] == pytest.approx(sum(seen) / total[query])
        at_hits = [sum(seen[: place + 1]) / (place + 1) for place, flag in enumerate(seen) if flag]
        assert precision[query] == pytest.approx(sum(at_hits) / min(total[query], k))


@given(tables(st.sampled_from([0.0, 1.0, 3.0, 7.0, 15.0])), st.integers(1, 8))
def test_ndcg_agrees_with_a_loop(table, k):
    gains = np.array(table, dtype=np.float32)
    ideal = -np.sort(-gains, axis=1)

    def discounted(values):
        return sum(value / math.log2(place + 2) for place, value in enumerate(values[:k]))

    for value, row, best in zip(ndcg_at(gains, ideal, k), gains.tolist(), ideal.tolist(), strict=True):
        if not any(row):
            assert math.isnan(value)
        else:
            assert value == pytest.approx(discounted(row) / discounted(best), abs=1e-6)


def test_metrics_by_hand():
    relevant = np.array([[False, True, True, False], [False, False, False, False]])
    total = np.array([2, 0])
    assert hit_at(relevant, 1).tolist() == [0, 0]
    assert hit_at(relevant, 2).tolist() == [1, 0]
    assert recall_at(relevant, 2, total=total)[0] == 0.5
    assert average_precision_at(relevant, 4, total=total)[0] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert np.isnan(average_precision_at(relevant, 4, total=total)[1])
    assert reciprocal_rank(np.array([1, 4])).tolist() == [1.0, 0.25]
    gains, ideal = np.array([[3.0, 15.0]], np.float32), np.array([[15.0, 3.0]], np.float32)
    assert ndcg_at(gains, ideal, 10)[0] == pytest.approx((3 + 15 / math.log2(3)) / (15 + 3 / math.log2(3)))
