"""Requests as JSON and uploads: what `/search`, `/search/batch` and `/embed` take.

`/search` takes one request's fields, `/search/batch` `{"queries": [fields, ...]}`, `/embed` `{"texts": [...],
"images": [...]}`. Pictures whose bytes are sent travel beside the JSON: a form (multipart) has the JSON in its field
`request` and each picture as a file `image`, and a part says which one it means: `{"upload": 0, "weight": 1.0}`.
Uploads are counted over the whole form, from 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from fourtower_search.query.parts import Image, Product, QueryPart, Text, Vector
from fourtower_search.query.request import SearchRequest

REQUEST_FIELD, IMAGE_FIELD = "request", "image"
"""Of the form."""


class RequestForm(NamedTuple):
    """A request as it is sent."""

    fields: dict[str, Any]
    """JSON."""
    uploads: list[bytes]
    """Pictures, in the order in which parts name them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a service takes in one request; it says so itself, these are its defaults."""

    max_batch: int = 64
    """Searches, texts or ids."""
    max_images: int = 8
    max_body_bytes: int = 24_000_000


def request_form(request: SearchRequest, *, uploads: Sequence[bytes] = ()) -> RequestForm:
    """A request as it is sent; options that were not given are left out.

    Args:
        request: its pictures are bytes, or `http(s)` URLs, which the service fetches if it may.
        uploads: of requests before it in the same form.
    """
    pictures = list(uploads)
    fields = [name for name in SearchRequest.model_fields if name != "parts" and _is_given(request, name)]
    parts = [part_form(part, pictures) for part in request.parts]
    return RequestForm({"query": parts, **request.model_dump(mode="json", include=set(fields))}, pictures)


def batch_form(requests: Sequence[SearchRequest]) -> RequestForm:
    """Several requests in one form."""
    pictures: list[bytes] = []
    queries = []
    for request in requests:
        fields, pictures = request_form(request, uploads=pictures)
        queries.append(fields)
    return RequestForm({"queries": queries}, pictures)


def part_form(part: QueryPart, uploads: list[bytes]) -> dict[str, Any]:
    """A part as JSON; a picture's bytes become an upload unless they are one already."""
    match part:
        case Text():
            said: dict[str, Any] = {"text": part.text}
        case Product():
            said = {"product": part.product_id}
        case Vector():
            said = {"vector": part.values.tolist(), "modality": part.modality}
        case Image(source=bytes() as source):
            said = {"upload": _place(source, uploads)}
        case Image(source=str() as source):
            said = {"image": source}
        case _:
            raise TypeError(f"{part} is not ready to be sent")
    return {**said, "weight": part.weight}


def read_limits(form: Any) -> Limits:
    """The limits of a service; what it doesn't say, or says wrongly, is as usual."""
    said = form if isinstance(form, Mapping) else {}
    return Limits(**{name: said[name] for name in Limits.__slots__ if type(said.get(name)) is int and said[name] > 0})


def _is_given(request: SearchRequest, name: str) -> bool:
    return bool(getattr(request, name) != SearchRequest.model_fields[name].default)


def _place(picture: bytes, uploads: list[bytes]) -> int:
    """Where the picture is among the uploads; the same one is sent once."""
    known = next((place for place, other in enumerate(uploads) if other is picture), None)
    if known is not None:
        return known
    uploads.append(picture)
    return len(uploads) - 1
