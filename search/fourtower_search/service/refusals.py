"""A request that is turned away before anything is searched: its code, a sentence, and what HTTP wants beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from starlette.exceptions import HTTPException

from fourtower_search.wire.errors import STATUS


class Refused(HTTPException):
    """Turned away; any application answers it with the right status and headers, ours in our errors' shape, too."""

    def __init__(self, code: str, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        """Take a code of `wire.errors.STATUS`, which says the status."""
        super().__init__(STATUS[code], message, headers=dict(headers or {}))
        self.code, self.message = code, message


def retry_after(seconds: float) -> str:
    """The value of `Retry-After`, which counts whole seconds."""
    return str(max(1, math.ceil(seconds)))
