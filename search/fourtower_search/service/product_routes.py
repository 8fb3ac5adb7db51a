"""The endpoints about products by their ids, and about the index as a whole."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from fourtower_encoders.release import own_version
from fourtower_search.client import SearchClient
from fourtower_search.errors import InvalidQuery, UnknownProduct
from fourtower_search.query.parts import MAX_TEXT
from fourtower_search.query.request import MAX_DEPTH, MAX_PAGE, MAX_PARTS
from fourtower_search.service.access import allowed
from fourtower_search.service.answers import (
    CountAnswer,
    FoundAnswer,
    LookupAnswer,
    ScanAnswer,
    SchemaAnswer,
    SearchAnswer,
    StatsAnswer,
)
from fourtower_search.service.bodies import Body, CountBody, LookupBody, ScanBody, read_body
from fourtower_search.service.describing import answers, takes
from fourtower_search.service.examples import COUNTS, LOOKUPS, SCANS
from fourtower_search.service.keys import ApiKey
from fourtower_search.service.paths import ends_with
from fourtower_search.service.responding import answer
from fourtower_search.service.routes import ServiceRoute
from fourtower_search.service.service import Service, service_of
from fourtower_search.wire.facts import facts_form
from fourtower_search.wire.results import page_form, product_form, result_form

routes = APIRouter(route_class=ServiceRoute, tags=["products"])
Searcher = Annotated[ApiKey | None, Depends(allowed("search"))]
Admin = Annotated[ApiKey | None, Depends(allowed("admin"))]
_Kind = TypeVar("_Kind", bound=Body)


class SimilarOptions(BaseModel):
    """Options of `/similar`; those of a search that fit an address."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    where: str | None = Field(default=None, max_length=20_000, description="A filter's text.")
    limit: int | None = Field(default=None, ge=1, le=MAX_PAGE)
    depth: int | None = Field(default=None, ge=1, le=MAX_DEPTH)
    collapse: Literal["product", "group"] | None = None
    pick: Literal["best", "cheapest", "in_stock"] | None = None
    min_relevance: float | None = Field(default=None, ge=0, le=1)
    sort: str | None = Field(default=None, max_length=60, description='An attribute; `"-price"`: from high to low.')
    diversity: float | None = Field(default=None, ge=0, le=1)
    freshness: Literal["fast", "verified"] | None = None
    explain: bool | None = None
    facets: list[str] = Field(default=[], max_length=20)
    cursor: str | None = None


@routes.get("/products/{product_id:path}/similar", summary="Find similar products", responses=answers(SearchAnswer))
async def similar(
    request: Request, product_id: str, options: Annotated[SimilarOptions, Query()], key: Searcher
) -> Response:
    """Find products like one of the index, which is itself left out."""
    if not ends_with(request, "similar"):  # its id ends like that
        return await product(request, f"{product_id}/similar", key)
    given: Any = options.model_dump(exclude_none=True, exclude_defaults=True)
    service = service_of(request)
    result = await service.run(
        request, lambda client, left_s: client.similar(product_id, timeout_s=left_s, **given), key, kind="similar"
    )
    return answer(request, result_form(result), timings_ms=result.timings_ms)


@routes.get("/products/{product_id:path}", summary="One product", responses=answers(FoundAnswer))
async def product(request: Request, product_id: str, key: Searcher) -> Response:
    """A product by its id, which is percent-encoded: `a/b` is `a%2Fb`.

    Ids that proxies may change, such as `..`, are found by `POST /products/lookup`.
    """
    form = await _looked_up(request, [product_id], key)
    if not form["products"]:
        raise UnknownProduct(f"The index holds no product {product_id!r}; it may be deleted or not there yet.")
    return answer(request, {"product": form["products"][0], "generation": form["generation"]})


