from __future__ import annotations

import numpy as np
import pytest
from tests.search.reranking.builders import SCHEMA

from fourtower_encoders.errors import InvalidConfig
from fourtower_search.reranking.features import Features
from fourtower_search.reranking.learning import learn, measure, split
from fourtower_search.reranking.lists import JudgedList
from fourtower_search.reranking.model import logit

FEATURES = Features.of(SCHEMA)
NAMES = FEATURES.names


def lists(count: int = 240, *, taste: float, seed: int = 0, twisted: bool = False) -> list[JudgedList]:
    """Lists whose right answer is decided by luck, the plain score, and `taste` times the rating.

    Where it is twisted, a middling rating is the best one, which no linear model can say.
    """
    random = np.random.default_rng(seed)
    made = []
    for n in range(count):
        table = np.zeros((20, len(NAMES)))
        rating = random.normal(size=20)
        table[:, NAMES.index("rating")] = np.where(random.random(20) < 0.1, np.nan, rating)
        plain = random.uniform(0.05, 0.95, 20)
        liked = -np.abs(rating) if twisted else rating
        utility = logit(plain) + taste * liked + random.normal(size=20)
        gains = np.zeros(20)
        gains[utility.argmax()] = 1.0
        ids = tuple(f"p{k:02}" for k in range(20))
        made.append(JudgedList(f"q{n}", f"s{n}", ids, plain, table, gains, np.array([1.0])))
    return made


def test_a_signal_that_tells_is_learned() -> None:
    model = learn(lists(taste=3.0), FEATURES, model_id="m")
    assert model.quality is not None
    assert model.quality.better
    assert model.quality.reranked > model.quality.plain + 0.1
    weights = dict(zip(NAMES, model.weights, strict=True))
    assert weights["rating"] == max(weights.values())


def test_without_anything_to_learn_no_gain_is_claimed() -> None:
    claims = []
    for seed in range(5):
        quality = learn(lists(taste=0.0, seed=seed), FEATURES, model_id="m").quality
        assert quality is not None
        assert quality.low <= quality.gain <= quality.high
        assert quality.gain == pytest.approx(quality.reranked - quality.plain, abs=1e-6)
        claims.append(quality.better)
    assert sum(claims) <= 1


def test_what_no_line_can_say_takes_the_hidden_layer() -> None:
    model = learn(lists(count=500, taste=4.0, twisted=True), FEATURES, model_id="m")
    assert model.hidden is not None
    assert model.quality is not None
    assert model.quality.better


def test_equal_lists_give_equal_models() -> None:
    assert learn(lists(taste=1.0), FEATURES, model_id="m") == learn(lists(taste=1.0), FEATURES, model_id="m")


def test_the_measured_gain_is_that_of_the_held_out_lists() -> None:
    every = lists(taste=2.0)
    model = learn(every, FEATURES, model_id="m")
    assert model.quality == measure(model, split(every).held_out)


def test_calibrated_scores_say_how_often_a_first_hit_is_right() -> None:
    model = learn(lists(count=600, taste=3.0), FEATURES, model_id="m")
    fresh = lists(count=600, taste=3.0, seed=9)
    scores = np.array([model.scores(each.plain, each.table) for each in fresh])
    right = np.array([each.gains > 0 for each in fresh])
    order = np.argsort(-scores, axis=1)[:, :10]
    first, hit = np.take_along_axis(scores, order, axis=1), np.take_along_axis(right, order, axis=1)
    assert first.mean() == pytest.approx(hit.mean(), abs=0.03)
    sure = first > 0.5
    assert hit[sure].mean() == pytest.approx(first[sure].mean(), abs=0.1)


def test_one_photo_is_never_on_two_sides() -> None:
    every = [
        JudgedList(f"{each.query_id}-{n}", each.source, *_rest(each)) for each in lists(taste=1.0) for n in range(3)
    ]
    parts = split(every)
    sources = [{each.source for each in part} for part in parts]
    assert sum(map(len, parts)) == len(every)
    assert sum(map(len, sources)) == len(set.union(*sources))
    assert len(parts.train) > len(parts.validation) > 0


def _rest(each: JudgedList) -> tuple:
    return each.product_ids, each.plain, each.table, each.gains, each.ideal


def test_too_few_lists_are_refused_with_numbers() -> None:
    with pytest.raises(InvalidConfig, match=r"Of 30 judged queries 30 have .* needs 10"):
        learn(lists(count=30, taste=1.0), FEATURES, model_id="m")
    with pytest.raises(InvalidConfig, match="Of 0 judged queries 0"):
        learn([], FEATURES, model_id="m")
