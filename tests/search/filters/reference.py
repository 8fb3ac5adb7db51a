"""What filters mean, said once more and most simply, of a product as a shop has it."""

from __future__ import annotations

import operator
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.search.filters.catalog import SCHEMA, Product

from fourtower_search.filters.tree import (
    AllOf,
    AnyOf,
    Between,
    Comparison,
    Contains,
    Exists,
    Filter,
    IsIn,
    Matches,
    Not,
)

OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def matches(where: Filter, product: Product) -> bool:
    """Whether a product fulfils a filter."""
    match where:
        case AllOf(filters):
            return all([matches(each, product) for each in filters])
        case AnyOf(filters):
            return any([matches(each, product) for each in filters])
        case Not(inner):
            return not matches(inner, product)
        case Exists(field):
            return field in product
        case Matches(field, text):
            return field in product and set(words(text)) <= set(words(product[field]))
    return where.field in product and compares(where, comparable(where.field, product[where.field]))


def compares(leaf: Filter, value: Any) -> bool:
    """Whether a value that is there is what a leaf asks for."""
    match leaf:
        case Comparison(field, sign, other):
            return OPERATORS[sign](value, comparable(field, other))
        case Between(field, low, high):
            return comparable(field, low) <= value <= comparable(field, high)
        case IsIn(field, values):
            return any(value == comparable(field, one) for one in values)
        case Contains(_, items, "all"):
            return set(items) <= set(value)
        case Contains(_, items, "any"):
            return bool(set(items) & set(value))
    raise AssertionError(leaf)


def comparable(field: str, value: Any) -> Any:
    """Times in milliseconds, anything else as it is."""
    attribute = SCHEMA.attributes.get(field)
    if attribute is None or attribute.type != "time":
        return value
    return (datetime.fromisoformat(value) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1)


def words(text: str | list[str]) -> list[str]:
    """The words of one text or several."""
    whole = text if isinstance(text, str) else " ".join(text)
    return re.findall(r"\w+", unicodedata.normalize("NFKC", whole).casefold())
