"""Splits what is asked into requests that a service takes, by the limits that it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from fourtower_search.query.parts import Image
from fourtower_search.query.request import SearchRequest
from fourtower_search.wire.requests import Limits

_T = TypeVar("_T")
ROOM = 0.9
"""How much of the allowed bytes pictures fill; the rest is for what stands around them."""


def portions(requests: Sequence[SearchRequest], limits: Limits) -> Iterator[list[SearchRequest]]:
    """Requests in groups that fit; one that is too large by itself stands alone, and the service will say so."""
    group: list[SearchRequest] = []
    for request in requests:
        if group and not _fit(len(group) + 1, _pictures([*group, request]), limits):
            yield group
            group = []
        group.append(request)
    if group:
        yield group


def picture_portions(pictures: Sequence[bytes | str], limits: Limits) -> Iterator[list[bytes | str]]:
    """Pictures in groups that fit, in their order; URLs are sent otherwise than bytes, so no group has both."""
    group: list[bytes | str] = []
    for picture in pictures:
        if group and (type(picture) is not type(group[0]) or not _fit(len(group) + 1, [*group, picture], limits)):
            yield group
            group = []
        group.append(picture)
    if group:
        yield group


def slices(items: Sequence[_T], limits: Limits) -> Iterator[Sequence[_T]]:
    """Items in groups of the allowed size."""
    for start in range(0, len(items), limits.max_batch):
        yield items[start : start + limits.max_batch]


def _pictures(requests: Sequence[SearchRequest]) -> list[bytes | str]:
    sources = [part.source for request in requests for part in request.parts if isinstance(part, Image)]
    return [source for source in sources if isinstance(source, bytes | str)]


def _fit(count: int, pictures: Sequence[bytes | str], limits: Limits) -> bool:
    sizes = {id(picture): len(picture) for picture in pictures if isinstance(picture, bytes)}  # each is sent once
    return (
        count <= limits.max_batch
        and len(pictures) <= limits.max_images
        and sum(sizes.values()) <= ROOM * limits.max_body_bytes
    )
