"""Re-rankers give new scores through one hook, and are held to what they promise."""

import numpy as np
import pytest
from tests.search.ranking.samples import D, candidate, ids

from fourtower_encoders.joint import Weights
from fourtower_search.errors import InvalidQuery, SearchError
from fourtower_search.query.request import SearchRequest
from fourtower_search.query.vector import Term, build
from fourtower_search.ranking.rerank import RerankQuery, rerank

REQUEST = SearchRequest.parse({"parts": [{"text": "red"}], "rerank": "house"})


def by_price(query, candidates):
    assert query.request.words == "red"
    return [1 / each.value("price") for each in candidates]


def test_a_reranker_decides_the_order():
    given = [candidate("a", 0.9, price=20.0), candidate("b", 0.5, price=10.0)]
    ranked = rerank(given, REQUEST, {"house": by_price})
    assert [(each.product_id, each.score, each.relevance) for each in ranked] == [("b", 0.1, 0.5), ("a", 0.05, 0.9)]


def test_without_one_nothing_changes():
    given = [candidate("b", 0.1), candidate("a", 0.9)]
    assert rerank(given, SearchRequest.parse({"parts": [{"text": "red"}]}), {"house": by_price}) == given


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(InvalidQuery, match=r"no re-ranker 'house'\. Known: attic, cellar"):
        rerank([candidate("a")], REQUEST, {"cellar": by_price, "attic": by_price})
    with pytest.raises(InvalidQuery, match="Known: none"):
        rerank([], REQUEST, {})


@pytest.mark.parametrize("answer", [[], [1.0, 2.0], [float("nan")], [float("inf")]])
def test_a_reranker_that_misbehaves_is_named(answer):
    with pytest.raises(SearchError, match="re-ranker 'house' must return one finite score for each of 1 candidates"):
        rerank([candidate("a")], REQUEST, {"house": lambda query, candidates: answer})


def test_nothing_found_is_not_reranked():
    assert ids(rerank([], REQUEST, {"house": by_price})) == []


def test_a_reranker_sees_the_embeddings_of_the_query():
    vector = build([Term("words", "text", np.ones(D, dtype=np.float32), 1.0)], Weights(), dim=D)
    seen = []
    rerank([candidate("a")], REQUEST, {"house": lambda query, given: seen.append(query) or [0.5]}, vector)
    assert seen == [RerankQuery(REQUEST, vector)]
