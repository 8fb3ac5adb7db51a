"""What a filter says of stored columns: checked against its meaning, and mistakes against the catalog."""

import pytest
from hypothesis import given, settings
from tests.search.filters.catalog import SCHEMA, products, row_of
from tests.search.filters.reference import matches
from tests.search.filters.strategies import fitting

from fourtower_search.errors import InvalidFilter
from fourtower_search.filters import F, bind
from fourtower_search.index.columns import to_columns
from fourtower_search.index.conditions import Compare, OneOf, holds
from fourtower_search.schema import LOWEST_FLOAT, LOWEST_INT, CatalogSchema

PRODUCTS = products(120, seed=5)
COLUMNS = [to_columns(row_of(product), SCHEMA) for product in PRODUCTS]


def found(where) -> set[str]:
    """The products that a bound filter holds for."""
    condition = bind(where, SCHEMA)
    return {columns["product_id"] for columns in COLUMNS if holds(condition, columns)}


def meant(where) -> set[str]:
    """The products that fulfil a filter."""
    return {product["product_id"] for product in PRODUCTS if matches(where, product)}


@settings(max_examples=300, deadline=None)
@given(fitting)
def test_columns_are_chosen_as_the_filter_means_it(where):
    assert found(where) == meant(where)


def test_the_products_are_worth_asking():
    everything = {product["product_id"] for product in PRODUCTS}
    for name in [*SCHEMA.attributes, "group_id"]:
        assert 0 < len(found(F[name].exists())) <= len(everything) if name not in ("secret",) else True
    assert len(found(F.stock > 0)) > 10
    assert len(found(F.tags.contains("a"))) > 0
    assert len(found(F.title.matches("leather"))) > 0


def test_a_missing_attribute_matches_no_comparison_and_every_complement():
    missing = {product["product_id"] for product in PRODUCTS if "price" not in product}
    assert missing
    for where in (F.price < 1, F.price <= 1, F.price != 1, F.price > -1e300, F.price.between(-1e300, 1e300)):
        assert not found(where) & missing
        assert missing <= found(~where)
    assert found(~F.price.exists()) == missing


def test_empty_lists():
    assert found(F.brand.isin([])) == found(F.tags.contains_any([])) == set()
    assert found(F.tags.contains_all([])) == found(F.tags.exists())


def test_numbers_compare_as_in_python_whatever_the_type():
    assert bind(F.stock < 10.5, SCHEMA).conditions[0] == Compare("a_stock", "<", 11)
    assert bind(F.stock > 10.5, SCHEMA) == Compare("a_stock", ">", 10)
    assert bind(F.stock.isin([1, 2.0, 2.5]), SCHEMA) == OneOf("a_stock", (1, 2))
    assert bind(F.price >= 2**53 + 1, SCHEMA) == Compare("a_price", ">=", 2.0**53 + 2)
    assert found(F.stock == 0.5) == set()
    assert found(F.stock != 0.5) == found(F.stock.exists())


def test_one_point_in_time_may_be_written_in_many_ways():
    ways = ["2026-05-01T12:00:00Z", "2026-05-01T14:00:00+02:00", "2026-05-01T12:00:00.000+00:00"]
    assert len({bind(F.released > way, SCHEMA) for way in ways}) == 1


WRONG = {
    "unknown": (F.brnd == "a", r"no attribute 'brnd'; it has brand, colour, group_id, .*title"),
    "capitals": (F.Price < 5, r"no attribute 'Price'; it has price, "),
    "a column": (F.a_brand == "a", "no attribute 'a_brand'"),
    "a state": (F.deleted == True, "no attribute 'deleted'"),  # noqa: E712
    "hidden": (F.secret == "a", "filterable = false"),
    "hidden, exists": (F.secret.exists(), "filterable = false"),
    "title": (F.title == "a", "matched by its words"),
    "title exists": (F.title.exists(), "matched by its words"),
    "not searchable": (F.colour.matches("a"), "searchable = true"),
    "id by words": (F.product_id.matches("a"), "searchable = true"),
    "unknown by words": (F.nothing.matches("a"), "no attribute 'nothing'"),
    "no word": (F.title.matches("!?"), "has no word"),
    "text as number": (F.stock < "5", "stock is int and can't be compared with '5'"),
    "truth as number": (F.stock == True, "stock is int"),  # noqa: E712
    "text as float": (F.price.between(1, "b"), "price is float"),
    "number as text": (F.brand == 5, "brand is string"),
    "number as truth": (F.in_stock == 1, "in_stock is bool"),
    "order of truth": (F.in_stock < True, "== and != only"),
    "truth between": (F.in_stock.between(False, True), "== and != only"),
    "number as time": (F.released > 5, "released is time"),
    "time without zone": (F.released > "2026-05-01", "with its zone"),
    "no time": (F.released > "yesterday", "with its zone"),
    "one of several": (F.tags == "a", "holds several strings"),
    "several in a list": (F.tags.isin(["a"]), "holds several strings"),
    "a single contains": (F.brand.contains("a"), "only attributes of several strings"),
    "empty text": (F.brand == "", "never an empty string"),
    "empty text in a list": (F.brand.isin(["a", ""]), "never an empty string"),
    "long text": (F.colour > "é" * 41, "82 bytes of text; it has at most 80"),
    "long item": (F.tags.contains("a" * 81), "at most 80"),
    "long id": (F.product_id.isin(["a" * 257]), "at most 256"),
    "big int": (F.stock < 2**63, "does not fit 64 bits"),
    "small int": (F.stock > LOWEST_INT, "does not fit 64 bits"),
    "big float for int": (F.stock < 1e19, "does not fit 64 bits"),
    "huge int for float": (F.price < 10**400, "does not fit 64 bits"),
    "lowest float": (F.price > LOWEST_FLOAT, "does not fit 64 bits"),
    "deep inside": (~((F.stock > 1) & (F.brnd == "a")), "no attribute 'brnd'"),
    "no filter": ("brand == 'a'", "is no filter"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_the_catalog_is_refused(case):
    where, message = WRONG[case]
    with pytest.raises(InvalidFilter, match=message):
        bind(where, SCHEMA)


def test_an_empty_catalog_has_the_built_in_fields():
    with pytest.raises(InvalidFilter, match="it has group_id, product_id, title"):
        bind(F.brand == "a", CatalogSchema())
    assert bind(F.product_id == "a", CatalogSchema()) == Compare("product_id", "==", "a")
