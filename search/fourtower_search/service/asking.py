"""Turns what a request said into searches, with the pictures that came with it in their places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fourtower_encoders.images import ImageSource
from fourtower_search.errors import InvalidQuery
from fourtower_search.query.parts import Image, QueryPart
from fourtower_search.query.request import MAX_DEPTH, SearchRequest
from fourtower_search.query.sugar import request_of
from fourtower_search.service.bodies import BatchBody, FacetsBody, Piece, QueryBody, SearchBody, UploadForm


def one_search(body: SearchBody, uploads: Sequence[bytes]) -> SearchRequest:
    """A search; pictures that no part names are parts of weight 1.

    Raises:
        InvalidQuery: what is wrong, and what to do about it.
    """
    return _request(body, uploads, body.options(), _unnamed([body], uploads))


def several_searches(body: BatchBody, uploads: Sequence[bytes]) -> list[SearchRequest]:
    """All searches of a batch, whose parts name all pictures.

    Raises:
        InvalidQuery: what is wrong, and what to do about it.
    """
    if _unnamed(body.queries, uploads):
        raise InvalidQuery('In a batch, each picture is named by a part: {"upload": 0} is the first one.')
    return [_request(each, uploads, each.options()) for each in body.queries]


def facet_search(body: FacetsBody, uploads: Sequence[bytes]) -> SearchRequest:
    """A search that looks as deep as it can, and counts."""
    options = {"depth": MAX_DEPTH, **body.options(), "facets": body.of}
    return _request(body, uploads, options, _unnamed([body], uploads))


def pictures_of(requests: Sequence[SearchRequest]) -> list[ImageSource]:
    """All pictures that are searched with."""
    return [part.source for request in requests for part in request.parts if isinstance(part, Image)]


def _request(
    body: QueryBody, uploads: Sequence[bytes], options: Mapping[str, Any], more: Sequence[bytes] = ()
) -> SearchRequest:
    parts = [_part(piece, uploads) for piece in body.query]
    return request_of([*parts, *body.image, *map(Image, more)], text=body.text, options=options)


def _part(piece: Piece, uploads: Sequence[bytes]) -> str | QueryPart:
    if not isinstance(piece, UploadForm):
        return piece
    if piece.upload >= len(uploads):
        there = f"there are {len(uploads)}, counted from 0" if uploads else "none was sent"
        raise InvalidQuery(f"A part names upload {piece.upload}, but of pictures {there}.")
    return Image(uploads[piece.upload], piece.weight)


def _unnamed(bodies: Sequence[QueryBody], uploads: Sequence[bytes]) -> list[bytes]:
    named = {piece.upload for body in bodies for piece in body.query if isinstance(piece, UploadForm)}
    return [upload for place, upload in enumerate(uploads) if place not in named]
