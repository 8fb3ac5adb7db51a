"""A drawn catalog as rows of an index, embedded by the demo towers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from fourtower_encoders.embedder import Embedder
from fourtower_encoders.joint import product_rows
from fourtower_search.index.rows import Order, ProductWrite, Row
from fourtower_search.schema import CatalogSchema

Product = dict[str, Any]


def events(folder: Path) -> list[Product]:
    """The catalog's events."""
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def writes(folder: Path, embedder: Embedder) -> list[ProductWrite]:
    """Every product with its first view; one without a picture has that half imputed."""
    found = events(folder)
    schema = CatalogSchema.load(folder / "catalog.toml")
    texts = [_text(event["product"]) for event in found]
    pictured = np.array([bool(event["product"]["images"]) for event in found])
    pictures = [folder / event["product"]["images"][0]["url"] for event in found if event["product"]["images"]]
    images = np.zeros((len(found), embedder.dim), dtype=np.float32)
    images[pictured] = embedder.embed_images(pictures, role="product_image")
    vectors = product_rows(
        images,
        embedder.embed_texts(texts, role="product_text"),
        embedder.params,
        has_image=pictured,
        has_text=np.ones(len(found), dtype=bool),
    )
    return [
        _write(event, vector, schema, "" if has_image else "image")
        for event, vector, has_image in zip(found, vectors, pictured.tolist(), strict=True)
    ]


def _text(product: Product) -> str:
    return f"{product['title']}. {product['description']}" if product["description"] else product["title"]


def _write(event: Product, vector: Any, schema: CatalogSchema, imputed: Any) -> ProductWrite:
    order = Order(event["version"], False, "d")
    row = Row(
        event["product_id"],
        order,
        view=0,
        row_count=1,
        imputed=imputed,
        vector=vector,
        attributes=schema.split(event["product"]["attributes"])[0],
        title=event["product"]["title"],
        group_id=event["product"]["group_id"] or "",
    )
    return ProductWrite(event["product_id"], order, (row,))
