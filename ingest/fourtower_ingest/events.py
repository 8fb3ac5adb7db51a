"""The event contract: one change of one product, as producers publish it.

An upsert carries the whole product, a patch some of its fields, a delete none. Events of a product are ordered by
version; of equal versions a delete comes last, and the digest of the content decides between the rest, so that every
reader ends in the same state.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from fourtower_ingest.values import (
    MAX_IMAGES,
    Attributes,
    ChangedAttributes,
    Description,
    Etag,
    GroupId,
    ProductId,
    SchemaVersion,
    Sha256,
    Title,
    Url,
    Version,
    is_data_url,
    kept_url,
)


class EventOrder(NamedTuple):
    """Where an event stands among all events of its product; tuples compare."""

    version: int
    deleted: bool
    digest: str


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Image(_Strict):
    """A picture of a product; a hash or an etag tells when another picture lies behind the same URL."""

    url: Url
    sha256: Sha256 | None = None
    etag: Etag | None = None

    @property
    def inline(self) -> bool:
        """Whether the picture itself came with the event."""
        return is_data_url(self.url)

    @property
    def kept(self) -> Image:
        """As it is remembered: without bytes."""
        return Image(url=kept_url(self.url), sha256=self.sha256, etag=self.etag) if self.inline else self


def _as_images(value: Any) -> Any:
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise ValueError('must be a list, like [{"url": "..."}]')
    if len(value) > MAX_IMAGES:
        raise ValueError(f"has {len(value):,} pictures; {MAX_IMAGES} are allowed")
    return tuple(value)


Images = Annotated[
    tuple[Image, ...],
    BeforeValidator(_as_images, json_schema_input_type=list[Image] | None),
    Field(json_schema_extra={"maxItems": MAX_IMAGES}),
]


class Product(_Strict):
    """A whole product; a field that is absent or null is empty."""

    title: Title = ""
    description: Description = ""
    images: Images = ()
    group_id: GroupId = ""
    attributes: Attributes = {}

    @property
    def kept(self) -> Product:
        """As it is remembered: pictures that came inside the event are replaced by their hash."""
        if not any(is_data_url(image.url) for image in self.images):
            return self
        return self.model_copy(update={"images": tuple(image.kept for image in self.images)})


class ProductChange(_Strict):
    """Some fields of a product: null empties a field or removes an attribute, images are replaced as a whole."""

    title: Title = ""
    description: Description = ""
    images: Images = ()
    group_id: GroupId = ""
    attributes: ChangedAttributes = {}

    @property
    def fields(self) -> frozenset[str]:
        """Those that are replaced; attributes are merged one by one instead."""
        return frozenset(self.model_fields_set - {"attributes"})

    @property
    def content(self) -> dict[str, Any]:
        """What it says, for its digest."""
        images = [image.kept.model_dump() for image in self.images]
        kept = {**self.model_dump(include=set(self.fields)), "attributes": self.attributes}
        return {**kept, "images": images} if "images" in self.fields else kept


class _Event(_Strict):
    op: Literal["upsert", "patch", "delete"]
    schema_version: SchemaVersion = 1
    product_id: ProductId
    version: Version

    @property
    def order(self) -> EventOrder:
        """Its place among the events of its product."""
        return EventOrder(self.version, self.deleted, self.digest)

    @property
    def deleted(self) -> bool:
        """Whether the product is gone after it."""
        return False

    @cached_property
    def digest(self) -> str:
        """Short hash of what it says, its version aside."""
        canonical = json.dumps(self._content(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with some fields exchanged; its digest is its own."""
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("digest", None)
        return copy

    def to_json(self) -> bytes:
        """The event as a producer would publish it; parsed, it is this event again."""
        fields = {"op": self.op, **self.model_dump(mode="json", exclude_unset=True)}
        return json.dumps(fields, separators=(",", ":")).encode()

    def _content(self) -> dict[str, Any]:
        return {}


class Upsert(_Event):
    """The product is this from now on."""

    op: Literal["upsert"] = "upsert"
    product: Product

    def _content(self) -> dict[str, Any]:
        return {"upsert": self.product.kept.model_dump()}


class Patch(_Event):
    """Some fields of the product change; it applies to the version before it, in the order of the log."""

    op: Literal["patch"] = "patch"
    product: ProductChange

    def _content(self) -> dict[str, Any]:
        return {"patch": self.product.content}


class Delete(_Event):
    """The product is gone."""

    op: Literal["delete"] = "delete"

    @property
    def deleted(self) -> bool:
        """Whether the product is gone after it."""
        return True


Event = Annotated[Upsert | Patch | Delete, Field(discriminator="op")]
EVENTS: dict[str, type[Upsert] | type[Patch] | type[Delete]] = {"upsert": Upsert, "patch": Patch, "delete": Delete}
