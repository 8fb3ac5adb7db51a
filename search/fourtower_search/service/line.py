"""The line of those who wait for the client: callers take turns, however much each of them wants."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fourtower_search.query.parts import Image
from fourtower_search.query.request import SearchRequest

Item = SearchRequest | Callable[[], Any]
"""A search, which others may join, or a call."""


@dataclass(eq=False)
class Ticket:
    """What one caller waits for: one or several searches, or a call."""

    caller: Hashable
    kind: str
    items: Sequence[Item]
    since: float
    deadline: float
    item_s: float = 0.0
    """What an item is expected to take."""
    future: Future[list[Any]] = field(default_factory=Future)
    results: dict[int, Any] = field(default_factory=dict)
    taken: int = 0
    """How many of the items somebody works at, or did."""
    settled: bool = False
    """Whether the caller was told what came of it, or left."""

    @property
    def left(self) -> int:
        """How many of the items wait."""
        return len(self.items) - self.taken

    @property
    def next_is_alone(self) -> bool:
        """Whether the next item must not make others wait for it: a call, or a search with a picture to fetch."""
        item = self.items[self.taken]
        return not isinstance(item, SearchRequest) or fetches(item)


class Part(NamedTuple):
    """An item of a ticket."""

    ticket: Ticket
    position: int

    @property
    def item(self) -> Item:
        """What is to be done."""
        return self.ticket.items[self.position]


class Line:
    """Tickets by caller. Who uses it sees to it that one thread does at a time."""

    def __init__(self) -> None:
        self._callers: OrderedDict[Hashable, deque[Ticket]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        """How many tickets wait, those included that were begun."""
        return self._length

    def add(self, ticket: Ticket) -> None:
        """Put a ticket behind its caller's others."""
        self._callers.setdefault(ticket.caller, deque()).append(ticket)
        self._length += 1

    def remove(self, ticket: Ticket) -> None:
        """Take a ticket out, wherever it stands; nothing happens if it is not here."""
        tickets = self._callers.get(ticket.caller, deque())
        if ticket in tickets:
            tickets.remove(ticket)
            self._length -= 1
            if not tickets:
                del self._callers[ticket.caller]

    def take(self, most: int) -> list[Part]:
        """What to do next: searches that go together, one of each caller in turn; or one item that goes alone."""
        parts: list[Part] = []
        while len(parts) < most and (ticket := self._turn(first=not parts)) is not None:
            ends = ticket.next_is_alone
            parts.append(self._part(ticket))
            if ends:
                break
        return parts

    def ahead_s(self, caller: Hashable) -> float:
        """Seconds of a thread's work that come before a new item of a caller."""
        own = self._callers.get(caller, deque())
        turns = sum(ticket.left for ticket in own) + 1
        others = (_first_s(tickets, turns) for other, tickets in self._callers.items() if other != caller)
        return sum(ticket.left * ticket.item_s for ticket in own) + sum(others)

    def crowding(self, caller: Hashable) -> Ticket | None:
        """Whose place a caller may have: the newest ticket of whoever has most, if those are more than the caller's."""
        most = max(self._callers.values(), key=len, default=deque[Ticket]())
        if len(most) <= len(self._callers.get(caller, ())) + 1:
            return None
        return next((ticket for ticket in reversed(most) if not ticket.taken), None)

    def remove_if(self, condition: Callable[[Ticket], bool]) -> list[Ticket]:
        """Take out those that fulfil a condition."""
        removed = [ticket for tickets in self._callers.values() for ticket in tickets if condition(ticket)]
        for ticket in removed:
            self.remove(ticket)
        return removed

    def _turn(self, *, first: bool) -> Ticket | None:
        """The ticket of the caller whose turn it is; what goes alone keeps its turn until it is the first."""
        heads = (tickets[0] for tickets in self._callers.values())
        return next((ticket for ticket in heads if first or not ticket.next_is_alone), None)

    def _part(self, ticket: Ticket) -> Part:
        part = Part(ticket, ticket.taken)
        ticket.taken += 1
        if not ticket.left:
            self.remove(ticket)
        if ticket.caller in self._callers:
            self._callers.move_to_end(ticket.caller)
        return part


def fetches(request: SearchRequest) -> bool:
    """Whether a picture comes from elsewhere, which may take as long as it likes."""
    sources = (part.source for part in request.parts if isinstance(part, Image))
    return any(isinstance(source, str) and source[:5].lower() != "data:" for source in sources)


def _first_s(tickets: Iterable[Ticket], turns: int) -> float:
    """What the first items of a caller take."""
    seconds = 0.0
    for ticket in tickets:
        some = min(turns, ticket.left)
        seconds, turns = seconds + some * ticket.item_s, turns - some
    return seconds
