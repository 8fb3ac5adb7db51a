"""Events on their way to the workers and back: what to send, what to send again, when to give up; without IO or clock.

Unlike the ingester's flow this owes nothing to anybody: what is given up stays a finding, and the next run takes it up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from uuid import uuid4

from fourtower_ingest.wire import (
    MOST_EVENTS,
    Done,
    EventReport,
    ImagePolicy,
    IndexBatch,
    Lost,
    Started,
    Topology,
    Written,
)

MOST_BYTES = 8 * 2**20
"""Of a task that holds more than one product."""
UNSENT, UNANSWERED = "unsent", "unanswered"
"""Codes of failures that the product has nothing to do with: nobody is there."""


@dataclass(frozen=True, slots=True)
class Errand:
    """Events of one product that are to be indexed again."""

    product_id: str
    events: tuple[str, ...]
    repair: bool = False
    source: str = ""
    """Where the events came from first; empty: from the topic that all come from."""
    tries: int = 0
    alone: bool = False
    """After a loss nobody knows which product of a batch it was."""

    @property
    def size(self) -> int:
        """Its events' characters."""
        return sum(map(len, self.events))


class Result(NamedTuple):
    """What became of an errand: the report on its last event, or on the first that failed."""

    errand: Errand
    report: EventReport


@dataclass(frozen=True)
class ErrandRules:
    """How much is on its way at once, and how patient we are."""

    batch: int = 64
    """Products per task, at most."""
    batches: int = 4
    """Tasks on their way."""
    tries: int = 5
    retry_after_s: float = 1.0
    """Doubles from try to try."""
    patience_s: float = 600.0
    """For an answer to a task; without one there are no workers, or they are ill."""


@dataclass
class _Sent:
    errands: Sequence[Errand]
    at: float


@dataclass
class Errands:
    """All errands that are not finished."""

    topology: Topology
    stream: str
    source: str
    image_policy: ImagePolicy = "text_only"
    rules: ErrandRules = ErrandRules()
    new_id: Callable[[], str] = lambda: uuid4().hex
    _waiting: deque[tuple[float, Errand]] = field(default_factory=deque)
    _sent: dict[str, _Sent] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        """Whether nothing is left to do."""
        return not self._waiting and not self._sent

    def withdraw(self) -> list[Errand]:
        """Take back what was not sent yet."""
        found = [errand for _, errand in self._waiting]
        self._waiting.clear()
        return found

    @property
    def has_room(self) -> bool:
        """Whether it makes sense to add more."""
        return len(self._waiting) < self.rules.batch and len(self._sent) < self.rules.batches

    def add(self, errand: Errand, now: float) -> None:
        """Take up an errand."""
        self._waiting.append((now, errand))

    def take(self, now: float) -> IndexBatch | None:
        """The next task to publish; None if there is nothing to send now."""
        if len(self._sent) >= self.rules.batches:
            return None
        chosen = self._chosen(now)
        if not chosen:
            return None
        attempt = self.new_id()
        self._sent[attempt] = _Sent(chosen, now)
        return IndexBatch(
            attempt=attempt,
            stream=self.stream,
            topology=self.topology,
            source=chosen[0].source or self.source,
            events=tuple(event for errand in chosen for event in errand.events),
            image_policy=self.image_policy,
            repair=chosen[0].repair,
        )

    def heard(self, message: Started | Written | Done | Lost, now: float) -> list[Result]:
        """Take in what a worker said; attempts that are not known (any more) don't count."""
        sent = self._sent.get(message.attempt)
        if sent is None:
            return []
        if isinstance(message, Started | Written):
            sent.at = now
            return []
        del self._sent[message.attempt]
        if isinstance(message, Lost):
            why = f"A worker was lost over it: {message.reason}"
            return self._lost(sent.errands, EventReport(status="failed", code="lost", message=why), now)
        return self._done(sent.errands, message.reports, now)

    def not_published(self, attempt: str, reason: str, now: float) -> list[Result]:
        """Take in that a task may not have reached the queue."""
        sent = self._sent.pop(attempt, None)
        report = EventReport(status="failed", code=UNSENT, message=f"Redis did not take it: {reason}")
        return self._again(sent.errands, report, now) if sent else []

    def forgotten(self, now: float) -> None:
        """Redis was wiped: whatever is on its way may be gone, and nobody is to blame."""
        for attempt in list(self._sent):
            self._waiting.extendleft((now, errand) for errand in reversed(self._sent.pop(attempt).errands))

    def overdue(self, now: float) -> list[Result]:
        """Give up what nobody has answered."""
        late = [attempt for attempt, sent in self._sent.items() if now - sent.at > self.rules.patience_s]
        message = f"No worker answered within {self.rules.patience_s:g} s; is one running for this generation?"
        report = EventReport(status="failed", code=UNANSWERED, message=message)
        return [Result(errand, report) for attempt in late for errand in self._sent.pop(attempt).errands]

    def _chosen(self, now: float) -> list[Errand]:
        chosen: list[Errand] = []
        rest: list[tuple[float, Errand]] = []
        while self._waiting and len(chosen) < self.rules.batch:
            due, errand = self._waiting.popleft()
            if due > now or (chosen and not _fits(chosen, errand)):
                rest.append((due, errand))
            else:
                chosen.append(errand)
        self._waiting.extendleft(reversed(rest))
        return chosen

    def _done(self, errands: Sequence[Errand], reports: Sequence[EventReport], now: float) -> list[Result]:
        left, found = deque(reports), list[Result]()
        for errand in errands:
            own = [left.popleft() for _ in errand.events[: len(left)]]
            report = next((each for each in own if each.status == "failed"), own[-1] if own else _UNREPORTED)
            if report.status == "failed" and report.retryable:
                found += self._again([errand], report, now)
            else:
                found.append(Result(errand, report))
        return found

    def _lost(self, errands: Sequence[Errand], report: EventReport, now: float) -> list[Result]:
        """What was alone when a worker died is not tried on another one."""
        if errands[0].alone:
            return [Result(errand, report) for errand in errands]
        return self._again([replace(errand, alone=True) for errand in errands], report, now)

    def _again(self, errands: Sequence[Errand], report: EventReport, now: float) -> list[Result]:
        found = []
        for errand in errands:
            if errand.tries + 1 >= self.rules.tries:
                found.append(Result(errand, report))
                continue
            due = now + self.rules.retry_after_s * 2**errand.tries
            self._waiting.append((due, replace(errand, tries=errand.tries + 1)))
        return found


_UNREPORTED = EventReport(status="failed", code="unreported", message="A worker answered without saying what became.")


def _fits(chosen: Sequence[Errand], errand: Errand) -> bool:
    """Whether an errand may go into the same task as others."""
    return (
        not errand.alone
        and not chosen[0].alone
        and errand.repair == chosen[0].repair
        and errand.source == chosen[0].source
        and sum(len(each.events) for each in chosen) + len(errand.events) <= MOST_EVENTS
        and sum(each.size for each in chosen) + errand.size <= MOST_BYTES
    )
