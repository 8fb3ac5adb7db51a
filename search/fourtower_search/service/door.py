"""Decides who is let in, who has to come again later, and what is answered next; knows neither threads nor clocks."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass

from fourtower_search.errors import Overloaded
from fourtower_search.service.line import Line, Part, Ticket
from fourtower_search.service.pace import Pace, Pressure

BUSY = "The service has more to do than it can; try again later."


@dataclass(eq=False)
class Run:
    """What a thread works at."""

    parts: list[Part]
    kind: str
    begun: float
    expected_s: float
    lone: bool
    """Whether nothing else ran or waited when it began."""

    def left_s(self, now: float) -> float:
        """Until it probably ends. What takes longer than it should is expected to go on for as long again."""
        return abs(self.expected_s - (now - self.begun))


class Door:
    """The line and what runs. Who uses it sees to it that one thread does at a time.

    Nobody waits while a thread is idle: whoever enters, and whatever ends, asks for what comes `next`.
    """

    def __init__(self, *, threads: int, waiting: int, batch: int) -> None:
        """Take how many runs there are at a time, tickets in the line, and searches in a run."""
        self.line = Line()
        self.runs: set[Run] = set()
        self._threads, self._waiting, self._batch = threads, waiting, batch
        self._pace, self._pressure = Pace(), Pressure(threads)
        self._patience_s = 0.0
        """Of the most patient caller so far: a line that is too long even for that one is as good as full."""

    def enter(self, ticket: Ticket, now: float) -> Ticket | None:
        """Put a ticket into the line; who has many tickets there may have to give up the one that is returned.

        Raises:
            Overloaded: it would wait too long.
        """
        self._pressure.arrived(ticket.kind, len(ticket.items), self._pace, now)
        patience_s = ticket.deadline - now
        self._patience_s = max(self._patience_s, patience_s)
        in_the_way = self._room(ticket.caller, now, patience_s)
        if in_the_way is not None:
            self.line.remove(in_the_way)
        ticket.item_s = self._pace.item_s(ticket.kind)
        self.line.add(ticket)
        return in_the_way

    def knock(self, kind: str, now: float) -> None:
        """Ask whether somebody new would be let in.

        Raises:
            Overloaded: no; this counts as one who came and was turned away.
        """
        try:
            self._room(object(), now, math.inf)
        except Overloaded:
            self._pressure.arrived(kind, 1, self._pace, now)
            raise

    def next(self, now: float) -> tuple[Run | None, list[Ticket]]:
        """What a thread should do, if there is one idle, and the tickets for which it is too late."""
        if len(self.runs) >= self._threads:
            return None, []
        bearable_s = self._bearable_s()
        hopeless = self.line.remove_if(
            lambda ticket: ticket.deadline <= now or (not ticket.taken and now - ticket.since > bearable_s)
        )
        most = self._pace.largest(self._batch) if self._pressure.high else self._batch
        parts = self.line.take(most)
        return (self._begun(parts, now) if parts else None), hopeless

    def ended(self, run: Run, now: float) -> None:
        """Learn from a run that is over."""
        self.runs.remove(run)
        lone = run.lone and not self.runs and not len(self.line)
        self._pace.saw(run.kind, len(run.parts), max(0.0, now - run.begun), lone=lone)

    def wait_s(self, caller: Hashable, now: float) -> float:
        """How long a caller who came now would probably wait."""
        if len(self.runs) < self._threads:
            return 0.0
        return (sum(run.left_s(now) for run in self.runs) + self.line.ahead_s(caller)) / self._threads

    def _begun(self, parts: list[Part], now: float) -> Run:
        kind = parts[0].ticket.kind
        lone = len(parts) == 1 and not self.runs and not len(self.line)
        run = Run(parts, kind, now, self._pace.item_s(kind) * len(parts), lone)
        self.runs.add(run)
        return run

    def _room(self, caller: Hashable, now: float, patience_s: float) -> Ticket | None:
        """Nothing if there is room, or in whose place there is."""
        wait_s = self.wait_s(caller, now)
        full = len(self.line) >= self._waiting
        if full or wait_s > self._patience_s:
            self._pressure.overflowed(self._pace, now)
        if wait_s > min(patience_s, self._bearable_s()):
            raise Overloaded(BUSY, retry_after_s=max(1.0, wait_s))
        in_the_way = self.line.crowding(caller) if full else None
        if full and in_the_way is None:
            raise Overloaded(BUSY, retry_after_s=max(1.0, wait_s))
        return in_the_way

    def _bearable_s(self) -> float:
        return self._pace.bearable_s(self._batch) if self._pressure.high else math.inf
