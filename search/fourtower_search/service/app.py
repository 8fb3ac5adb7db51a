"""The service as an application of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from fourtower_encoders.release import own_version
from fourtower_search.client import SearchClient
from fourtower_search.service.access import access_of
from fourtower_search.service.errors import refusal
from fourtower_search.service.guard import Guard
from fourtower_search.service.metrics import Measured
from fourtower_search.service.page import page_router
from fourtower_search.service.router import endpoints_of
from fourtower_search.service.service import Service
from fourtower_search.service.settings import ServiceSettings

SUMMARY = "Find products by photo, by words, or by both."


def create_app(
    settings: ServiceSettings | None = None,
    *,
    client: SearchClient | None = None,
    failed: Callable[[], None] = lambda: None,
) -> FastAPI:
    """The whole service: endpoints, page, keys, limits. `app.state.service` has its metrics and says if it is ready.

    Args:
        settings: by default those of the environment.
        client: answers, and stays yours to close; without one, the index of the settings is opened at the start.
        failed: called when that index can't be opened and never will.

    Raises:
        AccessDenied: others could reach the service, and nothing says who may.
    """
    own = settings or ServiceSettings()
    service = Service(own, access=access_of(own), client=client)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        if client is None:
            async with service.opened(failed=failed):
                yield
        else:
            yield
            await service.stop()

    app = FastAPI(
        title="Fourtower",
        summary=SUMMARY,
        version=own_version(),
        lifespan=lifespan,
        docs_url=None,  # those pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={HTTPException: _refused, Exception: _refused},
    )
    app.state.service = service
    app.include_router(endpoints_of(service))
    if own.page:
        app.include_router(page_router(own))
    app.add_middleware(Guard, settings=own)
    app.add_middleware(Measured, metrics=service.metrics)
    return app


async def _refused(request: Request, error: Exception) -> Response:
    return refusal(request, error)
