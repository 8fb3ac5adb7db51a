"""The circuit breaker: sends nothing while index, Redis or workers are ill, and lets one batch try now and then."""

from __future__ import annotations

from collections import deque

from fourtower_ingest.flow.stats import Breaking

LONGEST_PAUSE_S = 30.0
LOSS_WINDOW_S = 60.0


class Breaker:
    """Closed as long as all is well.

    Args:
        pause_s: before the first probe; it doubles with every probe that fails.
        losses: within a minute, that open it.
    """

    def __init__(self, pause_s: float, losses: int) -> None:
        self._first_pause, self._most_losses = pause_s, losses
        self._pause = pause_s
        self._until: float | None = None
        self._probe: str | None = None
        self._losses: deque[float] = deque(maxlen=losses)
        self.reason = ""
        """Why it opened, or stayed open, the last time."""
        self.workers_ill = False
        """Opened because workers were lost: then a loss says little about the events."""

    @property
    def closed(self) -> bool:
        """Whether all is well."""
        return self._until is None

    def allows(self, now: float) -> bool:
        """Whether a batch may be sent now."""
        return self._until is None or (self._probe is None and now >= self._until)

    def state(self, now: float) -> Breaking:
        """For people."""
        if self._until is None:
            return "closed"
        return "half_open" if self._probe is not None or now >= self._until else "open"

    def sent(self, attempt: str) -> None:
        """A batch was sent; if the breaker is open, all depends on it."""
        if self._until is not None:
            self._probe = attempt

    def failed(self, attempt: str, reason: str, now: float) -> None:
        """The index or Redis did not answer."""
        if self._until is None or attempt == self._probe:
            self.reason = reason
        if self._until is None:
            self._until = now + self._pause
        elif attempt == self._probe:
            self._pause = min(2 * self._pause, LONGEST_PAUSE_S)
            self._until, self._probe = now + self._pause, None

    def unanswered(self, attempt: str, now: float) -> None:
        """The index took too long, which is usual under load, but too little for a probe."""
        if attempt == self._probe:
            self.failed(attempt, "the index did not say in time what became of a batch", now)

    def lost(self, attempt: str, reason: str, now: float, *, again: bool = False) -> None:
        """A worker was lost; `again`: over an event that one was lost over before, which says more about the event."""
        if not again:
            self._losses.append(now)
        probing = attempt == self._probe
        if probing or (not again and self._too_many_losses(now)):
            self.workers_ill = True
            self.failed(attempt, f"workers are lost, the latest so: {reason}", now)

    def answered(self, attempt: str) -> None:
        """The index answered, whatever it said of the events."""
        if self._until is not None and attempt == self._probe:
            self._until = self._probe = None
            self._pause, self.workers_ill = self._first_pause, False
            self._losses.clear()

    def gave_up(self, attempt: str) -> None:
        """Nothing more will be heard of an attempt, which says nothing: another one may try."""
        if attempt == self._probe:
            self._probe = None

    def _too_many_losses(self, now: float) -> bool:
        return len(self._losses) >= self._most_losses and now - self._losses[0] <= LOSS_WINDOW_S
