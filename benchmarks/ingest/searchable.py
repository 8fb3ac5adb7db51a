"""How long an event takes until a search client finds it, while events come at a steady rate."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle

import numpy as np

from benchmarks.ingest.events import line as as_line
from benchmarks.ingest.processes import wait_for
from benchmarks.ingest.shop import Line
from fourtower_ingest.events import Upsert
from fourtower_search.client import SearchClient

TICK_S = 0.02
"""Between two handfuls of events."""
LOOK_EVERY_S = 0.02
FOUND_WITHIN_S = 60.0


@dataclass
class Searchable:
    """Seconds from handing an event to the publisher until a client finds what it says."""

    offered_per_s: float
    seconds: list[float] = field(default_factory=list)

    def details(self) -> dict[str, float]:
        """For the result file."""
        p50, p95, p99 = (float(np.percentile(self.seconds, share)) for share in (50, 95, 99))
        return {
            "offered_per_s": self.offered_per_s,
            "events": len(self.seconds),
            "p50_s": p50,
            "p95_s": p95,
            "p99_s": p99,
        }


class Looking:
    """A client that looks for some products again and again until it finds their newest versions."""

    def __init__(self, client: SearchClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._wanted: dict[str, tuple[int, float]] = {}
        self._ending = threading.Event()
        self.seconds: list[float] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def expect(self, event: Upsert, began: float) -> None:
        """This event was handed to the publisher at that time."""
        with self._lock:
            self._wanted[event.product_id] = (event.version, began)

    def close(self) -> None:
        """Wait for what is missing."""
        wait_for(lambda: not self._wanted or not self._thread.is_alive(), "finding events", within_s=FOUND_WITHIN_S)
        self._ending.set()
        self._thread.join()
        if self._wanted:
            raise RuntimeError("The client that looks for events failed; its error stands above.")

    def _run(self) -> None:
        while not self._ending.wait(LOOK_EVERY_S):
            with self._lock:
                wanted = dict(self._wanted)
            if wanted:
                found = self._client.get_many(list(wanted))
                now = time.perf_counter()
                seen = {name for name, hit in found.items() if hit.version >= wanted[name][0]}
                with self._lock:
                    self.seconds += [now - wanted[name][1] for name in seen]
                    for name in seen:
                        del self._wanted[name]


def measure_searchable(line: Line, client: SearchClient, rate: float) -> Searchable:
    """Publish new prices at a rate for a while, and wait for some of them."""
    settings = line.settings
    result = Searchable(rate)
    looking = Looking(client)
    every = max(1, round(rate / settings.probes_per_s))
    count = max(1, round(rate * settings.searchable_s))
    events = _prices(line)
    with line.servers.publisher(line.topic) as publisher:
        assert publisher.stdin is not None
        began = time.perf_counter()
        sent = 0
        while sent < count:
            due = min(count, round((time.perf_counter() - began) * rate))
            handful = [next(events) for _ in range(due - sent)]
            text = b"".join(map(as_line, handful))
            now = time.perf_counter()
            publisher.stdin.write(text)
            publisher.stdin.flush()
            for number, event in enumerate(handful, start=sent):
                if number % every == 0:
                    looking.expect(event, now)
            sent = due
            time.sleep(TICK_S)
    line.published += count
    looking.close()
    wait_for(line.is_done, "the end of a load")
    result.seconds = looking.seconds
    return result


def _prices(line: Line) -> Iterator[Upsert]:
    """New prices without an end; what is not sent is missed by nobody."""
    for _ in cycle((None,)):
        yield from line.prices(1)
