"""The identity of a request: equal for requests that rank alike, so that a cursor fits no other."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from fourtower_search.errors import InvalidQuery
from fourtower_search.filters import Filter, to_json
from fourtower_search.query.parts import Image, Product, QueryPart, Text, Vector
from fourtower_search.query.request import SearchRequest

_APART = {"parts", "cursor", "limit", "explain", "facets"}
"""What does not change the order of the products."""


def fingerprint(request: SearchRequest) -> str:
    """Hash of all that the ranking depends on; 16 hex digits."""
    fields = {name: getattr(request, name) for name in SearchRequest.model_fields if name not in _APART}
    digest = hashlib.sha256()
    for part in request.parts:
        digest.update(_identity(part))
    digest.update(json.dumps(fields, default=_plain, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def _identity(part: QueryPart) -> bytes:
    """A part's content behind its kind and weight; hashed alone, so that parts can't run into one another."""
    head = f"{type(part).__name__} {part.weight!r} "
    match part:
        case Text():
            body = part.text.encode()
        case Product():
            body = part.product_id.encode()
        case Vector():
            head, body = f"{head}{part.modality} ", part.values.tobytes()
        case Image():
            body = _picture(part.source)
    return hashlib.sha256(head.encode() + body).digest()


def _picture(source: bytes | str | Path | Pillow.Image) -> bytes:
    if isinstance(source, bytes):
        return source
    if isinstance(source, Pillow.Image):
        return f"{source.mode} {source.size} ".encode() + _pixels(source)
    return str(source).encode(errors="surrogatepass")


def _pixels(image: Pillow.Image) -> bytes:
    try:
        return image.tobytes()
    except Exception as error:  # a lazily opened file is only decoded now
        raise InvalidQuery(f"A picture of the query can't be loaded ({type(error).__name__}).") from error


def _plain(value: Any) -> Any:
    """Models and filters as JSON has them."""
    return to_json(value) if isinstance(value, Filter) else value.model_dump(mode="json")
