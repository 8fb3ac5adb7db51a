"""Found rows become one candidate per product: newest version, best view, exact score."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.ranking.samples import D, hit

from fourtower_encoders.joint import Weights
from fourtower_search.query.vector import Term, build
from fourtower_search.ranking.candidates import Found, gather

QUERY = build([Term("photo", "image", np.eye(D, dtype=np.float32)[0], 1.0)], Weights(), dim=D)


@st.composite
def hits(draw):
    """One answer, in which no row comes twice."""
    rows = draw(st.sets(st.tuples(st.sampled_from("abcd"), st.integers(0, 3), st.integers(1, 3)), max_size=12))
    return [
        hit(
            product,
            draw(st.floats(0, 9)),
            view=view,
            version=version,
            deleted=version == 3 and product == "d",
            seed=10 * version + view,
        )
        for product, view, version in sorted(rows)
    ]


@settings(deadline=None)
@given(vector=hits(), lexical=hits())
def test_each_product_once_by_its_newest_version_and_best_view(vector, lexical):
    found = gather(Found(vector, lexical), QUERY)
    rows = {each.row.key: each.row for each in vector + lexical}.values()
    newest = {
        product: max(row.order for row in rows if row.product_id == product)
        for product in {row.product_id for row in rows}
    }
    live = sorted(product for product, order in newest.items() if not order.deleted)
    assert sorted(best.product_id for best, *_ in found) == live
    for best, raw, words in found:
        rivals = [row for row in rows if row.product_id == best.product_id and row.order == newest[best.product_id]]
        scores = {row.view: float(QUERY.scores(row.vector[None])[0]) for row in rivals}
        assert raw == scores[best.view] == max(scores.values())
        assert best.view == min(view for view, score in scores.items() if score == raw)
        assert words == max((each.score for each in lexical if each.product_id == best.product_id), default=None)


def test_a_products_words_count_for_its_best_view_though_another_view_was_found_by_them():
    vector = [hit("a", view=0, seed=1), hit("a", view=1, seed=2)]
    best = max(range(2), key=lambda n: QUERY.scores(vector[n].row.vector[None])[0])
    lexical = [hit("a", 7.0, view=1 - best, seed=vector[1 - best].row.view + 1)]
    ((found, _, words),) = gather(Found(vector, lexical), QUERY)
    assert (found.view, words) == (best, 7.0)


def test_a_lexical_search_shows_the_first_view():
    ((found, raw, words),) = gather(Found((), [hit("a", 3.0, view=2), hit("a", 3.0, view=1)]), None)
    assert (found.view, raw, words) == (1, None, 3.0)


def test_nothing_found_is_no_candidates():
    assert gather(Found(), QUERY) == []
