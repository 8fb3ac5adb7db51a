"""Fitting query.json on data whose right answers are known."""

from dataclasses import replace

import numpy as np
import pytest

from fourtower_encoders.fit_data import Composed, FitData
from fourtower_encoders.joint import QueryParams, query_vectors
from fourtower_encoders.query_fit import fit, fit_logistic, fit_params, ndcg, quality, role_means

N, U, D = 200, 20, 16


def unit(array: np.ndarray) -> np.ndarray:
    return (array / np.linalg.norm(array, axis=1, keepdims=True)).astype(np.float32)


def data(*, noise: float = 1.0, offset: float = 0.0, seed: int = 0, text_noise: float = 0.3) -> FitData:
    """Products around latent points; photos are noisier than catalog pictures; words describe clusters."""
    rng = np.random.default_rng(seed)
    themes = unit(rng.normal(size=(U, D)))
    theme = rng.integers(0, U, N)
    latent = unit(themes[theme] + 0.5 * rng.normal(size=(N, D)))
    owner = np.arange(N)
    shift = np.zeros(D)
    shift[0] = offset

    def seen(points: np.ndarray, level: float, at: np.ndarray) -> np.ndarray:
        return unit(points + level / np.sqrt(D) * rng.normal(size=points.shape) + at)

    return FitData(
        query_image=seen(latent[owner], noise, shift),
        owner=owner,
        query_text=seen(themes, 0.3, -shift),
        answers=theme[None, :] == np.arange(U)[:, None],
        product_image=seen(latent, 0.5, shift),
        product_text=seen(latent, text_noise, -shift),
        has_image=np.ones(N, dtype=bool),
    )


def test_ndcg_by_hand():
    scores = np.array([[0.9, 0.8, 0.1], [0.1, 0.2, 0.3], [1.0, 0.0, 0.0]], dtype=np.float32)
    relevant = np.array([[False, True, False], [True, True, False], [False, False, False]])
    first = 1 / np.log2(3)
    second = (1 / np.log2(3) + 1 / np.log2(4)) / (1 + 1 / np.log2(3))
    assert ndcg(scores, relevant) == pytest.approx((first + second) / 2)


def test_each_modality_scores_with_deviation_one():
    sample = data()
    weights = fit_params(sample).weights
    rows = np.concatenate([sample.product_image, sample.product_text], axis=1)
    for image, text in ((sample.query_image, None), (None, sample.query_text)):
        assert np.std(query_vectors(image, text, weights) @ rows.T) == pytest.approx(1.0, abs=1e-3)


def test_a_useless_text_half_gets_no_weight_and_a_good_one_does():
    useful, useless = fit_params(data(text_noise=0.2)).weights, fit_params(data(text_noise=500.0)).weights
    assert useful.it > 0.2 * useful.ii
    assert useless.it <= 0.2 * useless.ii


def test_hidden_halves_are_worth_imputing():
    sample = data()
    params = fit_params(sample)
    assert params.fitted
    assert params.kappa_image > 0
    hidden = np.random.default_rng(5).random(N) < 0.5
    zero = params.model_copy(update={"kappa_image": 0.0})
    assert quality(sample, params, hidden=hidden) >= quality(sample, zero, hidden=hidden)


def test_centring_is_kept_only_where_it_helps():
    """A strong common direction hides what differs: it must go. Without one, nothing may get worse."""
    skewed = data(offset=3.0)
    means, params = fit(data(offset=3.0, seed=1), skewed)
    assert np.linalg.norm(means["query_image"]) > 0.5
    assert quality(skewed.centred(means), params) >= quality(skewed, fit_params(skewed))
    plain = data()
    means, params = fit(data(seed=1), plain)
    assert quality(plain.centred(means), params) >= quality(plain, fit_params(plain)) - 1e-9


def test_products_without_image_do_not_move_the_mean():
    sample = data()
    blank = sample.has_image.copy()
    blank[::2] = False
    image = np.where(blank[:, None], sample.product_image, 0)
    means = role_means(FitData(**{**sample.__dict__, "has_image": blank, "product_image": image}))
    np.testing.assert_allclose(means["product_image"], sample.product_image[blank].mean(axis=0), rtol=1e-5)


def test_calibration_gives_the_share_of_right_hits():
    sample = data(noise=2.0)
    params = fit_params(sample)
    assert set(params.calibration) == {"image", "text", "mixed"}
    rows = np.concatenate([sample.product_image, sample.product_text], axis=1)
    scores = query_vectors(sample.query_image, None, params.weights) @ rows.T
    top = np.argsort(-scores, axis=1)[:, :10]
    relevance = params.calibration["image"](np.take_along_axis(scores, top, axis=1))
    assert float(relevance.mean()) == pytest.approx(float((top == sample.owner[:, None]).mean()), abs=0.02)
    assert float(relevance[:, 0].mean()) > float(relevance[:, 9].mean())


def test_logistic_regression_recovers_its_curve():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=20_000).astype(np.float32)
    labels = rng.random(20_000) < 1 / (1 + np.exp(-(2.0 * scores - 1.0)))
    curve = fit_logistic(scores, labels)
    assert curve.slope == pytest.approx(2.0, abs=0.1)
    assert curve.intercept == pytest.approx(-1.0, abs=0.1)


def test_logistic_regression_survives_separable_and_empty_data():
    curve = fit_logistic(np.array([0.0, 1.0], dtype=np.float32), np.array([False, True]))
    assert np.isfinite([curve.slope, curve.intercept]).all()
    assert fit_logistic(np.zeros(0, dtype=np.float32), np.zeros(0, dtype=bool)).slope == 1.0


def test_data_without_short_queries_still_fits():
    sample = data()
    params = fit_params(
        FitData(**{**sample.__dict__, "query_text": np.zeros((0, D), np.float32), "answers": np.zeros((0, N), bool)})
    )
    assert params.weights.tt > 0
    assert isinstance(params, QueryParams)


def test_words_that_contradict_the_photo_are_calibrated_too():
    """Their right answers score lower than where words and photo agree, and are right all the same."""
    sample = data(noise=0.5)
    other = np.roll(np.arange(N), 1)
    between = unit(sample.query_image + sample.product_text[other])
    composed = Composed(sample.query_image, sample.product_text[other], unit(between) @ sample.product_image.T > 0.55)
    agreeing, both = fit_params(sample), fit_params(replace(sample, composed=composed))
    rows = np.concatenate([sample.product_image, sample.product_text], axis=1)
    scores = query_vectors(composed.image, composed.text, both.weights) @ rows.T
    best = np.take_along_axis(scores, scores.argmax(axis=1)[:, None], axis=1)
    right = np.take_along_axis(composed.relevant, scores.argmax(axis=1)[:, None], axis=1)
    assert right.mean() > 0.5
    told = {
        name: float(params.calibration["mixed"](best[right]).mean())
        for name, params in (("agreeing", agreeing), ("both", both))
    }
    assert told["both"] > told["agreeing"] + 0.1
    assert agreeing.calibration["image"] == both.calibration["image"]
