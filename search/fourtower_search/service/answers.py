"""What the service answers, as its OpenAPI description shows it; `wire.results` makes the real thing, field by field.

Nothing is validated against these when a request is answered: tests hold every answer to them.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from fourtower_search.ranking.explain import Op
from fourtower_search.schema import Attribute, AttributeType


class ProductAnswer(BaseModel):
    """A product as the index holds it."""

    product_id: str
    version: int
    title: str
    description: str
    images: list[str] = Field(description="As the catalog declared them: paths or URLs.")
    group_id: str | None
    attributes: dict[str, Any] = Field(description="Declared and undeclared ones; times are RFC 3339 in UTC.")


class NodeAnswer(BaseModel):
    """One step of the calculation of a score."""

    op: Op
    label: str
    value: float
    children: list[NodeAnswer]


class HitAnswer(ProductAnswer):
    """A product that a search found."""

    score: float = Field(description="What the hits are ordered by, unless they were sorted by an attribute.")
    relevance: float = Field(description="Estimated probability, 0 to 1, that the product answers the query.")
    image: str | None = Field(description="The view that matched best.")
    variants: list[str] = Field(description="Other members of its group that were found.")
    explanation: NodeAnswer | None = Field(description="How the score came about; there with `explain`.")


class ValueAnswer(BaseModel):
    """A value and how many of the found products have it."""

    value: str | bool
    count: int


class RangeAnswer(BaseModel):
    """How many products lie from `lo` up to, but without, `hi`; times are milliseconds since 1970 in UTC."""

    lo: float | None
    hi: float | None
    count: int


class FacetAnswer(BaseModel):
    """Counts over all found products, not just a page of them."""

    attribute: str
    type: AttributeType
    values: list[ValueAnswer]
    ranges: list[RangeAnswer]
    total: int
    missing: int = Field(description="Products without the attribute.")
    others: int = Field(description="Values beyond the asked number of them.")
    truncated: bool


class Answered(BaseModel):
    """What every answer carries."""

    generation: str = Field(description="The collection that answered.")


class SearchAnswer(Answered):
    """A page of hits."""

    hits: list[HitAnswer]
    total: int = Field(description="Products that were found, over all pages.")
    truncated: bool = Field(description="More may match than were looked at; a larger `depth` looks at more.")
    search_id: str
    next_cursor: str | None = Field(description="Sent as `cursor`, with the same query, it continues.")
    facets: dict[str, FacetAnswer]
    timings_ms: dict[str, float]


class BatchAnswer(Answered):
    """One result per query, in their order."""

    results: list[SearchAnswer]


class FacetsAnswer(Answered):
    """Facets of what a query finds, without the hits."""

    facets: dict[str, FacetAnswer]
    total: int
    truncated: bool
    search_id: str
    timings_ms: dict[str, float]


class FoundAnswer(Answered):
    """One product."""

    product: ProductAnswer


class LookupAnswer(Answered):
    """Those of the products that exist, in the order in which they were asked for."""

    products: list[ProductAnswer]


class ScanAnswer(Answered):
    """Some products, by ascending id; the last one's id, sent as `after`, continues."""

    products: list[ProductAnswer]
    more: bool


class CountAnswer(Answered):
    """How many products fulfil a filter."""

    count: int


class EmbedAnswer(Answered):
    """One embedding per text and per picture."""

    model_id: str
    dim: int
    texts: list[list[float]]
    images: list[list[float]]


class CatalogAnswer(BaseModel):
    """The declared attributes, by name."""

    attributes: dict[str, Attribute]


class LimitsAnswer(BaseModel):
    """What one request may hold, and how long it may take."""

    max_body_bytes: int
    max_images: int
    max_batch: int
    max_pixels: int = Field(description="Of one picture, width times height.")
    max_page: int
    max_depth: int
    max_parts: int
    max_text: int
    image_urls: bool = Field(description="Whether pictures may be given as http(s) URLs.")
    timeout_s: float


class SchemaAnswer(Answered):
    """What the index holds, what answers, and within which limits."""

    catalog: CatalogAnswer = Field(alias="schema", description="As `catalog.toml` declares it.")
    model_id: str
    model: str = Field(description="Its name, or that of its folder; empty if the index records none.")
    demo: bool = Field(description="The model is the small one that ships with Fourtower.")
    dim: int
    engine: str
    lexical: bool = Field(description="Words can be looked up one by one.")
    rerankers: list[str]
    image_root: bool = Field(description="Where the catalog's picture files lie is known.")
    detectors: list[str] = Field(description="Plugins that find what a photo shows.")
    limits: LimitsAnswer


class CacheAnswer(BaseModel):
    """How often an embedding was remembered."""

    hits: int
    misses: int


class StatsAnswer(Answered):
    """How the service is doing; counts run from its start."""

    products: int
    version: str
    cache: CacheAnswer | None = Field(description="Embeddings of recent queries that were remembered.")
    waiting: int
    running: int
    batches: int
    batch_items: int
    turned_away: int


class ErrorAnswer(BaseModel):
    """What went wrong, for programs (`code`) and for people."""

    code: str
    message: str
    detail: dict[str, Any] | None
    request_id: str
