"""The endpoints that search: one query, several, facets, and embeddings of queries."""

from __future__ import annotations

from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from fourtower_encoders.images import ImageSource
from fourtower_search.answering import Embeddings
from fourtower_search.client import SearchClient
from fourtower_search.errors import InvalidQuery
from fourtower_search.query.request import SearchRequest
from fourtower_search.results import SearchResult
from fourtower_search.service.access import allowed
from fourtower_search.service.answers import BatchAnswer, EmbedAnswer, FacetsAnswer, SearchAnswer
from fourtower_search.service.asking import facet_search, one_search, pictures_of, several_searches
from fourtower_search.service.bodies import BatchBody, Body, EmbedBody, FacetsBody, SearchBody, read_body
from fourtower_search.service.describing import answers, takes
from fourtower_search.service.examples import BATCHES, EMBEDDINGS, FACETS, SEARCHES
from fourtower_search.service.keys import ApiKey
from fourtower_search.service.responding import answer
from fourtower_search.service.routes import ServiceRoute
from fourtower_search.service.service import Service, service_of
from fourtower_search.service.sizes import check_sizes
from fourtower_search.service.uploads import Posted
from fourtower_search.wire.results import facet_form, result_form

LARGE = 100_000
"""Bytes of JSON; reading more would keep everybody else waiting."""
routes = APIRouter(route_class=ServiceRoute, tags=["search"])
Searcher = Annotated[ApiKey | None, Depends(allowed("search"))]
Embedding = Annotated[ApiKey | None, Depends(allowed("embed"))]
_Kind = TypeVar("_Kind", bound=Body)


@routes.post(
    "/search",
    summary="Find products",
    responses=answers(SearchAnswer),
    openapi_extra=takes(SearchBody, SEARCHES, pictures=True, fields=True),
)
async def search(request: Request, key: Searcher) -> Response:
    """Find products by words, pictures, products or vectors, or all of them weighed against each other.

    Pictures are sent as files `image` of a form, whose field `request` has the JSON; those that no part names
    (`{"upload": 0}`) are parts of weight 1.
    """
    service = service_of(request)
    async with service.posted(request) as posted:
        wanted = one_search(await _read(SearchBody, posted), posted.uploads)
        [result] = await _answered(service, request, [wanted], key)
    return answer(request, result_form(result), timings_ms=result.timings_ms)


@routes.post(
    "/search/batch",
    summary="Find products for several queries",
    responses=answers(BatchAnswer),
    openapi_extra=takes(BatchBody, BATCHES, pictures=True),
)
async def batch(request: Request, key: Searcher) -> Response:
    """Several searches, which are answered together; an error of one is an error of all."""
    service = service_of(request)
    async with service.posted(request) as posted:
        body = await _read(BatchBody, posted)
        _check_count(len(body.queries), service, "queries")
        results = await _answered(service, request, several_searches(body, posted.uploads), key)
    form = {"results": [result_form(result) for result in results], "generation": results[0].generation}
    return answer(request, form)


@routes.post(
    "/facets",
    summary="Count what a query finds",
    responses=answers(FacetsAnswer),
    openapi_extra=takes(FacetsBody, FACETS, pictures=True),
)
async def facets(request: Request, key: Searcher) -> Response:
    """How many of the products that a query finds have which values of some attributes."""
    service = service_of(request)
    async with service.posted(request) as posted:
        wanted = facet_search(await _read(FacetsBody, posted), posted.uploads)
        [result] = await _answered(service, request, [wanted], key)
    form = {
        "facets": {name: facet_form(facet) for name, facet in result.facets.items()},
        "total": result.total,
        "truncated": result.truncated,
        "search_id": result.search_id,
        "generation": result.generation,
        "timings_ms": dict(result.timings_ms),
    }
    return answer(request, form, timings_ms=result.timings_ms)


@routes.post(
    "/embed",
    summary="Embed queries",
    tags=["embed"],
    responses=answers(EmbedAnswer),
    openapi_extra=takes(EmbedBody, EMBEDDINGS, pictures=True),
)
async def embed(request: Request, key: Embedding) -> Response:
    """Embeddings of texts and pictures, as those of queries; each is of unit length."""
    service = service_of(request)
    async with service.posted(request) as posted:
        body = await _read(EmbedBody, posted)
        _check_count(len(body.texts), service, "texts")
        pictures: list[ImageSource] = [*body.sources, *posted.uploads]
        if len(pictures) > service.settings.max_images:
            raise InvalidQuery(f"There are {len(pictures)} pictures; {service.settings.max_images} are allowed.")
        await check_sizes(pictures, service.settings.max_pixels)

        def embedded(client: SearchClient, left_s: float) -> Embeddings:
            return client.embeddings(texts=body.texts, images=pictures, timeout_s=left_s)

        found = await service.run(request, embedded, key, kind="embed")
    rows = {"texts": found.texts.tolist(), "images": found.images.tolist(), "dim": found.texts.shape[1]}
    return answer(request, {**rows, "model_id": found.model_id, "generation": found.generation})


async def _answered(
    service: Service, request: Request, wanted: list[SearchRequest], key: ApiKey | None
) -> list[SearchResult]:
    pictures = pictures_of(wanted)
    if len(pictures) > service.settings.max_images:
        raise InvalidQuery(f"The request has {len(pictures)} pictures; {service.settings.max_images} are allowed.")
    await check_sizes(pictures, service.settings.max_pixels)
    return await service.search(request, wanted, key)


async def _read(kind: type[_Kind], posted: Posted) -> _Kind:
    if len(posted.data) < LARGE:
        return read_body(kind, posted.data)
    return await run_in_threadpool(read_body, kind, posted.data)


def _check_count(count: int, service: Service, name: str) -> None:
    if count > service.settings.max_batch:
        raise InvalidQuery(f"There are {count:,} {name}; {service.settings.max_batch:,} are allowed in one request.")
