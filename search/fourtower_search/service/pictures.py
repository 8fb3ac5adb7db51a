"""The endpoint of product pictures: small ones, made safely, kept in memory, and kept by browsers."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from fourtower_encoders.errors import ImageRejected
from fourtower_search.client import SearchClient
from fourtower_search.results import Product
from fourtower_search.service.access import allowed
from fourtower_search.service.answers import ErrorAnswer
from fourtower_search.service.describing import ResponsesForm
from fourtower_search.service.keys import ApiKey
from fourtower_search.service.paths import ends_with
from fourtower_search.service.product_routes import product
from fourtower_search.service.refusals import Refused
from fourtower_search.service.routes import ServiceRoute
from fourtower_search.service.service import Service, service_of
from fourtower_search.service.thumbnails import SIDES, Thumbnail, Thumbnails, make_thumbnail, rounded_side

GATHER_S = 0.003
"""Pages ask for many pictures at once; so long, products are gathered to look them up together."""
KNOWN_S = 30.0
"""How long it is remembered which pictures a product has."""
KNOWN_PRODUCTS = 4096
OF_A_VERSION = "private, max-age=86400"
OF_ANY_VERSION = "private, max-age=300"
Searcher = Annotated[ApiKey | None, Depends(allowed("search"))]


class PictureOptions(BaseModel):
    """How a picture is wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    side: int = Field(default=320, ge=1, le=SIDES[-1], description="Of the longer side, in pixels.")
    version: int | None = Field(
        default=None, description="The product's version as it is known: the picture may then be kept for a day."
    )


class KnownPictures:
    """Which pictures products have; those that are asked for at the same time are looked up together."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, tuple[str, ...] | None]] = OrderedDict()
        self._gathering: tuple[set[str], asyncio.Task[Mapping[str, Product]]] | None = None

    async def of(self, service: Service, product_id: str) -> tuple[str, ...] | None:
        """The pictures of a product, as the catalog names them; None: there is no such product."""
        seen, images = self._known.get(product_id, (float("-inf"), None))
        if self._clock() - seen < KNOWN_S:
            return images
        if self._gathering is None:
            wanted: set[str] = set()
            task = asyncio.create_task(self._gather(service, wanted))
            task.add_done_callback(_look_at)
            self._gathering = (wanted, task)
        wanted, task = self._gathering
        wanted.add(product_id)
        found = (await asyncio.shield(task)).get(product_id)
        return self._remember(product_id, None if found is None else found.images)

    async def _gather(self, service: Service, wanted: set[str]) -> Mapping[str, Product]:
        await asyncio.sleep(GATHER_S)
        self._gathering = None  # who comes now is too late for this one
        client, timeout_s = service.client, service.settings.timeout_s
        look_up = partial(client.get_many, sorted(wanted), timeout_s=timeout_s)
        return await service.admission.run(look_up, timeout_s=timeout_s, kind="lookup")

    def _remember(self, product_id: str, images: Sequence[str] | None) -> tuple[str, ...] | None:
        kept = None if images is None else tuple(images)
        self._known[product_id] = (self._clock(), kept)
        self._known.move_to_end(product_id)
        while len(self._known) > KNOWN_PRODUCTS:
            self._known.popitem(last=False)
        return kept


def _look_at(task: asyncio.Task[Any]) -> None:
    """If everybody has left, nobody else looks at its error."""
    if not task.cancelled():
        task.exception()


def pictures_router() -> APIRouter:
    """The endpoint, with a memory of its own."""
    routes = APIRouter(route_class=ServiceRoute, tags=["products"])
    known, thumbnails = KnownPictures(), Thumbnails()

    @routes.get(
        "/products/{product_id:path}/images/{view}",
        summary="A product's picture",
        responses=_ANSWERS,
        response_model=None,
    )
    async def picture(
        request: Request, product_id: str, view: str, options: Annotated[PictureOptions, Query()], key: Searcher
    ) -> Response:
        """A small picture (WebP) of a product; `view` counts from 0 in the order of its `images`."""
        service = service_of(request)
        if not ends_with(request, "images", view):  # its id ends like that
            return await product(request, f"{product_id}/images/{view}", key)
        source = _source(await known.of(service, product_id), product_id, view)
        size = rounded_side(options.side)
        found = thumbnails.get(source, size)
        if found is None:
            content = await _made(service, request, source, size, key)
            found = thumbnails.put(source, size, content)
        return _sent(request, found, OF_ANY_VERSION if options.version is None else OF_A_VERSION)

    return routes


def _source(images: Sequence[str] | None, product_id: str, view: str) -> str:
    if images is None:
        raise Refused("unknown_product", f"The index holds no product {product_id!r:.80}.")
    number = int(view) if view.isascii() and view.isdecimal() and len(view) < 6 else -1
    if not 0 <= number < len(images):
        there = f"it has {len(images)}, counted from 0" if images else "it has none"
        raise Refused("not_found", f"The product {product_id!r:.80} has no picture {view!r:.20}; {there}.")
    return images[number]


async def _made(service: Service, request: Request, source: str, side: int, key: ApiKey | None) -> bytes:
    def made(_: SearchClient, __: float) -> bytes:
        root, fetcher = service.settings.image_root, service.fetchers.get()
        return make_thumbnail(source, side, root=root, fetcher=fetcher, limits=service.image_limits)

    try:
        return await service.run(request, made, key, kind="picture")
    except ImageRejected as error:
        raise Refused("not_found", f"This picture can't be shown: {error}") from error


def _sent(request: Request, found: Thumbnail, caching: str) -> Response:
    headers = {"ETag": found.etag, "Cache-Control": caching, "X-Content-Type-Options": "nosniff"}
    if found.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(found.content, headers=headers, media_type="image/webp")


_ANSWERS: ResponsesForm = {
    200: {"content": {"image/webp": {"schema": {"type": "string", "format": "binary"}}}, "description": "It worked."},
    304: {"description": "It is the one that the caller has, by its ETag."},
    "default": {"model": ErrorAnswer, "description": "It did not work; `code` says why."},
}
