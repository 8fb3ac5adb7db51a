"""The query vector: its scores are exact sums, and negative parts never push against positive ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fourtower_encoders.joint import Part, Weights, query_vector
from fourtower_search.errors import InvalidQuery
from fourtower_search.index.rows import Order, Row
from fourtower_search.query.parts import Product, Text, Vector
from fourtower_search.query.vector import Term, build, kind_of, product_halves, terms_of

D = 6


def unit(seed, size=D):
    values = np.random.default_rng(seed).normal(size=size)
    return (values / np.linalg.norm(values)).astype(np.float32)


amounts = st.floats(0.01, 10)
positive = st.builds(
    lambda m, s, a: Term("yes", m, unit(s), a), st.sampled_from(["image", "text"]), st.integers(0, 50), amounts
)
negative = st.builds(
    lambda m, s, a: Term("no", m, unit(s), -a), st.sampled_from(["image", "text"]), st.integers(0, 80), amounts
)
terms = st.tuples(st.lists(positive, min_size=1, max_size=3), st.lists(negative, max_size=3)).map(
    lambda both: both[0] + both[1]
)
weights = st.builds(Weights, **dict.fromkeys(("ii", "it", "ti", "tt"), st.floats(0, 5)))


@settings(deadline=None)
@given(terms=terms, weights=weights)
def test_scores_alignments_and_the_searched_vector_agree(terms, weights):
    query = build(terms, weights, dim=D)
    rows = np.stack([np.concatenate([unit(n), unit(n + 500)]) for n in range(100, 107)])
    scores = query.scores(rows)
    np.testing.assert_allclose((query.alignments(rows) * query.coefficients).sum(axis=(1, 2)), scores, atol=1e-10)
    scale = 1 + np.abs(query.coefficients).sum()
    np.testing.assert_allclose(rows @ query.vector, scores, atol=1e-5 * scale)


@settings(deadline=None)
@given(terms=terms, weights=weights)
def test_without_negative_terms_it_is_the_encoders_joint_vector(terms, weights):
    kept = [term for term in terms if term.amount > 0]
    expected = query_vector([Part(term.modality, term.embedding, term.amount) for term in kept], weights)
    np.testing.assert_array_equal(build(kept, weights, dim=D).vector, expected)


@settings(deadline=None)
@given(terms=terms, weights=weights, blend=st.lists(st.floats(-1, 1), min_size=6, max_size=6))
def test_a_negative_term_changes_nothing_for_what_the_positive_terms_span(terms, weights, blend):
    wanted = [term for term in terms if term.amount > 0]
    embeddings = np.stack([term.embedding for term in wanted])
    row = np.concatenate(
        [np.array(blend[: len(wanted)]) @ embeddings, np.array(blend[3 : 3 + len(wanted)]) @ embeddings]
    )
    with_negatives = build(terms, weights, dim=D).scores(row[None].astype(np.float32))
    without = build(wanted, weights, dim=D).scores(row[None].astype(np.float32))
    scale = sum(abs(term.amount) for term in terms) / sum(term.amount for term in wanted)
    np.testing.assert_allclose(with_negatives, without, atol=1e-5 * (1 + 10 * scale))


@settings(deadline=None)
@given(
    weights=st.builds(Weights, **dict.fromkeys(("ii", "it", "ti", "tt"), st.floats(0.1, 5))), seed=st.integers(0, 99)
)
def test_a_negative_term_lowers_what_is_like_it_and_not_like_the_query(weights, seed):
    shoes, leather = unit(seed), unit(seed + 1000)
    rest = leather - (leather @ shoes) * shoes
    rows = np.stack([np.tile(shoes, 2), np.tile(shoes + rest / np.linalg.norm(rest), 2)]).astype(np.float32)
    plain, leathery = build([Term("a", "text", shoes, 1), Term("b", "text", leather, -0.5)], weights, dim=D).scores(
        rows
    )
    assert plain > leathery


def test_a_negative_term_equal_to_a_positive_one_vanishes():
    terms = [Term("a", "text", unit(1), 1.0), Term("b", "image", unit(2), 0.3)]
    query = build([*terms, Term("c", "image", unit(1), -5.0)], Weights(), dim=D)
    np.testing.assert_array_equal(query.terms[2].embedding, np.zeros(D))
    np.testing.assert_array_equal(query.vector, build(terms, Weights(), dim=D).vector)


def test_two_prints_of_one_photo_protect_no_more_than_one():
    photo, negative = unit(1), Term("c", "text", unit(2), -1.0)
    print_of_it = photo + np.float32(6e-8) * unit(2)
    twice = [Term("a", "image", photo, 1.0), Term("b", "image", print_of_it, 1.0), negative]
    rest = build(twice, Weights(), dim=D).terms[2].embedding
    np.testing.assert_allclose(rest, build([twice[0], negative], Weights(), dim=D).terms[1].embedding, atol=1e-5)


def test_what_is_refused():
    with pytest.raises(InvalidQuery, match="nothing positive"):
        build([Term("a", "text", unit(1), -1.0)], Weights(), dim=D)
    with pytest.raises(InvalidQuery, match="nothing positive"):
        build([], Weights(), dim=D)
    with pytest.raises(InvalidQuery, match=r"text vector has the shape \(7,\); this index needs \(6,\)"):
        build(terms_of(Vector(unit(1, 7), modality="text")), Weights(), dim=D)
    with pytest.raises(InvalidQuery, match="Nothing is known of product 'sku-1'"):
        terms_of(Product("sku-1"))


def test_the_kind_follows_from_what_is_positive():
    photo, words, no_words = (
        Term("", "image", unit(1), 1),
        Term("", "text", unit(2), 1),
        Term("", "text", unit(3), -1),
    )
    assert kind_of([photo]) == kind_of([photo, no_words]) == "image"
    assert kind_of([words, no_words]) == "text"
    assert kind_of([photo, words]) == build([photo, words], Weights(), dim=D).kind == "mixed"


def test_a_product_shares_its_weight_between_the_halves_that_it_has():
    both = terms_of(Product("sku-1", 0.4), image=unit(1), text=unit(2))
    assert [(term.modality, term.amount) for term in both] == [("image", 0.2), ("text", 0.2)]
    assert [(term.modality, term.amount) for term in terms_of(Product("sku-1", 0.4), text=unit(2))] == [("text", 0.4)]
    assert both[0].label == "product 'sku-1' (image)"
    assert terms_of(Text("red", 2), text=unit(1))[0].label == "'red'"


def test_imputed_halves_are_not_a_products_own():
    def row(view, image, text, imputed=""):
        vector = np.concatenate([image, text]).astype(np.float32)
        return Row("sku-1", Order(1, False, "d"), view, 3, imputed=imputed, vector=vector)

    views = [row(0, unit(1), unit(9)), row(1, unit(2), unit(9)), row(2, 0.5 * unit(9), unit(9), "image")]
    image, text = product_halves(views)
    mean = unit(1) + unit(2)
    np.testing.assert_allclose(image, mean / np.linalg.norm(mean), atol=1e-6)
    np.testing.assert_allclose(text, unit(9), atol=1e-6)
    assert product_halves(views[2:])[0] is None
    assert product_halves([row(0, unit(1), 0.5 * unit(1), "text")])[1] is None
    assert product_halves([Row("sku-1", Order(1, False, "d"), 0, 1)]) == (None, None)


@settings(deadline=None)
@given(terms=terms, share=st.floats(0.05, 0.95))
def test_the_image_amount_is_the_pictures_share_of_a_mixed_query(terms, share):
    query = build(terms, Weights(), dim=D, image_amount=share)
    if kind_of(terms) != "mixed":
        assert [term.amount for term in query.terms] == [term.amount for term in terms]
        return
    totals = {
        m: sum(term.amount for term in query.terms if term.modality == m and term.amount > 0) for m in ("image", "text")
    }
    assert totals["image"] == pytest.approx(share)
    assert totals["text"] == pytest.approx(1 - share)


def test_an_image_amount_of_one_leaves_the_words_out():
    terms = [Term("a", "image", unit(1), 1.0), Term("b", "text", unit(2), 1.0), Term("c", "text", unit(3), -1.0)]
    assert [term.label for term in build(terms, Weights(), dim=D, image_amount=1.0).terms] == ["a"]
