"""What the index stores: one row per product view, its key derived from the event that it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fourtower_search.errors import IndexMismatch
from fourtower_search.schema import Value

Vector = NDArray[np.float32]
Half = Literal["", "image", "text"]


class Order(NamedTuple):
    """Where an event stands among all events of its product: tuples compare as (version, delete last, digest)."""

    version: int
    deleted: bool
    digest: str
    """Hash of the event's content, so that equal versions with different content end the same way everywhere."""


class RowKey(NamedTuple):
    """A row's primary key, depending on nothing but its event."""

    product_id: str
    version: int
    digest: str
    view: int

    def __str__(self) -> str:
        return f"{self.product_id}@{self.version}.{self.digest}#{self.view}"


@dataclass(frozen=True, slots=True)
class RowState:
    """What convergence needs to know about a stored row."""

    product_id: str
    order: Order
    view: int
    row_count: int
    """How many rows this version of the product has."""
    image_hash: str = ""
    text_hash: str = ""
    """What each half was encoded from; empty for an imputed half."""
    imputed: Half = ""
    """The half that was filled in from the other one."""
    image_missing: bool = False
    """The picture was declared but could not be had."""

    @property
    def key(self) -> str:
        """The primary key."""
        return str(RowKey(self.product_id, self.order.version, self.order.digest, self.view))


@dataclass(frozen=True, slots=True)
class Row(RowState):
    """A whole row."""

    vector: Vector | None = None
    """[2 D], image half then text half; None in a tombstone, and where it was not asked for."""
    attributes: Mapping[str, Value] = field(default_factory=dict)
    """Declared attributes that are present, in stored form."""
    group_id: str = ""
    source: str = ""
    """The topic, or the file, that the event came from."""
    title: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)
    """For display: description, images, undeclared attributes."""


@dataclass(frozen=True, slots=True)
class ProductWrite:
    """All rows of one version of a product; a delete is one row without a vector."""

    product_id: str
    order: Order
    rows: tuple[Row, ...]
    repair: bool = False
    """Write even if the stored version is equal and complete."""


def checked_vector(row: Row, dim: int) -> Vector | None:
    """A row's vector as it may be stored; None in a tombstone.

    Raises:
        IndexMismatch: it is missing, of another length, or not finite.
    """
    if row.vector is None:
        if not row.order.deleted:
            raise IndexMismatch(f"Row {row.key} has no vector; only a delete may lack one.")
    elif row.vector.shape != (dim,) or not np.isfinite(row.vector).all():
        raise IndexMismatch(
            f"Row {row.key} needs a vector of {dim} finite numbers, not one of shape {row.vector.shape}; "
            f"build rows with the model of this index."
        )
    return row.vector


def tombstone(product_id: str, order: Order, *, source: str = "") -> ProductWrite:
    """The write that deletes a product."""
    row = Row(product_id=product_id, order=order, view=0, row_count=1, source=source)
    return ProductWrite(product_id, order, (row,))
