"""Maximal marginal relevance, against a plain reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.ranking.samples import candidate, candidate_lists, ids

from fourtower_search.ranking.candidates import by_score
from fourtower_search.ranking.diversity import diversify


def reference(candidates, diversity):
    """Greedy, one comparison at a time, from the formula."""

    def likeness(each, chosen):
        cosines = [
            float(
                np.dot(each.row.vector, one.row.vector)
                / (np.linalg.norm(each.row.vector) * np.linalg.norm(one.row.vector))
            )
            for one in chosen
        ]
        return max([0.0, *cosines])

    left, chosen, worths = list(candidates), [], []
    while left:
        values = [(1 - diversity) * each.score - diversity * likeness(each, chosen) for each in left]
        worths.append(max(values))
        chosen.append(left.pop(values.index(max(values))))
    return chosen, worths


@settings(deadline=None)
@given(candidates=candidate_lists(), diversity=st.floats(0.01, 1))
def test_each_place_goes_to_the_best_as_a_plain_reference_finds_it(candidates, diversity):
    ranked = by_score(candidates)
    result = diversify(ranked, diversity)
    assert sorted(ids(result)) == sorted(ids(ranked))
    achieved = [(1 - diversity) * each.score - each.penalty for each in result]
    # Near-equal candidates may swap places by rounding; what each place is worth may not change.
    np.testing.assert_allclose(achieved, reference(ranked, diversity)[1], atol=1e-5)


@settings(deadline=None)
@given(candidates=candidate_lists())
def test_none_is_the_identity(candidates):
    ranked = by_score(candidates)
    assert diversify(ranked, 0.0) == ranked


@settings(deadline=None)
@given(candidates=candidate_lists(), diversity=st.floats(0.01, 1))
def test_the_first_stays_first_and_scores_stay(candidates, diversity):
    ranked = by_score(candidates)
    result = diversify(ranked, diversity)
    assert ids(result)[:1] == ids(ranked)[:1]
    assert {each.product_id: each.score for each in result} == {each.product_id: each.score for each in ranked}
    assert all(each.penalty >= 0 for each in result)


def test_a_twin_steps_back_behind_something_else():
    given = [candidate("a", 0.9, seed=1), candidate("b", 0.89, seed=1), candidate("c", 0.6, seed=3)]
    assert ids(diversify(given, 0.0)) == ["a", "b", "c"]
    result = diversify(given, 0.5)
    assert ids(result) == ["a", "c", "b"]
    assert [each.penalty for each in result] == pytest.approx([0.0, 0.5 * 0.0347746, 0.5], abs=1e-6)
