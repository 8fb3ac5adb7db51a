"""Queries and candidates made by hand, for tests of re-rankers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fourtower_encoders.joint import Weights
from fourtower_search.index.rows import Order, Row
from fourtower_search.index.store import Hit
from fourtower_search.query.parts import QueryPart, Text
from fourtower_search.query.request import SearchRequest
from fourtower_search.query.vector import QueryVector, Term, build
from fourtower_search.ranking.candidates import Candidate
from fourtower_search.ranking.rerank import RerankQuery
from fourtower_search.schema import Attribute, CatalogSchema

DIM = 4
WEIGHTS = Weights(ii=2.0, it=0.5, ti=1.5, tt=3.0)
SCHEMA = CatalogSchema(
    attributes={
        "brand": Attribute(type="string", searchable=True),
        "tags": Attribute(type="strings", searchable=True),
        "rating": Attribute(type="float", boostable=True),
        "in_stock": Attribute(type="bool", boostable=True),
        "price": Attribute(type="float"),
    }
)


def candidate(
    product_id: str = "p", halves: Sequence[Sequence[float]] | None = None, *, title: str = "", **fields: Any
) -> Candidate:
    """A product with the halves [2, D] of its vector, and its attributes by keyword `attributes`."""
    row = Row(
        product_id,
        Order(1, False, "d"),
        view=0,
        row_count=1,
        imputed=fields.pop("imputed", ""),
        vector=np.asarray(np.zeros((2, DIM)) if halves is None else halves, dtype=np.float32).reshape(-1),
        attributes=fields.pop("attributes", {}),
        title=title,
    )
    return Candidate(Hit.of(row, 0.0), **fields)


def vector(*terms: tuple[str, Sequence[float], float]) -> QueryVector:
    """A query from (modality, embedding, amount)."""
    made = [Term(f"t{n}", modality, np.array(e, np.float32), amount) for n, (modality, e, amount) in enumerate(terms)]  # type: ignore[arg-type]
    return build(made, WEIGHTS, dim=DIM)


def asked(*parts: QueryPart, vector: QueryVector | None = None) -> RerankQuery:
    """A query of parts, `red mug` if there are none."""
    return RerankQuery(SearchRequest(parts=parts or (Text("red mug"),)), vector)
