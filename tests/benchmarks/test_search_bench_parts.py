"""Parts of the search benchmark by hand: exact answers, noisy copies, hidden halves, fusion, timing."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.search.enlarging import enlarged, halves_of, hide, without_halves
from benchmarks.search.exact import Exact
from benchmarks.search.fields import rrf, weighted
from benchmarks.search.hidden import Kept
from benchmarks.search.timing import in_turns, p50, p95
from benchmarks.search.writing import Writing, overall

from fourtower_encoders.joint import QueryParams
from fourtower_search.index.rows import Order, ProductWrite, Row

PARAMS = QueryParams(kappa_image=0.5, kappa_text=0.25)


def product(product_id, *vectors, price=10.0, imputed=""):
    order = Order(1, False, "d")
    rows = (
        Row(
            product_id,
            order,
            view,
            len(vectors),
            imputed=imputed,
            image_hash="i",
            text_hash="t",
            vector=np.array(vector, np.float32),
            attributes={"price": price},
        )
        for view, vector in enumerate(vectors)
    )
    return ProductWrite(product_id, order, tuple(rows))


THREE = [
    product("a", [1, 0, 0, 0], [0, 0, 1, 0], price=1.0),
    product("b", [0, 1, 0, 0], price=2.0),
    product("c", [0.6, 0.8, 0, 0], price=3.0),
]
QUERY = np.array([0, 1, 0.5, 0], np.float32)


def test_a_product_scores_as_its_best_view():
    assert Exact(THREE).scores(QUERY).tolist() == pytest.approx([0.5, 1.0, 0.8])


def test_recall_counts_products_among_the_best():
    exact = Exact(THREE)
    assert exact.recall(QUERY, ["b", "c"], 2) == 1
    assert exact.recall(QUERY, ["a", "b"], 2) == 0.5
    assert exact.recall(QUERY, ["b", "b"], 2) == 0.5
    assert exact.recall(QUERY, ["a", "c", "b"], 10) == 1


def test_a_filter_changes_what_is_best():
    exact = Exact(THREE)
    cheap = exact.within(1.0, 1.5)
    assert exact.recall(QUERY, ["a"], 2, cheap) == 1
    assert exact.recall(QUERY, ["b"], 2, cheap) == 0
    assert np.isnan(exact.recall(QUERY, [], 2, exact.within(7, 8)))


def test_equal_products_stand_for_each_other():
    twins = [product("a", [1, 0]), product("b", [1, 0]), product("c", [0, 1])]
    assert Exact(twins).recall(np.array([1, 0], np.float32), ["b"], 1) == 1


def test_bands_leave_about_their_share_and_differ():
    exact = Exact([product(f"p{n}", [1, 0], price=float(n)) for n in range(1000)])
    bands = [exact.band(0.01, n, 4) for n in range(4)]
    assert [exact.within(*band).sum() for band in bands] == pytest.approx([10] * 4, abs=1)
    assert len(set(bands)) == 4


def unit_products(count=4, dim=8):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(count, 2, 2, dim))
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    vectors[:, 1, 1] = vectors[:, 0, 1]  # all views of a product share its text
    return [product(f"p{n}", *views.reshape(2, -1)) for n, views in enumerate(vectors)]


def test_copies_are_new_products_near_their_originals():
    originals = unit_products()
    grown = list(enlarged(originals, 24, spread=0.3, params=PARAMS))
    assert grown[:4] == originals
    assert len({write.product_id for write in grown}) == 12
    for copy, original in zip(grown[4:8], originals, strict=True):
        images, texts = zip(*map(halves_of, copy.rows), strict=True)
        assert np.array_equal(*texts)
        assert np.linalg.norm([*images, *texts], axis=1) == pytest.approx(1)
        assert 0.85 < images[0] @ halves_of(original.rows[0])[0] < 0.999
        assert {row.product_id for row in copy.rows} == {copy.product_id}


def test_copies_are_the_same_every_time():
    first, second = (list(enlarged(unit_products(), 20, spread=0.3, params=PARAMS)) for _ in range(2))
    assert all(
        np.array_equal(one.vector, other.vector)
        for left, right in zip(first, second, strict=True)
        for one, other in zip(left.rows, right.rows, strict=True)
    )


def test_a_copy_imputes_what_its_original_imputes():
    original = product("a", [0, 0.5, 0, 1], imputed="image")
    copy = list(enlarged([original], 2, spread=0.3, params=PARAMS))[1]
    image, text = halves_of(copy.rows[0])
    assert image == pytest.approx(PARAMS.kappa_image * text)


def test_a_product_without_pictures_is_one_row():
    (original, *_) = unit_products()
    (row,) = hide(original, "image", PARAMS).rows
    image, text = halves_of(row)
    assert (row.imputed, row.row_count, row.image_hash, row.text_hash) == ("image", 1, "", "t")
    assert np.array_equal(text, halves_of(original.rows[0])[1])
    assert image == pytest.approx(0.5 * text)


def test_a_product_without_text_keeps_its_views():
    (original, *_) = unit_products()
    hidden = hide(original, "text", PARAMS)
    assert [(row.imputed, row.row_count, row.text_hash) for row in hidden.rows] == [("text", 2, "")] * 2
    assert halves_of(hidden.rows[1])[1] == pytest.approx(0.25 * halves_of(original.rows[1])[0])


def test_about_the_given_share_loses_a_half():
    writes, hidden = without_halves(unit_products(500), 0.2, PARAMS)
    imputed = [write.rows[0].imputed for write in writes if write.product_id in hidden]
    assert 60 < len(hidden) < 140
    assert abs(imputed.count("image") - imputed.count("text")) <= 1
    assert all(not write.rows[0].imputed for write in writes if write.product_id not in hidden)


def test_gains_do_not_make_up_for_losses():
    complete = {"image": {"image": 10, "text": 4, "mixed": 2}, "text": {"image": 10, "negative": 1}}
    hidden = {"image": {"image": 5, "text": 8, "mixed": 1}, "text": {"image": 9}}
    kept = Kept(complete, hidden)
    assert kept.shares()["image"] == pytest.approx(
        {"image": 0.5, "text": 2, "mixed": 0.5, "negative": np.nan}, nan_ok=True
    )
    assert kept.share("text", "negative") == kept.worst() == 0
    assert kept.mean() == pytest.approx((0.5 + 1 + 0.5 + 0.9 + 0) / 5)


def test_weighted_fusion_gives_the_absent_the_lowest_score():
    assert weighted({"a": 3.0, "b": 1.0}, {"b": 4.0, "c": 2.0}) == {"a": 5.0, "b": 5.0, "c": 3.0}
    assert weighted({"a": 3.0}, {}) == {"a": 3.0}


def test_ranks_are_fused_whatever_the_scores_are():
    assert rrf({"a": 9.0, "b": 8.0}, {"b": 0.1}) == pytest.approx({"a": 1 / 61, "b": 1 / 62 + 1 / 61})


def test_sides_take_turns_and_who_is_first_rotates():
    calls = []
    sides = {name: lambda item, name=name: calls.append(name + item) for name in "xy"}
    times = in_turns(sides, ["1", "2"], calls=2, warm_up=1)
    assert calls == ["y2", "x2", "x1", "y1", "y2", "x2"]
    assert [len(times[name]) for name in "xy"] == [2, 2]
    assert (p50([3.0, 1.0, 2.0]), p95([1.0, 1.0])) == (2.0, 1.0)


def test_speeds_are_compared_round_by_round():
    new = Writing(items=10, rows=20, ours_s=[2.0, 4.0], bare_s=[1.0, 3.0])
    price = Writing(items=10, rows=20, ours_s=[2.0, 1.0], bare_s=[1.0, 1.0])
    assert new.ratio == pytest.approx((0.5 + 0.75) / 2)
    assert new.details()["rows_per_s"] == pytest.approx(20 / 3)
    assert overall({"new": new, "price": price}) == pytest.approx((2 / 4 + 4 / 5) / 2)
