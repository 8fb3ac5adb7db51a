"""Runs what was taken from the line: a batch at once, and in ever smaller parts where one search spoils it for all."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from fourtower_search.errors import IndexMismatch, IndexUnavailable
from fourtower_search.query.request import SearchRequest
from fourtower_search.results import SearchResult
from fourtower_search.service.line import Part

LATE = "The service did not get to this in time; try again later."


class Answers(Protocol):
    """A client, as far as it is needed here."""

    def answer(self, requests: Sequence[SearchRequest], *, timeout_s: float) -> list[SearchResult]:
        """One result per request."""
        ...


class Outcome(NamedTuple):
    """What came of an item."""

    part: Part
    result: Any
    error: Exception | None = None


def outcomes(client: Answers, parts: Sequence[Part], clock: Callable[[], float]) -> Iterator[Outcome]:
    """What comes of each part; those that nobody waits for any more are left out."""
    now = clock()
    wanted = [part for part in parts if not part.ticket.settled]
    yield from (Outcome(part, None, IndexUnavailable(LATE)) for part in wanted if part.ticket.deadline <= now)
    on_time = [part for part in wanted if part.ticket.deadline > now]
    if on_time:
        yield from _together(client, on_time, clock, max(part.ticket.deadline for part in on_time) - now)


def _together(
    client: Answers, parts: Sequence[Part], clock: Callable[[], float], timeout_s: float
) -> Iterator[Outcome]:
    """The batch has as long as its most patient caller; the others leave when their time is over."""
    try:
        results = _results(client, parts, timeout_s)
    except (IndexUnavailable, IndexMismatch) as error:  # of no request's making: to ask again would make it worse
        yield from (Outcome(part, None, _own(error)) for part in parts)
    except BaseException as error:  # the thread must live on, and whoever waits must hear of it
        if len(parts) == 1:
            yield Outcome(parts[0], None, error if isinstance(error, Exception) else RuntimeError(repr(error)))
            return
        middle = len(parts) // 2
        yield from outcomes(client, parts[:middle], clock)
        yield from outcomes(client, parts[middle:], clock)
    else:
        yield from (Outcome(part, result) for part, result in zip(parts, results, strict=True))


def _results(client: Answers, parts: Sequence[Part], timeout_s: float) -> Sequence[Any]:
    requests = [part.item for part in parts if isinstance(part.item, SearchRequest)]
    if not requests:
        return [part.item() for part in parts if not isinstance(part.item, SearchRequest)]
    results = client.answer(requests, timeout_s=timeout_s)
    assert len(results) == len(parts), "one result per request"
    return results


def _own(error: IndexUnavailable | IndexMismatch) -> Exception:
    """For each caller one of their own: tasks write their tracebacks into what they raise."""
    own = copy.copy(error)
    own.__cause__ = error
    return own
