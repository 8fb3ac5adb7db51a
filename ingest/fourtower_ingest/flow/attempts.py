"""Attempts: tasks that were sent, what is known of each one, and when to give one up."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fourtower_ingest.flow.items import Item
from fourtower_ingest.folding import Series


class Parcel(NamedTuple):
    """An item as it was sent."""

    item: Item
    series: Series


class Attempt:
    """One task."""

    __slots__ = ("id", "owed", "parcels", "published_at", "started_at", "written_at")

    def __init__(self, attempt: str, items: Sequence[Item]) -> None:
        self.id = attempt
        self.parcels = tuple(Parcel(item, item.series) for item in items)
        self.owed = set(items)
        """Items that still wait for an effect, by this attempt or another one."""
        self.published_at: float | None = None
        self.started_at: float | None = None
        self.written_at: float | None = None


class Attempts:
    """Those under way, and those given up whose report could still tell what became of an item.

    Args:
        start_deadline_s: between `started` and `written`.
        verify_deadline_s: between `written` and `done`.
        visibility_timeout_s: after which Celery gives a task to another worker.
    """

    def __init__(self, *, start_deadline_s: float, verify_deadline_s: float, visibility_timeout_s: float) -> None:
        self._start_deadline_s = start_deadline_s
        self._verify_deadline_s = verify_deadline_s
        self._visibility_timeout_s = visibility_timeout_s
        self._under_way: dict[str, Attempt] = {}
        self._given_up: dict[str, Attempt] = {}
        self._starts: deque[tuple[float, float]] = deque()  # (when it started, when it had been published)
        self._all_started_until = float("-inf")
        self._seen_empty = float("-inf")

    def __len__(self) -> int:
        return len(self._under_way)

    def __iter__(self) -> Iterator[Attempt]:
        return iter(tuple(self._under_way.values()))

    def begin(self, attempt: str, items: Sequence[Item]) -> Attempt:
        """A task with these items is about to be published."""
        begun = Attempt(attempt, items)
        self._under_way[attempt] = begun
        for item in items:
            item.sent.append(begun)
        return begun

    def under_way(self, attempt: str) -> Attempt | None:
        """The attempt of this name, if it counts."""
        return self._under_way.get(attempt)

    def given_up(self, attempt: str) -> Attempt | None:
        """The attempt of this name, if it was given up and one of its items still waits for an effect."""
        return self._given_up.get(attempt)

    def end(self, attempt: Attempt) -> None:
        """It was answered."""
        self._under_way.pop(attempt.id, None)
        for item in attempt.owed:
            item.sent.remove(attempt)
        attempt.owed.clear()

    def give_up(self, attempt: Attempt) -> None:
        """It counts no more, but may still run."""
        self._under_way.pop(attempt.id, None)
        if attempt.owed:
            self._given_up[attempt.id] = attempt

    def settle(self, item: Item) -> None:
        """The item waits for nothing any more."""
        for attempt in item.sent:
            attempt.owed.discard(item)
            if not attempt.owed:
                self._given_up.pop(attempt.id, None)
        item.sent = []

    def forget(self, item: Item) -> list[str]:
        """The item is not ours any more; returns attempts of which nobody waits for an answer now."""
        concerned = item.sent
        self.settle(item)
        unwanted = [attempt.id for attempt in concerned if not attempt.owed and attempt.id in self._under_way]
        for attempt in unwanted:
            del self._under_way[attempt]
        return unwanted

    def started(self, attempt: Attempt, now: float) -> None:
        """A worker took it up."""
        if attempt.started_at is None:
            attempt.started_at = now
            if attempt.published_at is not None:
                self._starts.append((now, attempt.published_at))

    def silent(self, listened: float) -> list[Attempt]:
        """Those that a worker took up and never wrote, too long ago: it must be gone.

        Args:
            listened: until when everything that was reported was heard.
        """
        return [
            attempt
            for attempt in self
            if attempt.written_at is None
            and (since := self._taken_up(attempt)) is not None
            and listened - since > self._start_deadline_s
        ]

    def unverified(self, listened: float) -> list[Attempt]:
        """Those that were written too long ago without it being certain what became of them."""
        return [
            attempt
            for attempt in self
            if attempt.written_at is not None and listened - attempt.written_at > self._verify_deadline_s
        ]

    def vanished(self, *, empty: bool, now: float) -> list[Attempt]:
        """Those that never started and never will; being long in the queue is no sign of that.

        Either nothing was in the queue, at two looks after they were published, for a task may be on its way from the
        queue to a worker; or one published later started longer ago than a task can be with a worker unheard.

        Args:
            empty: whether queue and unacknowledged set are empty.
            now: when they were looked at.
        """
        until = max(self._overtaken_until(now), self._seen_empty if empty else float("-inf"))
        self._seen_empty = now if empty else float("-inf")
        return [
            attempt
            for attempt in self
            if attempt.started_at is None
            and attempt.written_at is None
            and attempt.published_at is not None
            and attempt.published_at < until
        ]

    def _taken_up(self, attempt: Attempt) -> float | None:
        """Since when a worker has it; None as long as it may lie in the queue, for that is never a loss."""
        return attempt.started_at

    def _overtaken_until(self, now: float) -> float:
        """Of tasks published before this, all that will ever start have started."""
        while self._starts and now - self._starts[0][0] > self._visibility_timeout_s:
            self._all_started_until = max(self._all_started_until, self._starts.popleft()[1])
        return self._all_started_until
