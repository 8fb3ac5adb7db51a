"""Scores: calibrated, saturated, and fused in two ways."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.ranking.samples import D, hit, ids

from fourtower_encoders.joint import Calibration, QueryParams, Weights
from fourtower_search.query.vector import Term, build
from fourtower_search.ranking.candidates import by_score
from fourtower_search.ranking.scores import LexicalParams, calibration_of, score

QUERY = build([Term("words", "text", np.eye(D, dtype=np.float32)[0], 1.0)], Weights(), dim=D)
CURVE = Calibration(slope=4.0, intercept=-2.0)
lists = st.lists(st.tuples(st.floats(-2, 2), st.none() | st.floats(0, 30)), max_size=8)


def made(pairs):
    """Matches with these vector and lexical scores."""
    return [(hit(f"p{n}", seed=n), raw, words) for n, (raw, words) in enumerate(pairs)]


@settings(deadline=None)
@given(pairs=lists, weight=st.floats(0, 10))
def test_words_add_to_the_log_odds(pairs, weight):
    lexical = LexicalParams(pivot=5.0, weight=weight)
    for each in score(made(pairs), QUERY, CURVE, lexical, with_words=True):
        words = 0.0 if each.lexical is None else each.lexical / (each.lexical + 5.0)
        assert each.score == pytest.approx(1 / (1 + np.exp(2.0 - 4.0 * each.raw - weight * words)))
        assert each.relevance == each.score


def test_words_do_not_decide_alone_where_nothing_looks_relevant():
    found = [(hit("far"), -3.0, 30.0), (hit("near"), -1.0, None)]
    scored = score(found, QUERY, CURVE, LexicalParams(pivot=5.0, weight=2.0), with_words=True)
    assert ids(by_score(scored)) == ["near", "far"]


@given(pairs=lists)
def test_a_score_does_not_depend_on_the_other_results(pairs):
    alone = [score([each], QUERY, CURVE, LexicalParams(), with_words=True)[0] for each in made(pairs)]
    together = score(made(pairs), QUERY, CURVE, LexicalParams(), with_words=True)
    assert [(each.relevance, each.score) for each in together] == [(each.relevance, each.score) for each in alone]


@given(pairs=lists)
def test_without_words_the_score_is_the_relevance(pairs):
    for each in score(made(pairs), QUERY, CURVE, LexicalParams()):
        assert each.score == each.relevance == pytest.approx(float(CURVE(np.array([each.raw]))[0]), abs=1e-6)


def test_a_lexical_search_has_only_words():
    (each,) = score([(hit("a"), None, 8.0)], None, CURVE, LexicalParams(pivot=8.0))
    assert each.score == each.relevance == 0.5


@settings(deadline=None)
@given(pairs=lists)
def test_ranks_fuse_as_in_a_plain_reference(pairs):
    found = [(f"p{n}", raw, words) for n, (raw, words) in enumerate(pairs)]
    by_vector = [name for name, raw, _ in sorted(found, key=lambda each: (-each[1], each[0]))]
    worded = [each for each in found if each[2] is not None]
    by_words = [name for name, *_ in sorted(worded, key=lambda each: (-each[2], each[0]))]
    for each in score(made(pairs), QUERY, CURVE, LexicalParams(), fusion="rrf", with_words=True):
        places = [ranking.index(each.product_id) + 1 for ranking in (by_vector, by_words) if each.product_id in ranking]
        assert each.score == pytest.approx(61 / 2 * sum(1 / (60 + place) for place in places))


def test_equal_scores_are_ordered_by_id():
    assert ids(by_score(score(made([(0.5, None)] * 3)[::-1], QUERY, CURVE, LexicalParams()))) == ["p0", "p1", "p2"]


def test_scores_that_single_precision_could_not_tell_apart_keep_their_order():
    steep = Calibration(slope=10.0, intercept=0.0)
    lower, higher = score(made([(1.9, None), (1.91, None)]), QUERY, steep, LexicalParams())
    assert np.float32(lower.score) == np.float32(higher.score)
    assert lower.score < higher.score


def test_each_kind_of_query_has_its_calibration():
    params = QueryParams(calibration={"image": CURVE})
    assert calibration_of(params, "image") == CURVE
    assert calibration_of(params, "text") == Calibration()
