"""The service's kind of route: errors in one shape, request ids, and no answer for those who left."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from fourtower_search.service.callers import CallerLeft
from fourtower_search.service.errors import is_about_a_picture, refusal, request_id

CALLER_LEFT = 499
"""Nobody sees it but the metrics."""


class ServiceRoute(APIRoute):
    """A route whose handler may raise anything; it works in any application, without its middleware."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, wrapped."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                response = await handle(request)
            except (CallerLeft, ClientDisconnect):
                response = Response(status_code=CALLER_LEFT)
            except Exception as error:
                if is_about_a_picture(error) and hasattr(request.state, "fourtower"):
                    request.state.fourtower.metrics.refuse_image()
                response = refusal(request, error)
            response.headers.setdefault("X-Request-Id", request_id(request))
            return response

        return handled
