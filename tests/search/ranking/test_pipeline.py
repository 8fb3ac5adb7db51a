"""The whole pipeline: its order of stages, its explanations, its times."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.ranking.samples import SCHEMA, D, attributes, hit, ids

from fourtower_encoders.joint import Calibration, QueryParams, Weights
from fourtower_search.errors import Unsupported
from fourtower_search.filters import bind
from fourtower_search.index.columns import to_columns
from fourtower_search.index.conditions import holds
from fourtower_search.query.request import SearchRequest
from fourtower_search.query.vector import Term, build
from fourtower_search.ranking.candidates import Found, by_score
from fourtower_search.ranking.explain import leaves, recompute
from fourtower_search.ranking.pipeline import RankingContext, rank
from fourtower_search.ranking.scores import LexicalParams

PARAMS = QueryParams(calibration={kind: Calibration(slope=3.0, intercept=-1.0) for kind in ("image", "text", "mixed")})
STAGES = ["gather", "score", "collapse", "rerank", "boost", "cut", "sort", "diversify", "facets"]


def house(query, candidates):
    return [0.5 * each.score + 0.1 for each in candidates]


def matching(where):
    condition = bind(where, SCHEMA)
    return lambda row: holds(condition, to_columns(row, SCHEMA))


CONTEXT = RankingContext(
    PARAMS,
    SCHEMA,
    now_ms=1_750_000_000_000,
    lexical=LexicalParams(pivot=4.0, weight=1.4),
    rerankers={"house": house},
    matcher=matching,
)


def unit(seed):
    values = np.random.default_rng(seed).normal(size=D)
    return (values / np.linalg.norm(values)).astype(np.float32)


@st.composite
def hits(draw, names="abcdefgh"):
    products = draw(st.lists(st.sampled_from(names), max_size=12))
    known = {name: draw(attributes) for name in sorted(set(products))}
    return [
        hit(
            name,
            draw(st.floats(0, 20)),
            view=view,
            seed=draw(st.integers(0, 30)),
            imputed=draw(st.sampled_from(["", "", "image", "text"])),
            group_id="g" if name in "ab" else "",
            **known[name],
        )
        for view, name in enumerate(products)
    ]


terms = st.lists(
    st.builds(
        Term,
        st.sampled_from(["photo", "words"]),
        st.sampled_from(["image", "text"]),
        st.integers(0, 40).map(unit),
        st.floats(-3, 3).filter(bool),
    ),
    min_size=1,
    max_size=5,
).filter(lambda found: any(term.amount > 0.01 for term in found))
requests = st.fixed_dictionaries(
    {"parts": st.just([{"text": "red"}]), "explain": st.just(True)},
    optional={
        "fusion": st.sampled_from(["blend", "rrf"]),
        "rerank": st.just("house"),
        "boosts": st.just(
            [
                {"kind": "saturation", "attribute": "sold", "pivot": 50, "weight": 0.1},
                {"kind": "linear", "attribute": "price", "lo": 20, "hi": 0, "weight": 0.1},
                {"kind": "decay", "attribute": "added", "scale": "300d", "shape": "exp", "weight": 0.1},
                {"kind": "decay", "attribute": "price", "origin": 10, "scale": 5, "shape": "linear", "weight": 0.1},
                {"kind": "flag", "attribute": "in_stock", "weight": 0.1},
                {"kind": "match", "where": {"field": "brand", "eq": "finch"}, "weight": 0.1},
            ]
        ),
        "cut": st.sampled_from([{"min_relevance": 0.2}, {"of_best": 0.5}, {"gap": 0.3}]),
        "diversity": st.floats(0.1, 1),
        "facets": st.just(["brand", "price"]),
    },
).flatmap(lambda fields: st.sampled_from([fields, {**fields, "collapse": "group", "pick": "cheapest"}]))
weights = st.builds(Weights, **dict.fromkeys(("ii", "it", "ti", "tt"), st.floats(0, 4)))


@settings(deadline=None, max_examples=200)
@given(fields=requests, vector=hits(), lexical=st.none() | hits(), terms=terms, weights=weights)
def test_every_score_recomputes_from_the_leaves_of_its_explanation(fields, vector, lexical, terms, weights):
    query = build(terms, weights, dim=D)
    ranked = rank(Found(vector, lexical), query, SearchRequest.parse(fields), CONTEXT)
    scale = 1 + np.abs(query.coefficients).sum()
    for each in ranked.candidates:
        assert recompute(each.trail) == pytest.approx(each.score, abs=1e-9)
        assert recompute(each.relevance_trail) == pytest.approx(each.relevance, abs=1e-9)
        raw = each.relevance_trail.children[0]
        assert recompute(raw) == pytest.approx(each.raw, abs=1e-9 * scale)
        assert float(each.row.vector.astype(np.float64) @ query.vector) == pytest.approx(each.raw, abs=1e-5 * scale)
        marked = [node for term in raw.children for node in term.children if "(imputed)" in node.label]
        assert len(marked) == (len(query.terms) if each.row.imputed else 0)
        assert all(f"product_{each.row.imputed}" in node.label for node in marked)


@settings(deadline=None)
@given(fields=requests, vector=hits(), lexical=st.none() | hits(), terms=terms)
def test_explaining_changes_nothing_else(fields, vector, lexical, terms):
    query = build(terms, Weights(), dim=D)
    found = Found(vector, lexical)
    explained = rank(found, query, SearchRequest.parse(fields), CONTEXT)
    plain = rank(found, query, SearchRequest.parse({**fields, "explain": False}), CONTEXT)
    assert [(c.product_id, c.score, c.penalty) for c in plain.candidates] == [
        (c.product_id, c.score, c.penalty) for c in explained.candidates
    ]
    assert all(each.trail is None for each in plain.candidates)


@settings(deadline=None)
@given(vector=hits(), lexical=hits(), seed=st.randoms(use_true_random=False))
def test_the_order_of_the_hits_does_not_matter(vector, lexical, seed):
    request = SearchRequest.parse({"parts": [{"text": "red"}], "diversity": 0.2})
    query = build([Term("words", "text", unit(1), 1.0)], Weights(), dim=D)
    shuffled = [seed.sample(hits, len(hits)) for hits in (vector, lexical)]
    # Two hits with one key are one row; which of two different ones is found first may matter.
    first = rank(Found(vector, lexical), query, request, CONTEXT)
    if len({each.row.key for each in vector + lexical}) == len(vector + lexical):
        assert ids(rank(Found(*shuffled), query, request, CONTEXT).candidates) == ids(first.candidates)


@settings(deadline=None)
@given(lexical=hits())
def test_a_lexical_search_needs_no_vector(lexical):
    request = SearchRequest.parse({"parts": [{"text": "red"}], "mode": "lexical", "explain": True})
    ranked = rank(Found((), lexical), None, request, CONTEXT)
    assert list(ranked.candidates) == by_score(ranked.candidates)
    for each in ranked.candidates:
        assert recompute(each.trail) == each.score == pytest.approx(each.lexical / (each.lexical + 4.0))


def query_of(*seeds):
    return build([Term("words", "text", unit(seed), 1.0) for seed in seeds], Weights(), dim=D)


def test_stages_are_timed_in_their_order():
    ranked = rank(Found([hit("a")]), query_of(1), SearchRequest.parse({"parts": [{"text": "red"}]}), CONTEXT)
    assert list(ranked.milliseconds) == STAGES
    assert all(spent >= 0 for spent in ranked.milliseconds.values())


def test_facets_count_all_pages_and_what_was_cut_is_gone():
    found = [hit(f"p{n:02}", seed=n, brand="wren" if n % 2 else "finch") for n in range(30)]
    request = SearchRequest.parse(
        {"parts": [{"text": "red"}], "limit": 5, "facets": ["brand"], "cut": {"min_relevance": 0.3}}
    )
    ranked = rank(Found(found, exhausted=False), query_of(1), request, CONTEXT)
    assert 5 < len(ranked.candidates) < 30
    assert (
        ranked.facets["brand"].total
        == len(ranked.candidates)
        == sum(each.count for each in ranked.facets["brand"].values)
    )
    assert ranked.truncated
    assert ranked.facets["brand"].truncated
    assert ids(ranked.page(5)) == ids(ranked.candidates)[:5]
    assert [product_id for product_id, *_ in ranked.remaining(5)] == ids(ranked.candidates)[5:]


def test_a_sorted_result_is_cut_by_score_first():
    found = [hit("dear", seed=1, price=9.0), hit("cheap", seed=2, price=1.0), hit("free", seed=3, price=0.0)]
    query = query_of(1)
    fields = {"parts": [{"text": "red"}], "sort": {"attribute": "price"}}
    everything = rank(Found(found), query, SearchRequest.parse(fields), CONTEXT)
    assert ids(everything.candidates) == ["free", "cheap", "dear"]
    best = by_score(everything.candidates)[0]
    cut = rank(Found(found), query, SearchRequest.parse({**fields, "cut": {"of_best": 1.0}}), CONTEXT)
    assert ids(cut.candidates) == [best.product_id]


def test_the_leaves_of_an_explanation_are_weights_and_cosines():
    request = SearchRequest.parse({"parts": [{"text": "red"}], "explain": True})
    (each,) = rank(Found([hit("a", seed=3)]), query_of(1), request, CONTEXT).candidates
    halves = each.row.vector.reshape(2, D) @ unit(1)
    values = [leaf.value for leaf in leaves(each.trail)]
    assert values == pytest.approx([1.0, halves[0], 1.0, halves[1], 3.0, -1.0])


def test_a_boost_by_a_filter_needs_something_that_reads_filters():
    context = RankingContext(PARAMS, SCHEMA, now_ms=0)
    request = SearchRequest.parse(
        {"parts": [{"text": "red"}], "boosts": [{"kind": "match", "where": {"field": "brand", "eq": "finch"}}]}
    )
    with pytest.raises(Unsupported, match="matcher"):
        rank(Found([hit("a")]), query_of(1), request, context)


def test_the_deepest_search_is_ranked_in_little_time():
    found = [hit(f"p{n:03}", seed=n, view=view, price=float(n), brand="wren") for n in range(500) for view in range(3)]
    request = SearchRequest.parse(
        {"parts": [{"text": "red"}], "depth": 500, "explain": True, "diversity": 0.3, "facets": ["brand", "price"]}
    )
    start = time.perf_counter()
    ranked = rank(Found(found, found), query_of(1, 2), request, CONTEXT)
    assert len(ranked.candidates) == 500
    assert time.perf_counter() - start < 20


def test_two_lists_together_are_no_deeper_than_asked():
    vector, lexical = ([hit(f"{name}{n}", seed=n) for n in range(10)] for name in "ab")
    request = SearchRequest.parse({"parts": [{"text": "red"}], "depth": 10})
    ranked = rank(Found(vector, lexical), query_of(1), request, CONTEXT)
    everything = rank(Found(vector, lexical), query_of(1), request.model_copy(update={"depth": 20}), CONTEXT)
    assert ids(ranked.candidates) == ids(everything.candidates)[:10]
    assert (ranked.truncated, everything.truncated) == (True, False)
