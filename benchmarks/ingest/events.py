"""The events that are published, and the rows that they become."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from fourtower_ingest.events import Image, Product, Upsert
from fourtower_ingest.values import AttributeValue
from fourtower_search.index.rows import Order, ProductWrite, Row
from fourtower_search.schema import CatalogSchema
from fourtower_workers.documents import document_of
from fourtower_workers.halves import image_hash, text_hash, text_of

CATALOG = """
[attributes.category]
type = "string"
required = true
searchable = true

[attributes.price]
type = "float"
sortable = true

[attributes.stock]
type = "int"
"""
KINDS = ("mug", "lamp", "bag", "chair", "clock", "vase", "hat", "shoe", "pillow", "umbrella")


@dataclass(frozen=True)
class Shop:
    """Products with one picture each, from one host.

    Args:
        pictures: the address of the host.
    """

    pictures: str

    def event(self, number: int, version: int, prefix: str = "p") -> Upsert:
        """A whole product, of which only the price differs from version to version."""
        kind = KINDS[number % len(KINDS)]
        attributes: dict[str, AttributeValue] = {
            "category": kind,
            "price": 5.0 + number % 90 + version / 100,
            "stock": number % 40,
        }
        product = Product(
            title=f"{kind} number {number}",
            description=f"A {kind} for every day, and for all who like one.",
            images=(Image(url=f"{self.pictures}/{number}.jpg"),),
            attributes=attributes,
        )
        return Upsert(product_id=f"{prefix}{number}", version=version, product=product)

    def prices(self, products: int, versions: Iterable[int]) -> Iterator[Upsert]:
        """New prices of all products, version by version, so that a product's events are far apart."""
        return (self.event(number, version) for version in versions for number in range(products))

    def write(
        self, event: Upsert, schema: CatalogSchema, model_id: str, vector: np.ndarray, source: str
    ) -> ProductWrite:
        """The row that an event becomes, with whatever vector."""
        document = document_of(event.product, schema)
        row = Row(
            product_id=event.product_id,
            order=Order(*event.order),
            view=0,
            row_count=1,
            image_hash=image_hash(model_id, event.product.images[0]),
            text_hash=text_hash(model_id, text_of(event.product_id, event.product)),
            imputed="",
            image_missing=False,
            vector=vector,
            attributes=document.attributes,
            group_id=document.group_id,
            source=source,
            title=document.title,
            payload=document.payload,
        )
        return ProductWrite(event.product_id, row.order, (row,))


def vectors(count: int, dim: int) -> np.ndarray:
    """Joint vectors whose halves have length 1, [N, 2 D]; `dim` is that of a half."""
    drawn = np.random.default_rng(5).standard_normal((count, 2, dim), dtype=np.float32)
    halves: np.ndarray = drawn / np.linalg.norm(drawn, axis=2, keepdims=True)
    return halves.reshape(count, 2 * dim)


def line(event: Upsert) -> bytes:
    """As kcat reads it: key, tabulator, value."""
    assert "\t" not in event.product_id
    value = json.dumps(json.loads(event.to_json()))
    return event.product_id.encode() + b"\t" + value.encode() + b"\n"
