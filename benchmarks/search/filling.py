"""Fills a fresh index the way a worker does, batches ahead of each other, and times it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from time import perf_counter

from benchmarks.search.catalog import Catalog
from benchmarks.search.settings import Settings
from fourtower_search.index.convergence import Stored
from fourtower_search.index.opening import create_index
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.index.rows import ProductWrite
from fourtower_search.index.writer import Submission

TIMEOUT_S = 120.0
Batch = Sequence[ProductWrite]
Ready = Callable[[Batch, Mapping[str, Stored]], Batch]


def fresh_index(address: str, catalog: Catalog, alias: str) -> ProductIndex:
    """An empty index of this name."""
    return create_index(address, catalog.plan, alias=alias, params=catalog.params, timeout_s=TIMEOUT_S)


def fill(index: ProductIndex, writes: Iterable[ProductWrite], settings: Settings, ready: Ready | None = None) -> float:
    """Write products and wait until all are verified; returns seconds.

    Args:
        index: where to.
        writes: may be a generator.
        settings: sizes of batches, and how many are on their way.
        ready: what happens to a batch between reading what is stored and writing.
    """
    start = perf_counter()
    under_way: deque[Submission] = deque()
    for batch in batches(writes, settings.batch):
        stored = index.read([write.product_id for write in batch], timeout_s=TIMEOUT_S)
        under_way.append(index.submit(ready(batch, stored) if ready else batch, stored, timeout_s=TIMEOUT_S))
        if len(under_way) == settings.ahead:
            confirm(under_way.popleft())
    for submission in under_way:
        confirm(submission)
    return perf_counter() - start


def confirm(submission: Submission) -> None:
    """Wait until a batch is verified; a benchmark of failed writes would say nothing."""
    failed = [outcome for outcome in submission.verified.result(TIMEOUT_S) if outcome.status != "applied"]
    if failed:
        raise RuntimeError(f"{len(failed)} products were not applied, the first because: {failed[0]}")


def batches(writes: Iterable[ProductWrite], size: int) -> Iterator[Batch]:
    """Slices of a stream."""
    rest = iter(writes)
    while batch := list(islice(rest, size)):
        yield batch


def collection_of(index: ProductIndex) -> str:
    """Where an index keeps its rows."""
    assert index.record is not None, "indexes on a server are recorded"
    return index.record.collection
