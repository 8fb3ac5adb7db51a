"""A catalog of hostile products: every type of attribute, extreme values, missing values."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from fourtower_search.index.rows import Order, Row
from fourtower_search.schema import LOWEST_FLOAT, LOWEST_INT, Attribute, CatalogSchema

Product = dict[str, Any]
"""Attributes, product_id, group_id and title as a shop has them; what is missing is not there."""
DIM = 2

SCHEMA = CatalogSchema(
    attributes={
        "brand": Attribute(type="string", searchable=True),
        "colour": Attribute(type="string", max_length=80),
        "stock": Attribute(type="int"),
        "rank": Attribute(type="int", required=True),
        "price": Attribute(type="float"),
        "in_stock": Attribute(type="bool"),
        "released": Attribute(type="time"),
        "tags": Attribute(type="strings", max_length=80, searchable=True),
        "sizes": Attribute(type="strings", max_length=80),
        "secret": Attribute(type="string", filterable=False),
    }
)

STRINGS = [
    *("a", "b", "Ab", "ab", "aB", "a b", "red leather", "leather", "é", "e\u0301", "日本", "日", "𠮷野家", "𠀀"),
    *("😀", "👩‍👩‍👧", "\u200b", "\ufeff", " ", "  a", "\xa0", "\u2028", "\u2029", "\x85", "\x01", "\x1b", "\x7f"),
    *(
        'a"b',
        "a'b",
        "a\\b",
        "\\",
        "\\\\",
        "\\\\\\",
        '\\"',
        '"',
        "'",
        '""',
        "\\u0041",
        "\\u4e2d",
        "\\x41",
        "\\n",
        "\\日",
    ),
    *("\n", "\r", "\t", "a\nb", "a\r\nb", "\x0b\x0c", "%", "_", "a%", "%s", "{x}", "$meta", "//", "/*", "--", "#", "`"),
    *(
        '" or true or "',
        "' or 1==1 or '",
        'x" or key != "',
        "true",
        "null",
        "10",
        "\ud7ff",
        "\ue000",
        "￿",
        "\U0010ffff",
    ),
    "a" * 80,
]
INTS = [
    *(LOWEST_INT + 1, LOWEST_INT + 2, -(2**53) - 1, -(2**53), -(2**31), -10, -2, -1, 0, 1, 2, 9, 10, 11),
    *(2**31, 2**53, 2**53 + 1, 2**53 + 2, 2**63 - 2, 2**63 - 1),
]
FLOATS = [
    *(
        float(np.nextafter(LOWEST_FLOAT, 0)),
        -LOWEST_FLOAT,
        -1e22,
        -1.0,
        -0.5,
        -5e-324,
        0.0,
        5e-324,
        2.2250738585072014e-308,
    ),
    *(1e-7, 0.1, 1 / 3, 0.5, 1.0, 9.0, 9.99, 10.0, 10.5, 123456789.123456789, 2.0**53, 2.0**53 + 2, 1e21, 1e22, 1e308),
]
TIMES = [
    *("0001-01-01T00:00:00Z", "1950-06-01T00:00:00.001+02:00", "1970-01-01T00:00:00Z", "2026-05-01T12:00:00Z"),
    *("2026-05-01T14:00:00+02:00", "2026-05-01T12:00:00.001Z", "2026-05-01T12:00:00.002Z", "9999-12-31T23:59:59Z"),
]


def products(count: int, *, seed: int) -> list[Product]:
    """Random products; about a third of the optional attributes are missing."""
    draw = random.Random(seed)
    return [_product(number, draw) for number in range(count)]


def row_of(product: Product) -> Row:
    """The row of a product with one view."""
    given = {name: value for name, value in product.items() if name in SCHEMA.attributes}
    declared, _ = SCHEMA.split(given)
    return Row(
        product["product_id"],
        Order(1, False, "0"),
        view=0,
        row_count=1,
        vector=np.ones(DIM, dtype=np.float32),
        attributes=declared,
        group_id=product.get("group_id", ""),
        title=product.get("title", ""),
    )


def _product(number: int, draw: random.Random) -> Product:
    product = {
        "brand": _text(draw),
        "colour": _text(draw),
        "stock": draw.choice(INTS),
        "price": draw.choice(FLOATS),
        "in_stock": draw.random() < 0.5,
        "released": draw.choice(TIMES),
        "tags": draw.sample(STRINGS, draw.randint(0, 4)),
        "sizes": [_text(draw) for _ in range(draw.randint(0, 3))],
        "group_id": _text(draw),
        "title": " ".join(_text(draw) for _ in range(draw.randint(0, 3))),
    }
    kept = {name: value for name, value in product.items() if value not in ("", []) and draw.random() < 0.7}
    return {**kept, "product_id": f"{number}{_text(draw)}", "rank": draw.choice(INTS)}


def _text(draw: random.Random) -> str:
    if draw.random() < 0.8:
        return draw.choice(STRINGS)
    blocks = ((1, 0x7F), (0x80, 0x2FF), (0x2000, 0x206F), (0x4E00, 0x9FFF), (0xE000, 0xFFFF), (0x10000, 0x10FFFF))
    return "".join(chr(draw.randint(*draw.choice(blocks))) for _ in range(draw.randint(1, 8)))
