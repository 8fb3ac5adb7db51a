"""Writes for tests of the index: from the oracle's events, or by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.search.index.oracle import DIM, Event

from fourtower_encoders.joint import QueryParams
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.index.rows import Order, ProductWrite, Row, tombstone
from fourtower_search.index.store import RowStore
from fourtower_search.schema import Attribute, CatalogSchema

SCHEMA = CatalogSchema(
    attributes={"price": Attribute(type="int"), "brand": Attribute(type="string", searchable=True)},
)


def open_index(store: RowStore, **options: Any) -> ProductIndex:
    """An index over a store."""
    return ProductIndex(store, params=QueryParams(), model_id="test", **options)


def write_of(event: Event) -> ProductWrite:
    """The write that an event asks for."""
    order = Order(event.version, event.deletes, event.digest)
    if event.deletes:
        return tombstone(event.product_id, order)
    rows = tuple(
        Row(
            event.product_id,
            order,
            view=view,
            row_count=len(event.views),
            vector=np.array(vector, dtype=np.float32),
            attributes={"price": event.version},
        )
        for view, vector in enumerate(event.views)
    )
    return ProductWrite(event.product_id, order, rows)


def upsert(
    product_id: str,
    version: int = 1,
    *,
    views: int = 1,
    digest: str = "a",
    vector: Any = None,
    repair: bool = False,
    missing: tuple[int, ...] = (),
    **row: Any,
) -> ProductWrite:
    """A product with some views; those in `missing` lack their picture."""
    order = Order(version, False, digest)
    values = np.ones(DIM) if vector is None else vector
    rows = tuple(
        Row(
            product_id,
            order,
            view=view,
            row_count=views,
            image_missing=view in missing,
            vector=np.asarray(values, dtype=np.float32),
            **row,
        )
        for view in range(views)
    )
    return ProductWrite(product_id, order, rows, repair)


def delete(product_id: str, version: int, *, digest: str = "d") -> ProductWrite:
    """The write that deletes a product."""
    return tombstone(product_id, Order(version, True, digest))


def stored_keys(store: RowStore, *product_ids: str) -> set[str]:
    """Every row that a store holds of some products."""
    return {row.key for row in store.states(product_ids, consistency="strong", timeout_s=10)}
