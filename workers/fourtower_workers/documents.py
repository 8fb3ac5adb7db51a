"""A product as the index keeps it, and back: read from its row, it is exactly the product that was sent.

Declared attributes are stored in typed columns, which forget how a value was written (a time's zone, 5 for 5.0); where
they do, the row keeps the value as it was sent, too. Without that, a patched product would have another digest when
its base came from the index than when it came from the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from fourtower_ingest.events import Product
from fourtower_search.errors import InvalidCatalog
from fourtower_search.index.rows import Row
from fourtower_search.schema import CatalogSchema, Value

AS_SENT = "as_sent"


@dataclass(frozen=True, slots=True)
class Document:
    """What all rows of a product share."""

    title: str
    group_id: str
    attributes: Mapping[str, Value]
    payload: Mapping[str, Any]


def document_of(product: Product, schema: CatalogSchema) -> Document:
    """A product in stored form.

    Raises:
        InvalidCatalog: an attribute does not fit the declared catalog.
    """
    declared, rest = schema.split(product.attributes)
    as_sent = {
        name: value
        for name, value in product.attributes.items()
        if name in schema.attributes and repr(declared.get(name)) != repr(value)
    }
    payload = {
        "description": product.description,
        "images": [image.model_dump(exclude_none=True) for image in product.kept.images],
        "attributes": rest,
        AS_SENT: as_sent,
    }
    filled = {name: value for name, value in payload.items() if value}
    return Document(product.title, product.group_id, declared, filled)


def product_of(row: Row) -> Product:
    """The product that a row belongs to, as it was sent.

    Raises:
        InvalidCatalog: it was not written by this version of Fourtower, or not through events.
    """
    payload = row.payload
    try:
        return Product.model_validate(
            {
                "title": row.title,
                "group_id": row.group_id,
                "description": payload.get("description"),
                "images": payload.get("images"),
                "attributes": {**row.attributes, **payload.get("attributes", {}), **payload.get(AS_SENT, {})},
            }
        )
    except (ValidationError, TypeError) as error:
        raise InvalidCatalog("What is stored can't be read back, so it can't be patched; send it whole.") from error
