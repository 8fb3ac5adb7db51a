"""All endpoints as one router, for an application of your own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, Depends

from fourtower_search.client import SearchClient
from fourtower_search.service import product_routes, search_routes
from fourtower_search.service.access import access_of
from fourtower_search.service.detecting import detecting_router
from fourtower_search.service.pictures import pictures_router
from fourtower_search.service.service import Service
from fourtower_search.service.settings import ServiceSettings


def router(client: SearchClient, settings: ServiceSettings | None = None) -> APIRouter:
    """The endpoints, answered by a client of yours, which stays yours to close.

    ```python
    app = FastAPI()
    app.include_router(router(client), prefix="/shop", dependencies=[Depends(signed_in)])
    ```

    Without a file of keys in the settings, whoever your application lets in is let in.

    Args:
        client: answers.
        settings: limits, keys, threads; by default those of the environment.
    """
    own = settings or ServiceSettings()
    # Whom an address lets in is the host's business.
    access = access_of(own.model_copy(update={"insecure": True}))
    service = Service(own, access=access, client=client)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        await service.stop()

    endpoints = endpoints_of(service)
    endpoints.lifespan_context = lifespan
    return endpoints


def endpoints_of(service: Service) -> APIRouter:
    """The endpoints of a service."""
    endpoints = APIRouter(dependencies=[Depends(service.carry)])
    endpoints.include_router(search_routes.routes)
    endpoints.include_router(detecting_router())
    endpoints.include_router(pictures_router())
    endpoints.include_router(product_routes.routes)  # the last: ids may hold anything, what stands before them too
    return endpoints
