from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.search.reranking.builders import asked, candidate

from fourtower_search.errors import SearchError
from fourtower_search.index.rows import Row
from fourtower_search.ranking.rerank import RerankQuery
from fourtower_search.reranking.pairs import PairReranker


def long_titles(query: RerankQuery, rows: Sequence[Row]) -> list[float]:
    return [min(len(row.title) / 10, 1.0) for row in rows]


CANDIDATES = [candidate(f"p{n}", title="x" * n, score=1 - n / 10) for n in range(5)]


def test_the_scores_of_pairs_replace_the_plain_ones() -> None:
    assert PairReranker(long_titles)(asked(), CANDIDATES) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_the_scorer_sees_the_query() -> None:
    def of_query(query: RerankQuery, rows: Sequence[Row]) -> list[float]:
        return [float(query.request.words == "red mug") for _ in rows]

    assert PairReranker(of_query)(asked(), CANDIDATES) == [1.0] * 5


def test_no_candidates_ask_for_no_scores() -> None:
    def never(query: RerankQuery, rows: Sequence[Row]) -> list[float]:
        raise AssertionError("there is nothing to score")

    assert PairReranker(never)(asked(), []) == []
    assert PairReranker(never, top=0)(asked(), CANDIDATES) == pytest.approx([0.5 * each.score for each in CANDIDATES])


@given(scores=st.lists(st.floats(0, 1), min_size=1, max_size=12), top=st.integers(1, 15))
def test_beyond_the_top_the_plain_order_follows(scores: list[float], top: int) -> None:
    scores = sorted(scores, reverse=True)
    some = [candidate(f"p{n:02}", title="x" * n, score=score) for n, score in enumerate(scores)]
    given = PairReranker(long_titles, top=top)(asked(), some)
    assert given[:top] == sorted(given[:top])
    assert given[top:] == sorted(given[top:], reverse=True)
    assert all(0 <= score <= 1 for score in given)
    assert min(given[:top]) >= max(given[top:], default=0)


@pytest.mark.parametrize("given", [[0.5], [[0.5] * 5], [0.5] * 4 + [1.5], [0.5] * 4 + [np.nan], [-0.1] * 5])
def test_anything_but_a_share_per_row_is_refused(given: list) -> None:
    with pytest.raises(SearchError, match="must return 5 numbers from 0 to 1"):
        PairReranker(lambda query, rows: given)(asked(), CANDIDATES)