@routes.post(
    "/products/lookup",
    summary="Several products",
    responses=answers(LookupAnswer),
    openapi_extra=takes(LookupBody, LOOKUPS),
)
async def lookup(request: Request, key: Searcher) -> Response:
    """Those of some products that exist, in the order in which they were asked for."""
    service, body = service_of(request), await _body(request, LookupBody)
    if len(body.ids) > service.settings.max_batch:
        raise InvalidQuery(f"There are {len(body.ids):,} ids; {service.settings.max_batch:,} are allowed.")
    return answer(request, await _looked_up(request, body.ids, key))


@routes.post(
    "/products/count",
    summary="Count products",
    responses=answers(CountAnswer),
    openapi_extra=takes(CountBody, COUNTS),
)
async def count(request: Request, key: Searcher) -> Response:
    """How many products there are, or fulfil a filter."""
    service, body = service_of(request), await _body(request, CountBody)

    def counted(client: SearchClient, left_s: float) -> dict[str, Any]:
        return asdict(client.counted(body.where, timeout_s=left_s))

    return answer(request, await service.run(request, counted, key, kind="count"))


@routes.post(
    "/products/scan",
    summary="Read products in order",
    responses=answers(ScanAnswer),
    openapi_extra=takes(ScanBody, SCANS),
)
async def scan(request: Request, key: Searcher) -> Response:
    """Products by ascending id; to read all, send the last id as `after` until `more` is false."""
    service, body = service_of(request), await _body(request, ScanBody)

    def scanned(client: SearchClient, left_s: float) -> dict[str, Any]:
        return page_form(client.page(body.where, after=body.after, limit=body.limit, timeout_s=left_s))

    return answer(request, await service.run(request, scanned, key, kind="scan"))


@routes.get("/schema", summary="What can be asked", tags=["service"], responses=answers(SchemaAnswer))
async def schema(request: Request, key: Searcher) -> Response:
    """The declared attributes, the model, the engine, and the limits of a request."""
    service = service_of(request)

    def known(client: SearchClient, left_s: float) -> dict[str, Any]:
        return {**facts_form(client.facts(timeout_s=left_s)), "detectors": list(service.detectors)}

    facts = await service.run(request, known, key, kind="facts")
    return answer(request, {**facts, "limits": _limits(service)})


@routes.get("/stats", summary="How the service is doing", tags=["service"], responses=answers(StatsAnswer))
async def stats(request: Request, key: Admin) -> Response:
    """Products of the index, and how busy the service is."""
    service = service_of(request)

    def counted(client: SearchClient, left_s: float) -> dict[str, Any]:
        found = client.counted(timeout_s=left_s)
        return {"products": found.count, "generation": found.generation}

    form = await service.run(request, counted, key, kind="count")
    load, cache = service.admission.load(), service.metrics.cache()
    busy = {name: getattr(load, name) for name in ("waiting", "running", "batches", "batch_items", "turned_away")}
    memory = None if cache is None else {"hits": cache[0], "misses": cache[1]}
    return answer(request, {**form, **busy, "cache": memory, "version": own_version()})


async def _body(request: Request, kind: type[_Kind]) -> _Kind:
    async with service_of(request).posted(request) as posted:
        return read_body(kind, posted.data)


async def _looked_up(request: Request, ids: Any, key: ApiKey | None) -> dict[str, Any]:
    def found(client: SearchClient, left_s: float) -> dict[str, Any]:
        page = client.lookup(ids, timeout_s=left_s)
        return {"products": [product_form(each) for each in page.products], "generation": page.generation}

    return await service_of(request).run(request, found, key, kind="lookup")


def _limits(service: Service) -> dict[str, Any]:
    settings = service.settings
    return {
        "max_body_bytes": settings.max_body_bytes,
        "max_images": settings.max_images,
        "max_batch": settings.max_batch,
        "max_pixels": settings.max_pixels,
        "max_page": MAX_PAGE,
        "max_depth": MAX_DEPTH,
        "max_parts": MAX_PARTS,
        "max_text": MAX_TEXT,
        "image_urls": bool(settings.image_hosts),
        "timeout_s": settings.timeout_s,
    }
