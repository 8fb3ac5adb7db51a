"""Whatever order events come in, whoever writes them and dies of it: what is stored is the fold of the log."""

from __future__ import annotations

import random
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.index.builders import SCHEMA, open_index, write_of
from tests.search.index.faults import Crash, Crashing, Stale, Wrapped
from tests.search.index.oracle import DIM, Event, decisive, expected_rows, random_log

from fourtower_search.index.conditions import OneOf
from fourtower_search.index.memory import MemoryRows
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.index.writer import Submission


@dataclass
class Stream:
    """A log that is delivered in any order, some of it twice, and again until every event has an outcome."""

    log: list[Event]
    rng: random.Random
    outcomes: list[tuple[Event, str]] = field(default_factory=list)

    def __post_init__(self):
        again = self.rng.sample(self.log, len(self.log) // 3)
        deliveries = [*self.log, *again]
        self.rng.shuffle(deliveries)
        self._waiting = deque(deliveries)
        self._taken = 0
        self._changed = threading.Condition()

    def take(self) -> list[list[Event]]:
        """Some batches; none when everything is done."""
        with self._changed:
            while not self._waiting and self._taken:
                self._changed.wait()
            batches = [self._batch() for _ in range(self.rng.randint(1, 3))]
            return [batch for batch in batches if batch]

    def give_back(self, events: list[Event]) -> None:
        """They have no outcome and must come again."""
        with self._changed:
            self._waiting.extend(events)
            self._taken -= len(events)
            self._changed.notify_all()

    def settle(self, event: Event, status: str) -> None:
        with self._changed:
            self.outcomes.append((event, status))
            self._taken -= 1
            self._changed.notify_all()

    def _batch(self) -> list[Event]:
        batch = [self._waiting.popleft() for _ in range(min(self.rng.randint(1, 8), len(self._waiting)))]
        self._taken += len(batch)
        return batch


def work(stream: Stream, store, seed: int) -> None:
    """One process after the other, each until it dies or nothing is left."""
    rng = random.Random(seed)
    alive = False
    while not alive:
        mortal = Crashing(Stale(store, rng), at=rng.randint(1, 30), moment=rng.choice(["before", "half", "after"]))
        with open_index(mortal, resweep_after_s=3600) as index:
            alive = live(stream, index)


def live(stream: Stream, index: ProductIndex) -> bool:
    """Write batches, a few side by side; False when it died of it."""
    while batches := stream.take():
        survived = [report(stream, *started) for started in [(batch, start(index, batch)) for batch in batches]]
        if not all(survived):
            return False
    return True


def start(index: ProductIndex, batch: list[Event]) -> Submission | None:
    """Start writing; None where that was too much."""
    try:
        return index.submit([write_of(event) for event in batch], index.read({event.product_id for event in batch}))
    except Crash:
        return None


def report(stream: Stream, batch: list[Event], submission: Submission | None) -> bool:
    """Wait for outcomes; what has none comes again."""
    try:
        outcomes = submission.verified.result(60) if submission else None
    except Crash:
        outcomes = None
    if outcomes is None:
        stream.give_back(batch)
        return False
    for event, outcome in zip(batch, outcomes, strict=True):
        if outcome.status == "failed":
            assert outcome.retryable, outcome
            stream.give_back([event])
        else:
            stream.settle(event, outcome.status)
    return True


def check(store, stream: Stream) -> None:
    log, winners = stream.log, decisive(stream.log)
    where = OneOf("product_id", tuple(winners))
    stored = store.rows(where, vectors=True, consistency="strong", timeout_s=10)
    assert {row.key: None if row.order.deleted else tuple(row.vector.tolist()) for row in stored} == expected_rows(log)
    for event, status in stream.outcomes:
        if event == winners[event.product_id]:
            assert status == "applied", event
    with open_index(Wrapped(store)) as index:
        live = {key for key, event in winners.items() if not event.deletes}
        assert set(index.get(list(winners), consistency="strong")) == live


def run(store, seed: int, *, workers: int, products: int = 8, events: int = 40) -> None:
    rng = random.Random(seed)
    stream = Stream(random_log(rng, products=products, events=events), rng)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda number: work(stream, store, 1000 * seed + number), range(workers)))
    check(store, stream)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**20), st.integers(1, 4), st.integers(1, 30))
def test_one_process_after_the_other_ends_in_the_fold_of_the_log(seed, products, events):
    run(MemoryRows(SCHEMA, DIM), seed, workers=1, products=products, events=events)


@pytest.mark.parametrize("seed", range(12))
def test_four_processes_end_in_the_fold_of_the_log(seed):
    run(MemoryRows(SCHEMA, DIM), seed, workers=4)


@pytest.mark.parametrize(("engine", "seed"), [("lite_file", 1), ("lite_server", 2), ("milvus", 3), ("milvus", 4)])
def test_on_a_real_engine_too_what_is_stored_is_the_fold_of_the_log(new_store, seed):
    store = new_store(SCHEMA, DIM)
    run(store, seed, workers=4 if store.capabilities.concurrent_writers else 1)
