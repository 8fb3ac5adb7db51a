"""Turns stored rows into rows of another generation with the same model: vectors, keys and hashes stay as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from fourtower_search.index.conditions import Compare, Condition, Every
from fourtower_search.index.convergence import Stored
from fourtower_search.index.deadline import Deadline
from fourtower_search.index.generations import GenerationPlan
from fourtower_search.index.product_index import ANY, ProductIndex
from fourtower_search.index.rows import Order, ProductWrite, Row, Vector
from fourtower_search.index.scanning import rows_of, scan, slices
from fourtower_search.index.store import PAGE
from fourtower_workers.documents import document_of, product_of

TIMEOUT_S = 60.0


def whole_products(index: ProductIndex, *, after: str = "", vectors: bool) -> Iterator[list[ProductWrite]]:
    """The highest complete version of every product above an id, deleted ones too, by ascending id, some at a time.

    Read strongly: what was committed before is there. Of what is only under way, the log will tell.
    """
    where: Condition = Every((ANY, Compare("product_id", ">", after))) if after else ANY
    for product_ids in scan(index.store, where, consistency="strong", timeout_s=TIMEOUT_S, page=PAGE):
        for some in slices(product_ids):
            rows = rows_of(
                index.store, some, vectors=vectors, consistency="strong", deadline=Deadline(TIMEOUT_S), page=PAGE
            )
            yield _complete(some, rows)


def copied(write: ProductWrite, source: GenerationPlan, target: GenerationPlan) -> ProductWrite:
    """A product as the other generation keeps it.

    Raises:
        InvalidCatalog: its catalog refuses the product, or the product can't be read back.
    """
    if write.order.deleted:
        return write
    rows = write.rows
    if source.catalog.hash != target.catalog.hash:
        document = document_of(product_of(rows[0]), target.catalog)
        rows = tuple(replace(row, attributes=document.attributes, payload=document.payload) for row in rows)
    if (source.kappa_image, source.kappa_text) != (target.kappa_image, target.kappa_text):
        rows = tuple(imputed_anew(row, target) for row in rows)
    return replace(write, rows=rows)


def imputed_anew(row: Row, target: GenerationPlan) -> Row:
    """A row whose missing half, if any, is that of another kappa."""
    if not row.imputed or row.vector is None:
        return row
    image, text = np.split(row.vector, 2)
    # A view without a usable picture has that of another one where there is no text to impute it from.
    halves = (target.kappa_image * text, text) if row.text_hash else (image, target.kappa_text * image)
    vector: Vector = np.concatenate(halves).astype(np.float32)
    return replace(row, vector=vector)


def _complete(product_ids: Sequence[str], rows: Sequence[Row]) -> list[ProductWrite]:
    groups: dict[str, list[Row]] = {product_id: [] for product_id in product_ids}
    for row in rows:
        groups[row.product_id].append(row)
    orders = {product_id: Stored.of(own).complete for product_id, own in groups.items()}
    return [_write(product_id, order, groups[product_id]) for product_id, order in orders.items() if order is not None]


def _write(product_id: str, order: Order, rows: Sequence[Row]) -> ProductWrite:
    own = sorted((row for row in rows if row.order == order), key=lambda row: row.view)
    return ProductWrite(product_id, order, tuple(own))
