"""Grades and filters, by hand."""

import numpy as np
import pytest

from fourtower_encoders.manifest import Product
from fourtower_encoders.relevance import Labels, matches, same


def product(category=None, **attributes):
    return Product(product_id="p", category=category, attributes=attributes)


def test_grades_count_what_is_shared():
    products = [
        product("mug", pattern="dots", colour="red"),
        product("mug", pattern="dots", colour="red"),
        product("mug", pattern="dots", color="red"),
        product("mug", pattern="plain", colour="red"),
        product("mug"),
        product("bag", pattern="dots", colour="red"),
        product(pattern="dots", colour="red"),
    ]
    everything = np.arange(7)[None, :]
    labels = Labels.of(products)
    assert labels.grades(np.array([0]), everything).tolist() == [[4, 3, 3, 2, 1, 0, 0]]
    # Unknown style and unknown category are shared by nobody, not even by another unknown.
    assert labels.grades(np.array([4]), everything).tolist() == [[1, 1, 1, 1, 4, 0, 0]]
    assert labels.grades(np.array([6]), everything).tolist() == [[0, 0, 0, 0, 0, 0, 4]]


def test_unknown_labels_are_not_the_same():
    labels = Labels.of([product(), product(), product("mug"), product("mug")]).category
    found = same(labels, np.array([0, 2]), np.array([[0, 1, 2], [0, 2, 3]]))
    assert found.tolist() == [[False, False, False], [False, True, True]]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, [True, True, True, True]),
        ({"category": "bag"}, [True, False, True, False]),
        ({"pattern": "zebra"}, [True, True, False, False]),
        ({"pattern": "!zebra"}, [False, False, True, True]),
        ({"category": "bag", "pattern": "!zebra"}, [False, False, True, False]),
        ({"price": "10"}, [True, False, False, False]),
        ({"in_stock": "true"}, [False, True, False, False]),
        ({"tags": "new"}, [False, False, True, False]),
        ({"tags": "!new"}, [True, True, False, True]),
        ({"unheard_of": "x"}, [False] * 4),
        ({"unheard_of": "!x"}, [True] * 4),
    ],
)
def test_filters_compare_exactly_and_negate(conditions, expected):
    products = [
        product("bag", pattern="zebra", price=10),
        product("mug", pattern="zebra", in_stock=True),
        product("bag", pattern="dots", tags=["new", "sale"]),
        product(None, pattern=None),
    ]
    assert matches(products, conditions).tolist() == expected


def test_a_category_attribute_serves_where_the_field_is_empty():
    bag = Product(product_id="p", attributes={"category": "bag"})
    assert matches([bag], {"category": "bag"}).tolist() == [True]
