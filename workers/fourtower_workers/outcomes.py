"""What is reported of each event: exactly one outcome per event, in the order in which they were given."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeVar

from fourtower_encoders.errors import ImageError, ImageUnavailable
from fourtower_search.errors import SearchError
from fourtower_search.index.outcomes import CODES, Status

Stage = Literal["", "read", "plan", "fetch", "encode", "write", "verify"]
"""Where a failure arose; empty where there is none."""
_A = TypeVar("_A")
_B = TypeVar("_B")


@dataclass(frozen=True, slots=True)
class ImageProblem:
    """A declared picture that could not be used; the product was indexed without it."""

    view: int
    message: str
    retryable: bool
    """It may be had another time: index the event again, with `repair`."""


@dataclass(frozen=True, slots=True)
class EventOutcome:
    """What became of one event.

    `applied`: the product is as the event says. `stale`: a newer version was stored already. `superseded`: a newer
    event of the same batch was applied, or stale. `failed`: see `code`; without `retryable` it would fail again.
    """

    product_id: str
    version: int
    status: Status
    code: str = ""
    """Of a failure: `invalid_product`, `nothing_to_embed`, `image_rejected`, `image_unavailable`, `no_base`,
    `superseded_by_failed`, or one of the index."""
    message: str = ""
    retryable: bool = False
    images: tuple[ImageProblem, ...] = ()
    stage: Stage = ""


class Indexing(NamedTuple):
    """Events on their way into the index; each future ends with one outcome per event, in their order."""

    written: Future[list[EventOutcome]]
    """What is to be expected, as soon as the rows are written; nothing is checked yet."""
    verified: Future[list[EventOutcome]]
    """What is certain."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a product was not indexed, found before the index was asked."""

    code: str
    message: str
    retryable: bool = False
    stage: Stage = "plan"

    @classmethod
    def of(cls, product_id: str, error: SearchError) -> Failure:
        """From an error that concerns one product."""
        code = next((code for kind, code in CODES.items() if isinstance(error, kind)), "failed")
        return cls(code, f"Product {product_id}: {error}")


def image_problem(view: int, error: ImageError) -> ImageProblem:
    """What is reported of a picture that failed."""
    return ImageProblem(view, str(error), retryable=isinstance(error, ImageUnavailable))


def superseded(outcome: EventOutcome, winner: EventOutcome) -> EventOutcome:
    """The outcome of an event that gave way to another one of its batch."""
    if winner.status != "failed":
        return replace(outcome, status="superseded")
    message = f"Version {winner.version} of the same batch took its place and failed: {winner.message}"
    code = "superseded_by_failed"
    return replace(outcome, status="failed", code=code, message=message, retryable=True, stage=winner.stage)


def mapped(future: Future[_A], function: Callable[[_A], _B]) -> Future[_B]:
    """A future of what a function makes of another one's result."""
    result: Future[_B] = Future()
    result.set_running_or_notify_cancel()  # nobody can cancel it any more

    def finish(done: Future[_A]) -> None:
        try:
            result.set_result(function(done.result()))
        except BaseException as error:
            result.set_exception(error)

    future.add_done_callback(finish)
    return result
