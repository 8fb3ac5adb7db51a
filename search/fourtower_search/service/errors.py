"""Every error of the service in one shape, with the request's id, and nothing in it that should stay inside."""

from __future__ import annotations

import json
import logging
import math
import traceback
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from fourtower_encoders.errors import ImageError
from fourtower_search.service.refusals import Refused
from fourtower_search.wire.errors import STATUS, Problem, problem_of

MOST_PROBLEMS = 10
"""Of one request that are listed."""
LONGEST = 2_000
"""Characters of a message."""
MOST_FRAMES = 8
"""Of the place where something unforeseen happened."""
log = logging.getLogger("fourtower.service")


def request_id(request: Request) -> str:
    """The id that answers and logs carry; made here where no guard has made one."""
    if not hasattr(request.state, "request_id"):
        request.state.request_id = uuid.uuid4().hex
    return str(request.state.request_id)


def refusal(request: Request, error: Exception) -> Response:
    """The answer to a request that failed."""
    if isinstance(error, RequestValidationError):
        return _invalid(request, error.errors())
    if isinstance(error, Refused):
        problem = Problem(error.status_code, error.code, error.message, _seconds(error.headers))
        return error_response(request, problem, headers=error.headers)
    if isinstance(error, HTTPException):
        return error_response(request, _of_framework(error), headers=error.headers)
    problem = problem_of(error)
    if problem.code == "internal":
        _report(request, error)
    return error_response(request, problem)


def error_response(
    request: Request,
    problem: Problem,
    *,
    detail: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem as it travels."""
    said = {} if problem.retry_after_s is None else {"retry_after_s": problem.retry_after_s}
    form = {
        "code": problem.code,
        "message": problem.message[:LONGEST],
        "detail": {**said, **(detail or {})} or None,
        "request_id": request_id(request),
    }
    answer = Response(json.dumps(form), problem.status, headers, media_type="application/json")
    if problem.retry_after_s is not None:
        answer.headers["Retry-After"] = str(max(1, math.ceil(problem.retry_after_s)))
    answer.headers["Cache-Control"] = "no-store"
    return answer


def is_about_a_picture(error: Exception) -> bool:
    """Whether a picture of the request could not be used."""
    return isinstance(error, ImageError) or isinstance(error.__cause__, ImageError)


def _report(request: Request, error: Exception) -> None:
    """Log what nobody foresaw: its kind and its place, but not its message, which may hold what somebody sent."""
    frames = traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
    places = " > ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
    about = {"request_id": request_id(request), "method": request.method, "path": request.url.path[:200]}
    log.error("A request failed unexpectedly: %s at %s", type(error).__name__, places, extra={"fields": about})


def _invalid(request: Request, errors: Sequence[Any]) -> Response:
    """What the framework found wrong with a path or its parameters; the values themselves are left out."""
    problems = [
        {"where": ".".join(map(str, each["loc"]))[:80], "problem": str(each["msg"])[:200]}
        for each in errors[:MOST_PROBLEMS]
    ]
    first = problems[0]
    message = f"The request can't be used: {first['where']}: {first['problem'].rstrip('.')}."
    return error_response(request, Problem(422, "invalid_request", message), detail={"problems": problems})


def _of_framework(error: HTTPException) -> Problem:
    by_status = {404: "not_found", 405: "not_allowed"}
    known = next((code for code, status in STATUS.items() if status == error.status_code), None)
    code = by_status.get(error.status_code) or known or ("internal" if error.status_code >= 500 else "invalid_request")
    message = _MESSAGES.get(str(error.detail), str(error.detail))
    return Problem(error.status_code, code, message, _seconds(error.headers))


_MESSAGES = {
    "Not Found": "There is nothing at this address; /openapi.json lists what there is.",
    "Method Not Allowed": "This address takes another method; /openapi.json says which.",
}


def _seconds(headers: Mapping[str, str] | None) -> float | None:
    said = (headers or {}).get("Retry-After", "")
    return float(said) if said.isdecimal() else None
