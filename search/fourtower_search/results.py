"""What a search answers: hits, facets, totals and times, all frozen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fourtower_search.schema import CatalogSchema, Value

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from fourtower_search.index.rows import Row
    from fourtower_search.ranking.explain import Node
    from fourtower_search.ranking.facets import Facet


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = (
    (moment.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1) for moment in (datetime.min, datetime.max)
)
"""What a datetime can hold, in milliseconds; in a zone of their own, times may lie up to a day beyond."""


@dataclass(frozen=True, slots=True)
class Product:
    """A product as the index holds it."""

    product_id: str
    version: int
    title: str = ""
    description: str = ""
    images: tuple[str, ...] = ()
    """As the catalog declared them: paths or URLs."""
    group_id: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Declared and undeclared ones; times are datetimes in UTC."""


@dataclass(frozen=True, slots=True)
class ProductHit(Product):
    """A product that a search found."""

    score: float = 0.0
    """What the hits are ordered by, unless they were sorted by an attribute."""
    relevance: float = 0.0
    """Estimated probability, 0 to 1, that the product answers the query."""
    image: str | None = None
    """The view that matched best."""
    variants: tuple[str, ...] = ()
    """Other members of its group that were found, where groups are collapsed."""
    explanation: Node | None = None
    """How the score came about; there with `explain=True`."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A page of hits."""

    hits: tuple[ProductHit, ...]
    total: int
    """Products that were found, over all pages."""
    truncated: bool
    """More products may match than were looked at; a larger `depth` looks at more."""
    search_id: str
    generation: str
    """The collection that answered."""
    next_cursor: str | None = None
    facets: Mapping[str, Facet] = field(default_factory=dict)
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    image_root: Path | None = field(default=None, repr=False, compare=False)
    """Where the catalog's picture files lie, for those who want to show them."""

    def __iter__(self) -> Iterator[ProductHit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, place: int) -> ProductHit:
        return self.hits[place]

    def to_pandas(self) -> pd.DataFrame:
        """One line per hit, one column per attribute.

        Raises:
            Unsupported: pandas is not installed.
        """
        from fourtower_search.display import frame

        return frame(self)

    def __rich__(self) -> Table:
        from fourtower_search.display import table

        return table(self)

    def _repr_html_(self) -> str:
        from fourtower_search.display import html_cards

        return html_cards(self)


def product_fields(row: Row, schema: CatalogSchema) -> dict[str, Any]:
    """The fields of a `Product`, from one of its rows."""
    images = row.payload.get("images", ())
    return {
        "product_id": row.product_id,
        "version": row.order.version,
        "title": row.title,
        "description": str(row.payload.get("description", "")),
        "images": tuple(image["url"] for image in images),
        "group_id": row.group_id or None,
        "attributes": {
            **{name: shown(value, schema.attributes[name].type) for name, value in row.attributes.items()},
            **row.payload.get("attributes", {}),
        },
    }


def shown(value: Value, kind: str) -> Any:
    """A stored value as a person would have it."""
    if kind == "time" and isinstance(value, int | float):
        return _EPOCH + timedelta(milliseconds=min(max(value, _FIRST), _LAST))
    return list(value) if isinstance(value, tuple) else value
