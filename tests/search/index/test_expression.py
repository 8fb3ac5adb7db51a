"""How conditions are written for Milvus."""

import math

import pytest

from fourtower_search.errors import InvalidFilter
from fourtower_search.index.conditions import Compare, Every, HasItems, Holds, Negated, OneOf, Some
from fourtower_search.index.expression import expression
from fourtower_search.schema import LOWEST_FLOAT, LOWEST_INT

PRICE = Compare("a_price", "<", 9.5)
NEXT = LOWEST_INT + 1
WRITTEN = {
    "a_price < 9.5": PRICE,
    "a_stock >= -5": Compare("a_stock", ">=", -5),
    "a_price > -1.7976931348623157e+308": Compare("a_price", ">", LOWEST_FLOAT),
    "a_price == 5e-324": Compare("a_price", "==", 5e-324),
    "deleted == false": Compare("deleted", "==", False),
    r'title != "a\"b\\c\n\r\t日"': Compare("title", "!=", 'a"b\\c\n\r\t日'),
    "a_stock in [1, -2]": OneOf("a_stock", (1, -2)),
    'product_id in ["a"]': OneOf("product_id", ("a",)),
    'key == ""': OneOf("a_stock", ()),
    'array_contains_all(a_tags, ["x", "y"])': Holds("a_tags", ("x", "y"), "all"),
    'array_contains_any(a_tags, ["x"])': Holds("a_tags", ("x",), "any"),
    "array_length(a_tags) != 0": HasItems("a_tags"),
    'key != ""': Every(()),
    'not (key == "")': Negated(Some(())),
    "(a_price < 9.5) and (not (a_price < 9.5))": Every((PRICE, Negated(PRICE))),
    "(a_price < 9.5) or ((a_price < 9.5))": Some((PRICE, Every((PRICE,)))),
    f"a_stock >= {NEXT}": Compare("a_stock", ">", LOWEST_INT),
    f"a_stock < {NEXT}": Compare("a_stock", "==", LOWEST_INT),
    f"(a_stock < {NEXT} or a_stock in [1])": OneOf("a_stock", (LOWEST_INT, 1)),
}


@pytest.mark.parametrize("text", WRITTEN)
def test_conditions_are_written_so(text):
    assert expression(WRITTEN[text]) == text


def test_all_but_ascii_can_be_escaped():
    written = expression(Compare("title", "==", 'é日𠮷\x01\x7f\n"\\'), ascii_only=True)
    assert written == r'title == "\u00e9\u65e5\U00020bb7\u0001\u007f\n\"\\"'


@pytest.mark.parametrize("value", ["a\x00", "\ud800", math.inf, math.nan, 2**63, -(2**63) - 1])
def test_what_no_column_holds_is_refused(value):
    for condition in (Compare("a_x", "==", value), OneOf("a_x", (value,))):
        with pytest.raises(InvalidFilter):
            expression(condition)


def test_only_columns_are_names():
    for name in ("a) or (b", "A", "", "a b", "a\n", "é"):
        with pytest.raises(InvalidFilter, match="is no column"):
            expression(Compare(name, "==", 1))
