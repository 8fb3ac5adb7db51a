"""Items that wait: ready ones for their turn, others for their time."""

from __future__ import annotations

from collections import OrderedDict
from heapq import heappop, heappush
from itertools import count

from fourtower_ingest.flow.items import Item, State
from fourtower_ingest.settings import FlowSettings

MOST_BATCH_BYTES = 4 * 2**20
"""Of the events of one task, unless a single item is larger: Redis and the workers hold it in memory, several times."""
LONGEST_RETRY_S = 60.0


class Waiting:
    """A queue of ready items, one of those that must be sent alone, and a clock for the rest."""

    def __init__(self, settings: FlowSettings) -> None:
        self._settings = settings
        self._ready: OrderedDict[Item, None] = OrderedDict()
        self._alone: OrderedDict[Item, None] = OrderedDict()
        self._delayed: list[tuple[float, int, Item]] = []  # a heap; entries count while the item is due just then
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._ready) + len(self._alone)

    def ready(self, item: Item, now: float) -> None:
        """The item can be sent, after those that can already."""
        item.state, item.since = State.READY, now
        (self._alone if item.alone else self._ready)[item] = None

    def delay(self, item: Item, state: State, due: float) -> None:
        """The item is not to be sent before its time."""
        item.state, item.due = state, due
        heappush(self._delayed, (due, next(self._numbers), item))

    def remove(self, item: Item) -> None:
        """The item waits no more, whatever it waited for."""
        self._ready.pop(item, None)
        self._alone.pop(item, None)
        item.state, item.due = State.BEHIND, 0.0

    def wake(self, now: float) -> None:
        """Items whose time has come are ready."""
        while self._delayed and self._delayed[0][0] <= now:
            due, _, item = heappop(self._delayed)
            if item.state in (State.RETRYING, State.PARKED) and item.due == due:
                self.ready(item, now)

    def pause_after(self, tries: int) -> float:
        """How long an item waits after so many failures."""
        return float(min(self._settings.retry_after_s * 2.0 ** min(tries - 1, 32), LONGEST_RETRY_S))

    def take(self, now: float) -> list[tuple[Item, tuple[str, ...]]]:
        """The items of the next batch, and their events as JSON; nothing if it is better to wait for more."""
        if self._alone and (not self._ready or next(iter(self._alone)).since <= next(iter(self._ready)).since):
            item, _ = self._alone.popitem(last=False)
            return [(item, _as_json(item))]
        return self._fill() if self._worth_sending(now) else []

    def _worth_sending(self, now: float) -> bool:
        full = len(self._ready) >= self._settings.batch
        return full or (bool(self._ready) and now - next(iter(self._ready)).since >= self._settings.linger_ms / 1000)

    def _fill(self) -> list[tuple[Item, tuple[str, ...]]]:
        taken: list[tuple[Item, tuple[str, ...]]] = []
        room, events = MOST_BATCH_BYTES, self._settings.batch
        while self._ready and events > 0:
            item = next(iter(self._ready))
            documents = _as_json(item)
            events -= len(documents)
            room -= sum(map(len, documents))
            if taken and (events < 0 or room < 0):
                break
            del self._ready[item]
            taken.append((item, documents))
        return taken


def _as_json(item: Item) -> tuple[str, ...]:
    return tuple(event.to_json().decode() for event in item.series)
