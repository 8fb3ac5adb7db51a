from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.search.reranking.builders import DIM, SCHEMA, WEIGHTS, asked, candidate, vector

from fourtower_search.query.parts import Text
from fourtower_search.ranking.candidates import Candidate
from fourtower_search.ranking.rerank import RerankQuery
from fourtower_search.reranking.features import ALIGNMENTS, Features
from fourtower_search.schema import Attribute, CatalogSchema

FEATURES = Features.of(SCHEMA)


def row(query: RerankQuery, one: Candidate) -> dict[str, float]:
    table = FEATURES.table(query, [one])
    return dict(zip(FEATURES.names, table[0].tolist(), strict=True))


def test_the_catalog_decides_which_features_there_are() -> None:
    assert FEATURES.signals == ("rating", "in_stock")
    assert FEATURES.searchable == ("brand", "tags")
    assert FEATURES.names[-4:] == ("rating", "in_stock", "rating missing", "in_stock missing")
    assert len(set(FEATURES.names)) == len(FEATURES.names)


def test_alignments_by_hand() -> None:
    query = vector(("image", [1, 0, 0, 0], 3.0), ("text", [0, 1, 0, 0], 1.0), ("text", [0, 0, 1, 0], -2.0))
    found = row(asked(vector=query), candidate(halves=[[0.5, 0.2, 0.1, 0], [0.3, 0.4, 0.6, 0]]))
    assert [found[name] for name in ALIGNMENTS] == pytest.approx(
        [0.75 * 0.5, 0.75 * 0.3, 0.25 * 0.2 - 0.5 * 0.1, 0.25 * 0.4 - 0.5 * 0.6]
    )


NUMBERS = st.lists(st.floats(-1, 1, width=32), min_size=DIM, max_size=DIM).filter(lambda v: np.linalg.norm(v) > 0.1)
TERMS = st.lists(
    st.tuples(st.sampled_from(["image", "text"]), NUMBERS, st.floats(-2, 2).filter(lambda a: abs(a) > 0.1))
)


@given(terms=TERMS, positive=NUMBERS, halves=st.lists(NUMBERS, min_size=2, max_size=2))
def test_the_weighted_alignments_add_up_to_the_raw_score(terms: list, positive: list, halves: list) -> None:
    query = vector(("image", positive, 1.0), *terms)
    one = candidate(halves=halves)
    found = row(asked(vector=query), one)
    assert one.row.vector is not None
    weights = (WEIGHTS.ii, WEIGHTS.it, WEIGHTS.ti, WEIGHTS.tt)
    total = sum(weight * found[name] for weight, name in zip(weights, ALIGNMENTS, strict=True))
    assert total == pytest.approx(query.scores(one.row.vector[None])[0], abs=1e-5)


def test_words_are_shares_of_the_query_that_were_found() -> None:
    query = asked(Text("Red ceramic MUG"), Text("plain white", -0.5))
    one = candidate(title="A red mug, plain", attributes={"brand": "Ceramic & Co", "tags": ("red", "matt")})
    found = row(query, one)
    assert found["title_words"] == pytest.approx(2 / 3)
    assert found["attribute_words"] == pytest.approx(2 / 3)
    assert found["unwanted_words"] == pytest.approx(1 / 2)
    assert row(query, candidate())["title_words"] == 0


def test_scores_and_imputed_halves_are_taken_over() -> None:
    found = row(asked(), candidate(raw=1.5, relevance=0.7, lexical=8.0, imputed="text"))
    assert (found["raw"], found["relevance"], found["lexical"]) == (1.5, 0.7, 0.5)
    assert (found["imputed_image"], found["imputed_text"]) == (0, 1)
    unknown = row(asked(), candidate())
    assert (unknown["raw"], unknown["lexical"]) == (0, 0)
    assert [unknown[name] for name in ALIGNMENTS] == [0, 0, 0, 0]


def test_missing_signals_are_marked_and_no_number() -> None:
    found = row(asked(), candidate(attributes={"in_stock": True}))
    assert np.isnan(found["rating"])
    assert (found["in_stock"], found["rating missing"], found["in_stock missing"]) == (1, 1, 0)


def test_a_catalog_without_signals_has_the_other_features() -> None:
    bare = Features.of(CatalogSchema())
    assert bare.table(asked(), [candidate("a"), candidate("b")]).shape == (2, len(bare.names))


def test_what_a_catalog_lacks_is_named() -> None:
    other = CatalogSchema(attributes={"rating": Attribute(type="string"), "brand": Attribute(type="int")})
    assert FEATURES.unfit(other) == ["brand", "in_stock", "rating", "tags"]
    assert FEATURES.unfit(SCHEMA) == []
