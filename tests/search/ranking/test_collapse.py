"""Variants collapse to one per group, chosen by score or by an attribute."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.ranking.samples import candidate, candidate_lists, ids

from fourtower_search.query.refinements import PickBy
from fourtower_search.ranking.candidates import by_score
from fourtower_search.ranking.collapse import collapse_groups

picks = st.none() | st.builds(
    PickBy, attribute=st.sampled_from(["price", "in_stock", "sold"]), direction=st.sampled_from(["asc", "desc"])
)


def group_of(each):
    return each.row.group_id or f"product {each.product_id}"


@settings(deadline=None)
@given(candidates=candidate_lists(), by=picks)
def test_one_per_group_and_all_others_among_its_variants(candidates, by):
    shown = collapse_groups(candidates, by)
    assert len({group_of(each) for each in shown}) == len(shown) == len({group_of(each) for each in candidates})
    assert sorted(name for each in shown for name in (each.product_id, *each.variants)) == sorted(ids(candidates))
    assert shown == by_score(shown)


@settings(deadline=None)
@given(candidates=candidate_lists())
def test_the_best_of_each_group_is_kept_in_its_order(candidates):
    shown = collapse_groups(candidates)
    firsts = {}
    for each in by_score(candidates):
        firsts.setdefault(group_of(each), each.product_id)
    assert ids(shown) == list(firsts.values())


@settings(deadline=None)
@given(candidates=candidate_lists(), direction=st.sampled_from(["asc", "desc"]))
def test_no_variant_has_a_better_value_than_the_chosen_one(candidates, direction):
    by_id = {each.product_id: each for each in candidates}
    for each in collapse_groups(candidates, PickBy(attribute="price", direction=direction)):
        prices = [by_id[name].value("price") for name in each.variants]
        known = [price for price in prices if price is not None]
        if each.value("price") is None:
            assert not known
        else:
            sign = 1 if direction == "asc" else -1
            assert all(sign * each.value("price") <= sign * price for price in known)


def test_what_is_in_stock_comes_first_and_the_score_tells_equals_apart():
    variants = [
        candidate("a", 0.9, group_id="g", in_stock=False),
        candidate("b", 0.7, group_id="g", in_stock=True),
        candidate("c", 0.8, group_id="g", in_stock=True),
        candidate("d", 0.95, group_id="g"),
    ]
    (shown,) = collapse_groups(variants, PickBy(attribute="in_stock", direction="desc"))
    assert (shown.product_id, shown.score) == ("c", 0.8)
    assert shown.variants == ("d", "a", "b")


def test_a_group_named_like_a_product_is_another_thing():
    assert len(collapse_groups([candidate("a"), candidate("b", group_id="a")])) == 2
