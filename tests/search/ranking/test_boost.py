"""Boosts mix in what the shop knows, and leave alone what it doesn't know."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.ranking.samples import candidate, candidate_lists, ids

from fourtower_search.filters import F
from fourtower_search.index.store import Hit
from fourtower_search.query.boosts import DecayBoost, FlagBoost, LinearBoost, MatchBoost, SaturationBoost
from fourtower_search.ranking.boost import boost
from fourtower_search.ranking.candidates import by_score

NOW = 1_750_000_000_000
FINCH = F.brand == "finch"


def is_finch(where):
    assert where == FINCH
    return lambda row: row.attributes.get("brand") == "finch"


def boosted(candidates, *boosts):
    return boost(candidates, boosts, now_ms=NOW, matcher=is_finch)


shares = st.floats(0, 0.25)
boosts = st.lists(
    st.one_of(
        st.builds(SaturationBoost, attribute=st.just("sold"), pivot=st.floats(0.1, 100), weight=shares),
        st.builds(LinearBoost, attribute=st.just("price"), lo=st.just(20.0), hi=st.floats(-5, 5), weight=shares),
        st.builds(
            DecayBoost,
            attribute=st.just("added"),
            scale=st.just("30d"),
            shape=st.sampled_from(["gauss", "exp", "linear"]),
            weight=shares,
        ),
        st.builds(FlagBoost, attribute=st.just("in_stock"), weight=shares),
        st.builds(MatchBoost, where=st.just(FINCH), weight=shares),
    ),
    max_size=4,
)


@settings(deadline=None)
@given(candidates=candidate_lists(), boosts=boosts)
def test_scores_stay_in_range_and_order(candidates, boosts):
    result = boosted(by_score(candidates), *boosts)
    assert all(-1e-12 <= each.score <= 1 + 1e-12 for each in result)
    assert result == by_score(result)
    assert sorted(ids(result)) == sorted(ids(candidates))


@settings(deadline=None)
@given(candidates=candidate_lists(), boosts=boosts)
def test_a_weight_of_zero_is_the_identity(candidates, boosts):
    idle = [each.model_copy(update={"weight": 0.0}) for each in boosts]
    assert boosted(by_score(candidates), *idle) == by_score(candidates)


@settings(deadline=None)
@given(candidates=candidate_lists(), boosts=boosts)
def test_a_missing_signal_leaves_the_score_exactly_as_it_was(candidates, boosts):
    known = [each for each in boosts if not isinstance(each, MatchBoost)]
    bare = [each._replace(hit=Hit.of(replace(each.row, attributes={}), 0.0)) for each in by_score(candidates)]
    assert boosted(bare, *known) == bare


@given(low=st.integers(0, 1000), more=st.integers(0, 1000), weight=st.floats(0, 1), score=st.floats(0, 1))
def test_more_of_what_is_boosted_never_lowers_a_score(low, more, weight, score):
    rule = SaturationBoost(attribute="sold", pivot=50.0, weight=weight)
    one, other = (boosted([candidate("a", score, sold=sold)], rule)[0].score for sold in (low, low + more))
    assert one <= other + 1e-12


@given(scores=st.tuples(st.floats(0, 1), st.floats(0, 1)), sold=st.integers(0, 1000), weight=st.floats(0, 0.99))
def test_equal_signals_keep_the_order(scores, sold, weight):
    rule = SaturationBoost(attribute="sold", pivot=50.0, weight=weight)
    low, high = (boosted([candidate("a", score, sold=sold)], rule)[0].score for score in sorted(scores))
    assert low <= high + 1e-12


def test_each_kind_does_what_it_says():
    def value(rule, **attributes):
        return boosted([candidate("a", 0.5, **attributes)], rule.model_copy(update={"weight": 1.0}))[0].score

    assert value(SaturationBoost(attribute="sold", pivot=10.0), sold=30) == pytest.approx(0.75)
    assert value(LinearBoost(attribute="price", lo=20.0, hi=10.0), price=12.5) == pytest.approx(0.75)
    assert value(FlagBoost(attribute="in_stock"), in_stock=True) == 1.0
    assert value(FlagBoost(attribute="in_stock"), in_stock=False) == 0.0
    assert value(MatchBoost(where=FINCH), brand="finch") == 1.0
    assert value(MatchBoost(where=FINCH)) == 0.0
    week = 7 * 86_400_000
    fresh = DecayBoost(attribute="added", scale="7d", decay=0.3)
    assert value(fresh, added=NOW) == 1.0
    assert value(fresh, added=NOW - week) == pytest.approx(0.3)
    dated = DecayBoost(attribute="added", origin="2025-06-15T15:06:40Z", scale="7d", offset="7d", shape="linear")
    assert value(dated, added=NOW - 2 * week) == pytest.approx(0.5)
    near = DecayBoost(attribute="price", origin=10.0, scale=5.0, shape="exp")
    assert value(near, price=20.0) == pytest.approx(0.25)


def test_weights_share_the_score():
    rules = (FlagBoost(attribute="in_stock", weight=0.3), SaturationBoost(attribute="sold", pivot=1.0, weight=0.2))
    (both,) = boosted([candidate("a", 0.4, in_stock=True, sold=1)], *rules)
    assert both.score == pytest.approx(0.5 * 0.4 + 0.3 * 1.0 + 0.2 * 0.5)
    (one,) = boosted([candidate("a", 0.4, in_stock=True)], *rules)
    assert one.score == pytest.approx(0.7 * 0.4 + 0.3 * 1.0)
