"""Versioned, verified writes beside raw upserts of the same rows, in the same batches, by as many threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.race import Race, Turn
from benchmarks.search.bench import Bench
from benchmarks.search.catalog import Catalog
from benchmarks.search.enlarging import enlarged
from benchmarks.search.filling import TIMEOUT_S, Batch, batches, collection_of, fill
from benchmarks.search.settings import Settings
from fourtower_search.index.convergence import Stored
from fourtower_search.index.milvus.entities import entity_of
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.index.rows import Order, ProductWrite, Row, Vector

KINDS = ("new", "changed", "price")
"""Products that the index has not yet; with other vectors; with another price, whose vectors are read back."""
THREADS = 8
"""As many as a `ProductIndex` writes with."""
LAST = 64
"""Products of the last batch that must be seen before the next kind of change begins."""


@dataclass(frozen=True)
class Writing(Race):
    """Seconds of both sides for one kind of change; the items are products."""

    rows: int = field(kw_only=True)

    def details(self) -> dict[str, Any]:
        """For the result file."""
        return {
            "ratio": self.ratio,
            "products_per_s": self.ours_per_s,
            "rows_per_s": self.rows / median(self.ours_s),
            "raw_rows_per_s": self.rows / median(self.bare_s),
        }


def race_writing(bench: Bench) -> dict[str, Writing]:
    """Race both sides on fresh collections in every round."""
    changes = _changes(bench.catalog, bench.settings)
    races = {kind: Writing(len(writes), rows=_rows(writes)) for kind, writes in changes.items()}
    for number in range(bench.settings.rounds):
        with bench.fresh(f"written_{number}") as index, bench.fresh(f"written_{number}_raw") as raw:
            for kind, writes in changes.items():
                ours = partial(_ours, index, writes, bench.settings, reuse=kind == "price")
                races[kind].run(ours, _raw(bench, raw, writes))
    return races


def overall(races: dict[str, Writing]) -> float:
    """Our speed over all kinds of changes together: the median round."""
    rounds = zip(*(zip(race.ours_s, race.bare_s, strict=True) for race in races.values()), strict=True)
    return float(median(sum(raw for _, raw in each) / sum(ours for ours, _ in each) for each in rounds))


def _changes(catalog: Catalog, settings: Settings) -> dict[str, list[ProductWrite]]:
    """What is written, by kind: each the next version of the same products."""
    products = enlarged(catalog.writes, 10**9, spread=settings.spread, params=catalog.params)
    new = list(islice(products, settings.written))
    changed = [_next(write, lambda row: replace(row, vector=_flipped(row))) for write in new]
    price = [_next(write, lambda row: replace(row, attributes={**row.attributes, "price": 9.99})) for write in changed]
    return dict(zip(KINDS, (new, changed, price), strict=True))


def _next(write: ProductWrite, change: Callable[[Row], Row]) -> ProductWrite:
    order = Order(write.order.version + 1, False, write.order.digest)
    return ProductWrite(write.product_id, order, tuple(replace(change(row), order=order) for row in write.rows))


def _flipped(row: Row) -> Vector:
    assert row.vector is not None
    return row.vector[::-1].copy()


def _rows(writes: Batch) -> int:
    return sum(len(write.rows) for write in writes)


def _ours(index: ProductIndex, writes: Batch, settings: Settings, *, reuse: bool) -> float:
    """What a worker does once everything is encoded: read, reuse stored vectors, submit; until all is verified."""
    _wait_until_seen(index, writes)
    return fill(index, writes, settings, partial(_reusing, index) if reuse else None)


def _wait_until_seen(index: ProductIndex, writes: Batch) -> None:
    """Bounded reads lag behind; in a shop a product's changes are further apart than this benchmark's rounds."""
    before = {write.product_id: write.order.version - 1 for write in writes[-LAST:]}
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        stored = index.read(before, timeout_s=TIMEOUT_S)
        if all(_version(stored[product_id]) == version for product_id, version in before.items()):
            return
        time.sleep(0.1)
    raise TimeoutError(f"the last writes can't be read after {TIMEOUT_S:g} s")


def _version(stored: Stored) -> int:
    return stored.complete.version if stored.complete else 0


def _reusing(index: ProductIndex, batch: Batch, stored: Mapping[str, Stored]) -> Batch:
    """The batch with the vectors that the index has of its products."""
    keys = {write.product_id: [row.key for row in stored[write.product_id].current] for write in batch}
    vectors = index.vectors([key for some in keys.values() for key in some], timeout_s=TIMEOUT_S)
    return [_with_vectors(write, [vectors[key] for key in keys[write.product_id]]) for write in batch]


def _with_vectors(write: ProductWrite, vectors: Sequence[Vector]) -> ProductWrite:
    rows = (replace(row, vector=vector) for row, vector in zip(write.rows, vectors, strict=True))
    return replace(write, rows=tuple(rows))


def _raw(bench: Bench, index: ProductIndex, writes: Batch) -> Turn:
    """Raw upserts of entities that lie ready: the client's whole work is to send them."""
    sent = [
        [_entity(index, row) for write in batch for row in write.rows]
        for batch in batches(writes, bench.settings.batch)
    ]
    collection = collection_of(index)

    def send(entities: list[dict[str, Any]]) -> None:
        bench.server.raw.upsert(collection, entities, timeout=TIMEOUT_S)

    def run() -> float:
        start = perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            for done in [pool.submit(send, entities) for entities in sent]:
                done.result()
        return perf_counter() - start

    return run


def _entity(index: ProductIndex, row: Row) -> dict[str, Any]:
    return entity_of(row, index.schema, index.dim, "float32", lexical=index.capabilities.lexical)
