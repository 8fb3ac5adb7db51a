"""The endpoint that proposes boxes on a photo, by detectors that are installed as plugins."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from fourtower_encoders.images import load_image
from fourtower_search.client import SearchClient
from fourtower_search.errors import InvalidQuery
from fourtower_search.service.access import allowed
from fourtower_search.service.describing import answers
from fourtower_search.service.detectors import InstalledDetectors
from fourtower_search.service.keys import ApiKey
from fourtower_search.service.responding import answer
from fourtower_search.service.routes import ServiceRoute
from fourtower_search.service.service import service_of

Searcher = Annotated[ApiKey | None, Depends(allowed("search"))]


class BoxAnswer(BaseModel):
    """Something that the photo shows; the box is in shares of its width and height, seen upright."""

    x: float
    y: float
    width: float
    height: float
    score: float = Field(description="How sure the detector is, 0 to 1.")
    label: str


class DetectAnswer(BaseModel):
    """What a photo shows, surest first."""

    boxes: list[BoxAnswer]


def detecting_router() -> APIRouter:
    """The endpoint; detectors are opened when the first photo comes."""
    routes = APIRouter(route_class=ServiceRoute, tags=["search"])
    detectors = InstalledDetectors()

    @routes.post("/detect", summary="Find what a photo shows", responses=answers(DetectAnswer), openapi_extra=_TAKES)
    async def detect(
        request: Request,
        key: Searcher,
        detector: Annotated[
            str | None, Query(max_length=100, description="One of `detectors` in `/schema`; else the first.")
        ] = None,
    ) -> Response:
        """Boxes around what a photo shows, to search with one of them. Needs a detector that is installed."""
        service = service_of(request)
        async with service.posted(request) as posted:
            if len(posted.uploads) != 1:
                raise InvalidQuery(f"Send one photo, as file `image` of a form; {len(posted.uploads)} came.")
            [photo] = posted.uploads

            def found(_: SearchClient, __: float) -> dict[str, Any]:
                image = load_image(photo, limits=service.image_limits)
                return {"boxes": [asdict(each) for each in detectors.propose(image, detector)]}

            return answer(request, await service.run(request, found, key, kind="detect"))

    return routes


_FORM = {
    "type": "object",
    "required": ["image"],
    "properties": {"image": {"type": "string", "format": "binary", "description": "A JPEG, PNG, WebP or GIF file."}},
}
_TAKES: dict[str, Any] = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}}
