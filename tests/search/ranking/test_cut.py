"""Cuts leave out what is not good enough, and may leave nothing."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.ranking.samples import candidate, candidate_lists, ids

from fourtower_search.query.refinements import Cut
from fourtower_search.ranking.candidates import by_score
from fourtower_search.ranking.cut import cut_off

cuts = st.builds(
    Cut,
    min_relevance=st.floats(0, 1),
    of_best=st.none() | st.floats(0.01, 1),
    gap=st.none() | st.floats(0.01, 0.99),
)


def made(*scores):
    return [candidate(f"p{n}", score) for n, score in enumerate(scores)]


@settings(deadline=None)
@given(candidates=candidate_lists(), cut=cuts)
def test_what_is_kept_is_a_part_in_the_same_order(candidates, cut):
    ranked = by_score(candidates)
    kept = cut_off(ranked, cut)
    assert kept == [each for each in ranked if each in kept]
    assert all(each.relevance >= cut.min_relevance for each in kept)


@settings(deadline=None)
@given(candidates=candidate_lists(), share=st.floats(0.01, 1))
def test_a_share_of_the_best_score_keeps_exactly_what_reaches_it(candidates, share):
    ranked = by_score(candidates)
    kept = cut_off(ranked, Cut(of_best=share))
    assert kept == [each for each in ranked if each.score >= share * ranked[0].score]


@settings(deadline=None)
@given(candidates=candidate_lists(), gap=st.floats(0.01, 0.99))
def test_a_gap_cuts_before_the_largest_fall_or_not_at_all(candidates, gap):
    ranked = by_score(candidates)
    kept = cut_off(ranked, Cut(gap=gap))
    falls = [(a.score - b.score) / a.score if a.score > 0 else 0.0 for a, b in pairwise(ranked)]
    if kept == ranked:
        assert max(falls, default=0.0) < gap
    else:
        assert falls[len(kept) - 1] == max(falls) >= gap
        assert max(falls[: len(kept) - 1], default=0.0) < max(falls)


def test_an_empty_result_is_an_answer():
    assert cut_off(made(0.2, 0.1), Cut(min_relevance=0.5)) == []
    assert cut_off([], Cut(of_best=0.5, gap=0.2)) == []


def test_no_cut_leaves_out_nothing():
    given = made(0.9, 0.0)
    assert cut_off(given, None) == given


def test_relevance_is_judged_apart_from_the_score():
    given = [candidate("boosted", 0.9, relevance=0.1), candidate("plain", 0.5, relevance=0.6)]
    assert ids(cut_off(given, Cut(min_relevance=0.5))) == ["plain"]


def test_scores_below_zero_are_cut_like_others():
    assert ids(cut_off(made(2.0, -1.0, -3.0), Cut(gap=0.5))) == ["p0"]
    assert ids(cut_off(made(-1.0, -3.0), Cut(gap=0.5))) == ["p0", "p1"]
    assert ids(cut_off(made(-1.0, -3.0), Cut(of_best=0.5))) == ["p0"]
