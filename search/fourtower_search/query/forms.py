"""The JSON form of query parts, strict because it comes over the network."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fourtower_search.errors import InvalidQuery
from fourtower_search.query.parts import MAX_NUMBERS, Image, Product, QueryPart, Text, Vector

_URL = re.compile(r"(https?://|data:image/)", re.IGNORECASE)


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    weight: float = 1.0


class TextForm(_Form):
    """`{"text": "red leather", "weight": 0.6}`."""

    text: str


class ImageForm(_Form):
    """`{"image": "https://..."}`, or a `data:image/...;base64,` URL; a path is the caller's own business, not ours."""

    image: str


class ProductForm(_Form):
    """`{"product": "sku-1"}`."""

    product: str


class VectorForm(_Form):
    """`{"vector": [...], "modality": "text"}`."""

    vector: list[float] = Field(max_length=MAX_NUMBERS)
    modality: Literal["image", "text"] = "image"


PartForm = TextForm | ImageForm | ProductForm | VectorForm
_FORMS: dict[str, type[PartForm]] = {
    "text": TextForm,
    "image": ImageForm,
    "product": ProductForm,
    "vector": VectorForm,
}


def as_part(value: Any) -> QueryPart:
    """A part as it is, or from its JSON form.

    Raises:
        InvalidQuery: it is neither.
    """
    if isinstance(value, QueryPart):
        return value
    kinds = [kind for kind in _FORMS if isinstance(value, dict) and kind in value]
    if len(kinds) != 1:
        raise InvalidQuery(f"A query part has exactly one of {', '.join(_FORMS)}; got {value!r:.80}.")
    try:
        return _part(_FORMS[kinds[0]].model_validate(value))
    except ValidationError as error:
        raise InvalidQuery(f"In a query part, {first_problem(error)}.") from error


def first_problem(error: ValidationError) -> str:
    """Where the first thing is wrong, and what it is."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{where:.80}: {message}" if where else message


def _part(form: PartForm) -> QueryPart:
    match form:
        case TextForm():
            return Text(form.text, form.weight)
        case ImageForm():
            if not _URL.match(form.image):
                raise InvalidQuery(f"An image is named by an http(s) or data:image URL, not {form.image!r:.60}.")
            return Image(form.image, form.weight)
        case ProductForm():
            return Product(form.product, form.weight)
        case VectorForm():
            return Vector(form.vector, form.weight, form.modality)  # type: ignore[arg-type]  # it takes any row
