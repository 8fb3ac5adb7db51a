"""Random filters that fit the hostile catalog."""

from __future__ import annotations

import string
from typing import Any

from hypothesis import strategies as st
from tests.search.filters.catalog import FLOATS, INTS, SCHEMA, STRINGS, TIMES

from fourtower_search.errors import InvalidFilter
from fourtower_search.filters import F, Filter
from fourtower_search.filters.tree import check_size
from fourtower_search.schema import LOWEST_FLOAT, LOWEST_INT

SIGNS = ["__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"]

stored_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=12)
texts = st.sampled_from(STRINGS) | stored_text
whole = st.sampled_from(INTS) | st.integers(LOWEST_INT + 1, 2**63 - 1)
real = st.sampled_from(FLOATS) | st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: x != LOWEST_FLOAT)
near_whole = whole | real.filter(lambda x: LOWEST_INT < x < 2**63)
"""Numbers that a whole number may be compared with."""
times = st.sampled_from(TIMES) | st.datetimes(timezones=st.timezones()).map(lambda t: t.replace(microsecond=0))
wordy = st.sampled_from(["red", "leather", "RED leather", "a", "ab", "é", "日", "\uff21\uff22", "x key", "𠮷野家"])

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "product_id": texts | st.builds("{}{}".format, st.integers(0, 300), st.sampled_from(STRINGS)),
    "group_id": texts,
    "brand": texts,
    "colour": texts.filter(lambda text: len(text.encode()) <= 80),
    "stock": near_whole,
    "rank": near_whole,
    "price": real | st.sampled_from(INTS),
    "released": times,
}


@st.composite
def comparisons(draw: st.DrawFn) -> Filter:
    """One attribute against one value, or two, or several."""
    name = draw(st.sampled_from(sorted(VALUES)))
    value, field = VALUES[name], F[name]
    match draw(st.sampled_from(["sign", "sign", "sign", "between", "isin"])):
        case "between":
            return field.between(draw(value), draw(value))
        case "isin":
            return field.isin(draw(st.lists(value, max_size=5)))
    return getattr(field, draw(st.sampled_from(SIGNS)))(draw(value))


@st.composite
def several(draw: st.DrawFn) -> Filter:
    """An attribute of several strings."""
    field = F[draw(st.sampled_from(["tags", "sizes"]))]
    items = draw(st.lists(texts.filter(lambda text: len(text.encode()) <= 80), max_size=3))
    return field.contains_all(items) if draw(st.booleans()) else field.contains_any(items)


leaves = st.one_of(
    comparisons(),
    several(),
    st.sampled_from([*SCHEMA.attributes, "product_id", "group_id"])
    .filter(lambda name: name != "secret")
    .map(lambda name: F[name].exists()),
    st.builds(lambda name, text: F[name].matches(text), st.sampled_from(["title", "brand", "tags"]), wordy),
    st.builds(lambda sign, value: getattr(F.in_stock, sign)(value), st.sampled_from(SIGNS[:2]), st.booleans()),
)


def combined(leaf: st.SearchStrategy[Filter], *, most: int = 12) -> st.SearchStrategy[Filter]:
    """Leaves under and, or and not, within the limit of levels."""
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds(lambda a, b: a & b, inner, inner),
            st.builds(lambda a, b: a | b, inner, inner),
            st.builds(lambda a: ~a, inner),
        ),
        max_leaves=most,
    ).filter(_fits)


def _fits(where: Filter) -> bool:
    try:
        check_size(where)
    except InvalidFilter:
        return False
    return True


fitting = combined(leaves)
"""Filters that the hostile catalog can bind."""

names = st.text(string.ascii_letters + "_0123456789éß日", min_size=1, max_size=12) | st.sampled_from(
    ["in", "not", "and", "OR", "true", "class", "between", "exists", "all", "any", "_x", "1st"]
)
constants = (
    st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
)
any_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
any_leaves = st.one_of(
    st.builds(lambda name, sign, value: getattr(F[name], sign)(value), names, st.sampled_from(SIGNS), constants),
    st.builds(lambda name, low, high: F[name].between(low, high), names, constants, constants),
    st.builds(lambda name, values: F[name].isin(values), names, st.lists(constants, max_size=4)),
    st.builds(lambda name: F[name].exists(), names),
    st.builds(lambda name, text: F[name].matches(text), names, any_texts),
    st.builds(lambda name, items: F[name].contains_all(items), names, st.lists(any_texts, max_size=3)),
    st.builds(lambda name, items: F[name].contains_any(items), names, st.lists(any_texts, max_size=3)),
)
anything = combined(any_leaves)
"""Any filter that can be written, whatever the catalog."""
