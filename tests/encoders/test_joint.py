"""The joint vector: its inner product is exactly the weighted sum of the alignments."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fourtower_encoders.errors import InvalidConfig
from fourtower_encoders.joint import (
    SMALLEST_AMOUNT,
    Calibration,
    Part,
    QueryParams,
    Weights,
    product_rows,
    query_vector,
    query_vectors,
)

D = 6


def unit(rows: int, seed: int) -> np.ndarray:
    array = np.random.default_rng(seed).normal(size=(rows, D)).astype(np.float32)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


parts = st.lists(
    st.tuples(st.sampled_from(["image", "text"]), st.integers(-20, 20).map(lambda n: n / 10), st.integers(0, 99)),
    min_size=1,
    max_size=6,
)


@settings(deadline=None)
@given(parts=parts, w=st.tuples(*[st.floats(0, 3)] * 4))
def test_the_inner_product_is_the_weighted_sum(parts, w):
    weights = Weights(ii=w[0], it=w[1], ti=w[2], tt=w[3])
    pieces = [Part(modality, unit(1, seed)[0], amount) for modality, amount, seed in parts]
    image, text = unit(5, 200), unit(5, 201)
    yes = np.ones(5, dtype=bool)
    rows = product_rows(image, text, QueryParams(), has_image=yes, has_text=yes)
    positive = sum(amount for _, amount, _ in parts if amount > 0)
    if positive < SMALLEST_AMOUNT:
        with pytest.raises(InvalidConfig):
            query_vector(pieces, weights)
        return
    expected = np.zeros(5)
    for piece in pieces:
        to_image, to_text = weights.of(piece.modality)
        expected += piece.amount / positive * (to_image * image @ piece.embedding + to_text * text @ piece.embedding)
    np.testing.assert_allclose(rows @ query_vector(pieces, weights), expected, atol=1e-3, rtol=1e-4)


def test_batches_equal_single_queries():
    photo, words, weights = unit(4, 1), unit(4, 2), Weights(ii=0.9, it=0.3, ti=0.8, tt=0.6)
    many = query_vectors(photo, words, weights, image_amount=0.3)
    for i in range(4):
        one = query_vector([Part("image", photo[i], 0.3), Part("text", words[i], 0.7)], weights)
        np.testing.assert_allclose(many[i], one, atol=1e-6)
    alone = query_vectors(photo, None, weights, image_amount=0.3)
    np.testing.assert_allclose(alone[0], query_vector([Part("image", photo[0])], weights), atol=1e-6)
    with pytest.raises(InvalidConfig):
        query_vectors(None, None, weights)


def test_missing_halves_are_imputed():
    image, text = unit(3, 1), unit(3, 2)
    rows = product_rows(
        image,
        text,
        QueryParams(kappa_image=0.5, kappa_text=0.25),
        has_image=np.array([True, False, True]),
        has_text=np.array([True, True, False]),
    )
    np.testing.assert_allclose(rows[0], np.concatenate([image[0], text[0]]))
    np.testing.assert_allclose(rows[1], np.concatenate([0.5 * text[1], text[1]]))
    np.testing.assert_allclose(rows[2], np.concatenate([image[2], 0.25 * image[2]]))


def test_calibration_is_a_probability():
    relevance = Calibration(slope=2.0, intercept=-1.0)(np.array([-100.0, 0.5, 100.0], dtype=np.float32))
    np.testing.assert_allclose(relevance, [0, 0.5, 1], atol=1e-6)
