"""The queue before the client: joins searches that wait together, and turns away what would wait too long."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from fourtower_search.errors import IndexUnavailable, Overloaded
from fourtower_search.query.request import SearchRequest
from fourtower_search.results import SearchResult
from fourtower_search.service.door import BUSY, Door, Run
from fourtower_search.service.line import Item, Ticket, fetches
from fourtower_search.service.outcomes import LATE, Answers, Outcome, outcomes
from fourtower_search.service.pace import SEARCH

T = TypeVar("T")
FETCHING = "search with a picture to fetch"
ENDING = "The service is about to end; try again, another one may answer."


@dataclass(frozen=True)
class Load:
    """How busy the service is, in the first three, and what happened since it began."""

    waiting: int
    """Requests in the queue."""
    running: int
    """Threads at work."""
    expected_wait_s: float
    """Of a request that came now."""
    batches: int
    batch_items: int
    """Searches in those batches."""
    calls: int
    """What was not a search."""
    turned_away: int
    """Told to come again, as the queue was full or too slow."""
    expired: int
    """Their time was over before they were answered."""
    abandoned: int
    """Their caller left."""
    waited_s: float
    """In the queue, all searches and calls together."""


class Admission:
    """A bounded queue before a client, for coroutines of any event loop.

    A search that finds a thread idle begins at once. Those that come while all are busy wait, and the next
    thread that is done answers several of them together: batches grow with the load, and nobody waits for a
    batch to fill. Callers take turns.
    """

    def __init__(
        self,
        client: Answers,
        *,
        threads: int,
        waiting: int,
        batch: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Stand before a client; no thread runs before there is work.

        Args:
            client: what answers.
            threads: how many searches, batches or calls run at a time.
            waiting: how many requests may wait.
            batch: how many searches are answered together, at most.
            clock: never goes back.
        """
        self._client, self._clock = client, clock
        self._door = Door(threads=threads, waiting=waiting, batch=batch)
        self._idle = threading.Condition()  # its lock is held whenever the door or a ticket is looked at
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="fourtower-service")
        self._counts: Counter[str] = Counter()
        self._waited_s = 0.0
        self._closed = False

    async def search(
        self, requests: Sequence[SearchRequest], *, timeout_s: float, caller: str | None = None
    ) -> list[SearchResult]:
        """One result per request.

        Args:
            requests: one search or several; searches of others may be answered together with them.
            timeout_s: until when, waiting included.
            caller: who shares turns, such as a key's id; None: this call alone.

        Raises:
            Overloaded: too many wait, or it would take too long.
            IndexUnavailable: the time is over.
            SearchError: what the client says of these requests.
        """
        if not requests:
            return []
        kind = FETCHING if any(map(fetches, requests)) else SEARCH
        return await self._outcome(self._enter(list(requests), kind, timeout_s, caller))

    async def run(self, call: Callable[[], T], *, timeout_s: float, caller: str | None = None, kind: str = "call") -> T:
        """What a blocking call gives, under the same bounds.

        Args:
            call: should end by itself in about `timeout_s`.
            timeout_s: until when, waiting included.
            caller: as for `search`.
            kind: names what takes about as long; there should be a few of them.
        """
        results: list[T] = await self._outcome(self._enter([call], kind, timeout_s, caller))
        return results[0]

    def check(self) -> None:
        """Say early, before a body is read, that a search can't be let in now.

        Raises:
            Overloaded: it can't.
        """
        with self._idle:
            self._refuse_if_closed()
            try:
                self._door.knock(SEARCH, self._clock())
            except Overloaded:
                self._counts["turned_away"] += 1
                raise

    def load(self) -> Load:
        """How busy it is, and has been."""
        names = ("batches", "batch_items", "calls", "turned_away", "expired", "abandoned")
        with self._idle:
            wait_s = self._door.wait_s(object(), self._clock())
            counts = {name: self._counts[name] for name in names}
            return Load(len(self._door.line), len(self._door.runs), wait_s, **counts, waited_s=self._waited_s)

    def close(self, grace_s: float) -> None:
        """Take nothing more, and let what was taken end; what still waits after that is turned away.

        It blocks: call it in a thread. What still runs then is not waited for.
        """
        with self._idle:
            self._closed = True
            self._idle.wait_for(lambda: not self._door.runs, timeout=grace_s)
            left = self._door.line.remove_if(lambda _: True)
        for ticket in left:
            self._settle(ticket, "turned_away", error=Overloaded(ENDING))
        self._pool.shutdown(wait=False)

    def _enter(self, items: Sequence[Item], kind: str, timeout_s: float, caller: str | None) -> Ticket:
        """A ticket that waits or is worked at already."""
        now = self._clock()
        who: Hashable = object() if caller is None else caller
        ticket = Ticket(who, kind, items, since=now, deadline=now + timeout_s)
        with self._idle:
            self._refuse_if_closed()
            try:
                in_the_way = self._door.enter(ticket, now)
            except Overloaded:
                self._counts["turned_away"] += 1
                raise
            run, hopeless = self._next()
            while run is not None:  # many searches may keep several threads busy
                self._pool.submit(self._work, run)
                run, _ = self._next()
        self._send_away(hopeless)
        if in_the_way is not None:
            self._settle(in_the_way, "turned_away", error=Overloaded(BUSY))
        return ticket

    async def _outcome(self, ticket: Ticket) -> list[Any]:
        """What comes of a ticket in its time; who stops waiting for it leaves the line."""
        outcome = asyncio.wrap_future(ticket.future)
        outcome.add_done_callback(_heard)
        why = "abandoned"
        try:
            done, _ = await asyncio.wait([outcome], timeout=max(0.0, ticket.deadline - self._clock()))
            why = "answered" if done else "expired"
        finally:
            self._leave(ticket, why)
        if why == "expired":
            raise IndexUnavailable(LATE)
        return outcome.result()

    def _work(self, run: Run) -> None:
        """A thread's work: a run, and then what waited meanwhile, until nothing does."""
        following: Run | None = run
        while following is not None:
            for outcome in outcomes(self._client, following.parts, self._clock):
                self._take_in(outcome)
            with self._idle:
                self._door.ended(following, self._clock())
                following, hopeless = self._next()
                if following is None:
                    self._idle.notify_all()
            self._send_away(hopeless)

    def _next(self) -> tuple[Run | None, list[Ticket]]:
        now = self._clock()
        run, hopeless = self._door.next(now)
        if run is not None:
            searches = run.kind in {SEARCH, FETCHING}
            self._counts.update({"batches": 1, "batch_items": len(run.parts)} if searches else {"calls": 1})
            self._waited_s += sum(now - part.ticket.since for part in run.parts)
        return run, hopeless

    def _take_in(self, outcome: Outcome) -> None:
        """Keep a result until its caller's others are there, too; an error is the answer to all of them."""
        ticket = outcome.part.ticket
        if outcome.error is not None:
            with self._idle:
                self._door.line.remove(ticket)
            self._settle(ticket, "failed", error=outcome.error)
            return
        with self._idle:
            ticket.results[outcome.part.position] = outcome.result
            missing = len(ticket.results) < len(ticket.items)
        if not missing:
            self._settle(ticket, "answered")

    def _send_away(self, hopeless: Sequence[Ticket]) -> None:
        for ticket in hopeless:
            if ticket.deadline <= self._clock():
                self._settle(ticket, "expired", error=IndexUnavailable(LATE))
            else:
                self._settle(ticket, "turned_away", error=Overloaded(BUSY))

    def _settle(self, ticket: Ticket, how: str, *, error: Exception | None = None) -> None:
        """Tell the caller, unless that is done or nobody listens any more."""
        with self._idle:
            if ticket.settled:
                return
            ticket.settled = True
            self._counts[how] += 1
        if ticket.future.set_running_or_notify_cancel():
            if error is not None:
                ticket.future.set_exception(error)
            else:
                ticket.future.set_result([ticket.results[n] for n in range(len(ticket.items))])

    def _leave(self, ticket: Ticket, why: str) -> None:
        with self._idle:
            if ticket.settled:
                return
            ticket.settled = True
            self._counts[why] += 1
            self._door.line.remove(ticket)
        ticket.future.cancel()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise Overloaded(ENDING)


def _heard(outcome: asyncio.Future[Any]) -> None:
    """An error that came when its caller was leaving is nobody's any more."""
    if not outcome.cancelled():
        outcome.exception()
