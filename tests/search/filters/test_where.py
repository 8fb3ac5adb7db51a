"""The text form: equal to the tree, and errors that point at their place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.search.filters.strategies import anything

from fourtower_search.errors import InvalidFilter
from fourtower_search.filters import F, from_text, to_text
from fourtower_search.filters.tokens import MAX_TEXT


@given(anything)
def test_text_reads_back_as_an_equal_filter(where):
    again = from_text(to_text(where))
    assert again == where
    assert repr(again) == repr(where)


READ = {
    'price < 50 and brand in ("a", "b") and not title matches "red leather"': (
        (F.price < 50) & F.brand.isin(["a", "b"]) & ~F.title.matches("red leather")
    ),
    "price<50": F.price < 50,
    "price=50": F.price == 50,
    "in_stock": F.in_stock == True,  # noqa: E712
    "not in_stock": ~(F.in_stock == True),  # noqa: E712
    "not not in_stock": F.in_stock == True,  # noqa: E712
    "in_stock == False": F.in_stock == False,  # noqa: E712
    "price between -10 and 5e-1 and a": F.price.between(-10, 0.5) & (F.a == True),  # noqa: E712
    "brand exists": F.brand.exists(),
    'brand NOT IN ("a")': ~F.brand.isin(["a"]),
    "brand in ()": F.brand.isin([]),
    'tags contains "x"': F.tags.contains("x"),
    'tags contains all ("x", "y")': F.tags.contains_all(["x", "y"]),
    "tags contains any ('x', 'y')": F.tags.contains_any(["x", "y"]),
    "a or b and c": (F.a == True) | (F.b == True) & (F.c == True),  # noqa: E712
    "(a or b) and c": ((F.a == True) | (F.b == True)) & (F.c == True),  # noqa: E712
    "not (a or b)": ~((F.a == True) | (F.b == True)),  # noqa: E712
    "`in` > 1 and `1st` < 2": (F["in"] > 1) & (F["1st"] < 2),
    "all == 1 and any == 2": (F.all == 1) & (F.any == 2),
    r"""a = "x\"\n\u00e9\\'" """: F.a == "x\"\né\\'",
    "a = 'it\\'s'": F.a == "it's",
    'größe = "😀\n"': F["größe"] == "😀\n",
}


@pytest.mark.parametrize("text", READ)
def test_it_says_the_same_as_python(text):
    assert repr(from_text(text)) == repr(READ[text])


FAULTS = {
    "": "Column 1: expected the name of an attribute, not the end.",
    "price <": "Column 8: expected a value after '<', not the end.",
    "price < and": "Column 9: expected a value after '<', not 'and'.",
    "price < fifty": "Column 9: expected a value after '<', not 'fifty'; a text is written in quotes: \"fifty\".",
    "price < 50 brand": "Column 12: expected and, or, or the end, not 'brand'.",
    "price < 50 )": "Column 12: expected and, or, or the end, not ')'.",
    "price between 1 or 2": "Column 17: expected and between the ends of the range, not 'or'.",
    "price < 5x": "Column 9: a number ends in a letter; a text is written in quotes.",
    "price < 1.": "Column 10: '.' is not expected here.",
    "price < -": "Column 9: '-' is not expected here.",
    "price << 5": "Column 8: expected a value after '<', not '<'.",
    "not": "Column 4: expected the name of an attribute after 'not', not the end.",
    "a and": "Column 6: expected the name of an attribute after 'and', not the end.",
    "(a": "Column 3: expected and, or, or ), not the end.",
    "a in 5": "Column 6: expected a list like (1, 2), not '5'.",
    "a in (1,": "Column 9: expected a value after ',', not the end.",
    "a in (1 2)": "Column 9: expected , or ), not '2'.",
    "a not 5": "Column 7: expected in, not '5'.",
    "a contains 5": "Column 12: expected a text in quotes after 'contains', not '5'.",
    "a matches red": "Column 11: expected a text in quotes after 'matches', not 'red'; "
    'a text is written in quotes: "red".',
    'a = "abc': 'Column 5: the text that begins here has no closing ".',
    'a = "abc\\"': 'Column 5: the text that begins here has no closing ".',
    'a = "\\q"': "Column 6: \\q has no meaning in a text; write a backslash as \\\\.",
    "a && b": "Column 3: & is not used here; write and, or, not.",
    "a; b": "Column 2: ';' is not expected here.",
    "5 < a": "Column 1: expected the name of an attribute, not '5'.",
    "a = " + "9" * 500: "Column 5: a number of 500 digits.",
    "(" * 50_000: "Column 11: more than 10 parentheses inside each other.",
}


@pytest.mark.parametrize("text", FAULTS, ids=lambda text: text[:30])
def test_faults_are_pointed_at(text):
    with pytest.raises(InvalidFilter) as refused:
        from_text(text)
    assert str(refused.value) == FAULTS[text]


def test_values_are_checked_like_everywhere():
    for text in ('a = "\\ud800"', 'a = "\\u0000"', "a < 1e999", "a" * 65):
        with pytest.raises(InvalidFilter):
            from_text(text)


def test_length_and_size_are_limited():
    with pytest.raises(InvalidFilter, match="characters long"):
        from_text("a" * (MAX_TEXT + 1))
    with pytest.raises(InvalidFilter, match="more than 200"):
        from_text(" or ".join(["a"] * 201))
    assert from_text("not " * 20_000 + "a") == (F.a == True)  # noqa: E712


WORDS = ("and ", "or ", "not ", "in ", "exists ", "contains ", "between ")


@given(st.lists(st.sampled_from([*"ab(),<>=! \"'\\`5.-", *WORDS])).map("".join))
def test_any_text_is_read_or_refused(text):
    try:
        where = from_text(text)
    except InvalidFilter:
        return
    assert from_text(to_text(where)) == where
