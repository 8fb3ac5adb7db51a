"""What an index must hold after a log of events, in whatever order they came: written without the code under test."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

DIM = 8


@dataclass(frozen=True)
class Event:
    """One change of one product; a delete has no views."""

    product_id: str
    version: int
    digest: str
    views: tuple[tuple[float, ...], ...]

    @property
    def deletes(self) -> bool:
        return not self.views


def decisive(log: Iterable[Event]) -> dict[str, Event]:
    """The event per product that decides: highest version, then a delete, then the highest digest."""
    found: dict[str, Event] = {}
    for event in sorted(log, key=lambda event: (event.version, event.deletes, event.digest)):
        found[event.product_id] = event
    return found


def expected_rows(log: Iterable[Event]) -> dict[str, tuple[float, ...] | None]:
    """Every row that must be stored, and no other: its key and its vector."""
    rows: dict[str, tuple[float, ...] | None] = {}
    for event in decisive(log).values():
        stem = f"{event.product_id}@{event.version}.{event.digest}"
        for view, vector in enumerate(event.views or (None,)):
            rows[f"{stem}#{view}"] = vector
    return rows


def random_log(rng: random.Random, *, products: int = 8, events: int = 40) -> list[Event]:
    """Upserts with one to three views and deletes, some with equal versions and different content."""
    return [_random_event(rng, f"p{rng.randrange(products)}") for _ in range(events)]


def _random_event(rng: random.Random, product_id: str) -> Event:
    count = 0 if rng.random() < 0.25 else rng.randint(1, 3)
    views = tuple(tuple(rng.randint(-8, 8) / 8 for _ in range(DIM)) for _ in range(count))
    return Event(product_id, rng.randint(1, 6), f"{rng.randrange(16**8):08x}", views)
