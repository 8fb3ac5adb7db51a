"""A service's queue on a clock of its own: arrivals and service times are given, so nothing depends on the machine."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import count

from fourtower_search.errors import Overloaded
from fourtower_search.query.parts import Text
from fourtower_search.query.request import SearchRequest
from fourtower_search.service.door import Door, Run
from fourtower_search.service.line import Ticket
from fourtower_search.service.pace import SEARCH

RED = SearchRequest(parts=(Text("red"),))


def batch_s(items: int, running: int) -> float:
    """Milliseconds of a small model on one core: something once per batch, something per search, shared by threads."""
    return (0.003 + 0.004 * items) * running


@dataclass
class Seen:
    """What came of the requests."""

    answered: list[tuple[float, float, object]] = field(default_factory=list)
    """When each came, how long it took, and whose it was."""
    refused: list[tuple[float, object]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def times(self, *, after: float = 0.0, caller: object = None) -> list[float]:
        """Sorted seconds of those that came later than a moment."""
        return sorted(took for came, took, whose in self.answered if came >= after and caller in (None, whose))


class Simulated:
    """Plays arrivals against a door; a request of a closed loop comes when its caller's last was answered."""

    def __init__(self, door: Door, *, service_s: Callable[[int, int], float] = batch_s) -> None:
        self.door, self.seen, self.now = door, Seen(), 0.0
        self._service_s = service_s
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._whose: dict[int, Callable[[], None]] = {}

    def at(self, moment: float, do: Callable[[], None]) -> None:
        """Let something happen."""
        heapq.heappush(self._events, (moment, next(self._order), do))

    def arrivals(self, moments: Iterable[float], *, caller: object = None, items: int = 1) -> None:
        """Let requests come at given moments, whatever happens to the earlier ones."""
        for moment in moments:
            self.at(moment, lambda: self.come(caller, items))

    def loop(self, *, until: float) -> None:
        """Let a caller come again as soon as it was answered; one that is turned away comes a second later."""

        def again() -> None:
            if self.now < until:
                self.come(None, 1, then=again, refused=lambda: self.at(self.now + 1, again))

        self.at(self.now, again)

    def come(
        self, caller: object, items: int, *, then: Callable[[], None] | None = None, refused: Callable | None = None
    ) -> None:
        ticket = Ticket(caller or object(), SEARCH, [RED] * items, since=self.now, deadline=self.now + 10)
        try:
            gone = self.door.enter(ticket, self.now)
        except Overloaded:
            self._refuse(ticket)
            if refused:
                refused()
            return
        if then:
            self._whose[id(ticket)] = then
        if gone is not None:
            self._refuse(gone)
        self._begin()

    def check_nobody_waits_idly(self) -> None:
        """What waits, waits for threads that are all at work."""
        run, _ = self.door.next(self.now)
        assert run is None

    def play(self, *, until: float = 1e9) -> Seen:
        while self._events and self._events[0][0] <= until:
            self.now, _, do = heapq.heappop(self._events)
            do()
        return self.seen

    def _begin(self) -> None:
        run, hopeless = self.door.next(self.now)
        for ticket in hopeless:
            self._refuse(ticket)
        if run is not None:
            took = self._service_s(len(run.parts), len(self.door.runs))
            self.seen.sizes.append(len(run.parts))
            self.at(self.now + took, partial(self._end, run))
            self._begin()

    def _end(self, run: Run) -> None:
        self.door.ended(run, self.now)
        for part in run.parts:
            ticket = part.ticket
            ticket.results[part.position] = None
            if len(ticket.results) == len(ticket.items):
                self.seen.answered.append((ticket.since, self.now - ticket.since, ticket.caller))
                self._whose.pop(id(ticket), lambda: None)()
        self._begin()

    def _refuse(self, ticket: Ticket) -> None:
        self.seen.refused.append((ticket.since, ticket.caller))


def p99(times: list[float]) -> float:
    return times[int(0.99 * (len(times) - 1))]
