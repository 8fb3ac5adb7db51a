"""Two generations in memory, and the log that fills them: what verifying is tried on without servers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.workers.reconciling.shelves import DAY_MS, MODEL, NOW_MS, TOPICS, Log, no_bars, rows_of

from fourtower_encoders.joint import QueryParams
from fourtower_ingest.log import Partition
from fourtower_search.index.generations import GenerationPlan, MemoryGenerations
from fourtower_search.index.memory import MemoryRows
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.index.rows import ProductWrite
from fourtower_search.schema import CatalogSchema
from fourtower_workers.reconciling.reconciliation import Reconciliation, Wishes
from fourtower_workers.reindexing.lag import Position
from fourtower_workers.reindexing.verifying import Thresholds, Verifier

SHOP = Partition("shop", 0)


class Two:
    """A live generation and the next one, both in memory, and the log that fills them."""

    def __init__(self, topics=TOPICS):
        self.log = Log(topics)
        self.live, self.following = (
            ProductIndex(MemoryRows(CatalogSchema(), 4), params=QueryParams(), model_id=MODEL) for _ in range(2)
        )
        self.record = MemoryGenerations("shop").create(GenerationPlan(model="m", model_id=MODEL, dim=4), timeout_s=1)
        self.behind, self.begun, self.members, self.workers, self.relevance = 0, True, 1, None, None
        self.kept_ms = 7 * DAY_MS
        self.chance = np.random.default_rng(0)

    def publish(self, *events, into="both", **rows):
        """Put events into the log and their rows into generations."""
        for event in events:
            self.log.add(event)
            self.write(event, into=into, **rows)

    def write(self, event, *, into="both", **how):
        rows = [
            replace(row, vector=None if event.deleted else self.chance.standard_normal(4).astype(np.float32))
            for row in rows_of(event, **how)
        ]
        for name in ("live", "following"):
            if into in ("both", name):
                write = ProductWrite(event.product_id, rows[0].order, tuple(rows))
                assert [outcome.status for outcome in getattr(self, name).apply([write])] == ["applied"]

    def positions(self):
        at = Position(self.behind, self.begun, {SHOP: self.log.end(SHOP)}, self.members, self.workers)
        return at._replace(lag=0, begun=True), at

    def verifier(self, **bounds):
        return Verifier(
            record=self.record,
            live=self.live,
            following=self.following,
            thresholds=Thresholds(**bounds),
            positions=self.positions,
            read=self.log.read,
            topics=("shop",),
            recent=self.recent,
            reconciled=self.reconciled,
            relevance=None if self.relevance is None else lambda: self.relevance,
            bars=no_bars,
            moment_s=0,
        )

    def recent(self):
        return [each.key.decode() for each in self.log.records if each.timestamp_ms >= NOW_MS - self.kept_ms]

    def reconciled(self):
        wishes = Wishes(ignore=frozenset({"image_missing"}), moment_s=0)
        run = Reconciliation(
            index=self.following,
            record=self.record,
            topics=self.log.topics,
            read=self.log.read,
            snapshot=self.log.snapshot,
            mend=lambda *_: pytest.fail("nothing may be mended"),
            wishes=wishes,
            bars=no_bars,
            tell=lambda text: None,
        )
        return run.run("shop", None)

    def verify(self, **bounds):
        return self.verifier(**bounds).run()
