"""The two halves of a product's rows: what each is encoded from, and which stored ones can be used again.

A half is identified by a hash of the model and of what the tower is given: the text, or what identifies the picture.
A picture is identified by the `sha256` that its event declares, else by its URL and `etag`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from fourtower_encoders.manifest import Product as TowerProduct
from fourtower_ingest.events import Image, Product, Upsert
from fourtower_search.index.convergence import Stored
from fourtower_search.index.rows import RowState

Refetch = Literal["never", "always"]
"""Whether a picture that only its URL identifies is had anew with every event, or counts as unchanged."""
RECIPE = 1
"""Raised when the towers are given something else for the same product (all that the model itself determines is in
its id)."""


@dataclass(frozen=True, slots=True)
class ViewPlan:
    """The image half of one row."""

    image: Image | None
    """None: the product has no picture."""
    hash: str
    stored: str | None
    """Key of a row whose image half is of this picture."""
    encode: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """How to come by the rows of one product."""

    event: Upsert
    text: str
    """Empty: the product has no text."""
    text_hash: str
    stored_text: str | None
    """Key of a row whose text half is of this text."""
    views: tuple[ViewPlan, ...]

    @property
    def stored_keys(self) -> frozenset[str]:
        """Rows whose vectors are needed."""
        keys = (self.stored_text, *(view.stored for view in self.views))
        return frozenset(key for key in keys if key is not None)


def plan(event: Upsert, stored: Stored, *, model_id: str, refetch: Refetch) -> Plan:
    """Decide for each half of a product's rows whether it is stored, and whether it must be encoded."""
    text = text_of(event.product_id, event.product)
    hashed = text_hash(model_id, text)
    views = tuple(
        _view(image, stored.rows, model_id=model_id, refetch=refetch) for image in event.product.images or (None,)
    )
    return Plan(event, text, hashed, _with_text(stored.rows, hashed), views)


def text_of(product_id: str, product: Product) -> str:
    """What the `product_text` tower reads, put together as for training; empty if there is nothing to read."""
    text = TowerProduct(product_id=product_id, title=product.title, description=product.description).text
    return text if product.title.strip() or product.description.strip() else ""


def text_hash(model_id: str, text: str) -> str:
    """Identifies a text half; empty for no text."""
    return _hash("text", model_id, text) if text else ""


def image_hash(model_id: str, image: Image | None) -> str:
    """Identifies an image half; empty for no picture."""
    if image is None:
        return ""
    if image.sha256 is not None:
        return _hash("image", model_id, "sha256", image.sha256)
    # An etag is only unique below its URL: "1" is a popular one.
    return _hash("image", model_id, "url", image.kept.url, image.etag or "")


def matches(event: Upsert, rows: Iterable[RowState], *, model_id: str) -> bool:
    """Whether stored rows of an event's version were encoded by this model from what the event says.

    A picture that could not be had has no hash; that is no contradiction.
    """
    text = text_hash(model_id, text_of(event.product_id, event.product))
    pictures = [image_hash(model_id, image) for image in event.product.images or (None,)]
    return all(
        row.text_hash == text
        and row.view < len(pictures)
        and (row.image_hash == pictures[row.view] or (row.image_missing and not row.image_hash))
        for row in rows
    )


def _view(image: Image | None, rows: tuple[RowState, ...], *, model_id: str, refetch: Refetch) -> ViewPlan:
    hashed = image_hash(model_id, image)
    stored = next((row.key for row in rows if hashed and row.image_hash == hashed), None)
    return ViewPlan(image, hashed, stored, encode=stored is None or (refetch == "always" and _may_change(image)))


def _with_text(rows: tuple[RowState, ...], hashed: str) -> str | None:
    return next((row.key for row in rows if hashed and row.text_hash == hashed), None)


def _may_change(image: Image | None) -> bool:
    return image is not None and image.sha256 is None and image.etag is None and image.url[:4].lower() == "http"


def _hash(*parts: str) -> str:
    return hashlib.sha256(json.dumps([RECIPE, *parts]).encode()).hexdigest()[:32]
