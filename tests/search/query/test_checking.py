"""A request names only attributes that the catalog declares for that use."""

import pytest

from fourtower_search.errors import InvalidQuery
from fourtower_search.query.checking import check
from fourtower_search.query.request import SearchRequest
from fourtower_search.schema import CatalogSchema

SCHEMA = CatalogSchema.model_validate(
    {
        "attributes": {
            "price": {"type": "float", "sortable": True, "boostable": True},
            "sold": {"type": "int", "boostable": True},
            "added": {"type": "time", "sortable": True, "boostable": True},
            "in_stock": {"type": "bool", "boostable": True},
            "brand": {"type": "string"},
            "tags": {"type": "strings"},
        }
    }
)


def request(**fields):
    return SearchRequest.parse({"parts": [{"text": "red"}], **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {"sort": {"attribute": "added", "direction": "desc"}},
        {"collapse": "group", "pick": "cheapest"},
        {"collapse": "group", "pick": "in_stock"},
        {"collapse": "group", "pick": {"attribute": "sold", "direction": "desc"}},
        {"boosts": [{"kind": "saturation", "attribute": "sold", "pivot": 10}]},
        {"boosts": [{"kind": "linear", "attribute": "price", "lo": 10, "hi": 0}]},
        {"boosts": [{"kind": "decay", "attribute": "added", "scale": "7d", "offset": "1d"}]},
        {"boosts": [{"kind": "decay", "attribute": "price", "origin": 20, "scale": 5}]},
        {"boosts": [{"kind": "flag", "attribute": "in_stock"}]},
        {"boosts": [{"kind": "match", "where": {"field": "brand", "exists": True}}]},
        {"facets": ["brand", "tags", "price", "added", "in_stock"]},
        {"facets": [{"attribute": "added", "edges": ["2026-05-01T12:00:00Z"]}, {"attribute": "sold", "edges": [5]}]},
    ],
)
def test_what_is_declared_can_be_used(fields):
    check(request(**fields), SCHEMA)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sort": {"attribute": "prise"}}, "Can't sort by 'prise', which is not declared. Possible: price, added."),
        ({"sort": {"attribute": "brand"}}, "is string and not sortable. Possible: price, added."),
        ({"collapse": "group", "pick": {"attribute": "brand"}}, "Can't pick variants by 'brand'"),
        ({"boosts": [{"kind": "flag", "attribute": "brand"}]}, "is string and not boostable"),
        ({"boosts": [{"kind": "flag", "attribute": "price"}]}, r"flag boost by price \(float\) needs a bool attribute"),
        ({"boosts": [{"kind": "linear", "attribute": "added", "lo": 0, "hi": 1}]}, "needs an int or float attribute"),
        ({"boosts": [{"kind": "decay", "attribute": "added", "scale": 5}]}, "scale and an offset like '7d'"),
        ({"boosts": [{"kind": "decay", "attribute": "added", "origin": 5, "scale": "7d"}]}, "or 'now'"),
        ({"boosts": [{"kind": "decay", "attribute": "price", "scale": 5}]}, "its origin, scale and offset numbers"),
        ({"boosts": [{"kind": "decay", "attribute": "price", "origin": 5, "scale": "7d"}]}, "numbers"),
        ({"facets": ["colour"]}, "Can't count by 'colour', which is not declared"),
        ({"facets": [{"attribute": "brand", "edges": [1]}]}, "must not be given: it is string"),
        ({"facets": [{"attribute": "added", "edges": [1]}]}, "must be times"),
        ({"facets": [{"attribute": "price", "edges": ["2026-05-01T12:00:00Z"]}]}, "must be numbers"),
    ],
)
def test_mistakes_name_what_is_possible(fields, message):
    with pytest.raises(InvalidQuery, match=message):
        check(request(**fields), SCHEMA)


def test_a_catalog_without_attributes_says_how_to_declare_them():
    with pytest.raises(InvalidQuery, match=r"none; declare sortable attributes in catalog.toml"):
        check(request(sort={"attribute": "price"}), CatalogSchema())


def test_sugar_needs_the_attribute_that_it_stands_for():
    with pytest.raises(InvalidQuery, match="Can't pick variants by 'price', which is not declared"):
        check(request(collapse="group", pick="cheapest"), CatalogSchema())
