"""Opens what a verification compares: two collections, the log, two models, and where the groups stand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fourtower_ingest.broker.admin import LogAdmin
from fourtower_ingest.broker.ranges import read_range
from fourtower_ingest.errors import RedisUnavailable
from fourtower_ingest.replaying import product_of
from fourtower_ingest.settings import IngestSettings
from fourtower_ingest.status import processes_in
from fourtower_search.index.generations import GenerationRecord, Generations
from fourtower_search.index.opening import open_generation
from fourtower_search.index.product_index import ProductIndex
from fourtower_workers.reconciling.folding_log import reader_of
from fourtower_workers.reconciling.reconciliation import Reconciliation, Wishes
from fourtower_workers.reconciling.reporting import Report
from fourtower_workers.reconciling.snapshot import FOREVER, kept_ms, take_snapshot
from fourtower_workers.reindexing.dropping import serving
from fourtower_workers.reindexing.groups import group_of
from fourtower_workers.reindexing.lag import Position, places_of, position_of
from fourtower_workers.reindexing.relevance import Candidate, Relevance, compare_relevance
from fourtower_workers.reindexing.verifying import Thresholds, Verifier

Bars = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]
LISTED = 20
"""Products that are unlike the log, named one by one."""


@dataclass(frozen=True)
class Judged:
    """Judged queries, and where the models lie that answer them; empty: where they were recorded."""

    path: Path
    category: str = "category"
    model: str = ""
    live_model: str = ""


@dataclass(frozen=True)
class Surroundings:
    """The generations, the log, and whoever waits.

    Args:
        generations: of the index.
        stream: where the log is, and how it is read.
        timeout_s: for opening a collection.
        bars: opens progress bars.
        tell: says something to the person who waits.
    """

    generations: Generations
    stream: IngestSettings
    timeout_s: float
    bars: Bars
    tell: Callable[[str], None]

    @contextmanager
    def verifier(
        self, live: GenerationRecord, following: GenerationRecord, thresholds: Thresholds, judged: Judged | None
    ) -> Iterator[Verifier]:
        """What compares two generations, with everything open that it needs."""
        with (
            open_generation(self.generations, live, timeout_s=self.timeout_s) as first,
            open_generation(self.generations, following, timeout_s=self.timeout_s) as second,
        ):
            yield Verifier(
                record=following,
                live=first,
                following=second,
                thresholds=thresholds,
                positions=lambda: (position(self.stream, live), position(self.stream, following)),
                read=reader_of(self.stream),
                topics=tuple(self.stream.topics.read),
                recent=self._recent,
                reconciled=lambda: self._reconciled(second, following),
                relevance=None if judged is None else lambda: self._relevance(live, following, judged),
                bars=self.bars,
            )

    def _recent(self) -> Iterator[str]:
        """The products of which the log has had a record for as long as it keeps deletes.

        A delete that a generation has forgotten although its product is among them was lost.
        """
        topics = self.stream.topics
        with LogAdmin(self.stream.kafka) as admin:
            facts = admin.topic(topics.updates)
        assert facts is not None, "its offsets are known"
        kept = kept_ms(facts, compacted=topics.compacted)
        since_ms = None if kept == FOREVER else int(time.time() * 1000) - kept
        for topic in topics.read:
            records = read_range(self.stream.kafka, topic, since_ms=since_ms, max_record_bytes=topics.max_event_bytes)
            yield from map(product_of, records)

    def _reconciled(self, index: ProductIndex, record: GenerationRecord) -> Report:
        """A generation compared with the log; nothing is mended."""
        group, topics = group_of(record, self.stream.ingester.group), self.stream.topics
        with LogAdmin(self.stream.kafka) as admin:
            snapshot = take_snapshot(admin, topics, group=group, record=record)
        return Reconciliation(
            index=index,
            record=record,
            topics=topics,
            read=reader_of(self.stream),
            snapshot=lambda: snapshot,
            mend=lambda *_: "",
            wishes=Wishes(most=LISTED, ignore=frozenset({"image_missing"})),
            bars=self.bars,
            tell=self.tell,
        ).run(group, None)

    def _relevance(self, live: GenerationRecord, following: GenerationRecord, judged: Judged) -> Relevance:
        with self.bars("Asking judged queries", None) as advance:
            return compare_relevance(
                self.generations,
                Candidate(live, judged.live_model),
                Candidate(following, judged.model),
                judged.path,
                category=judged.category,
                advance=advance,
            )


def position(stream: IngestSettings, record: GenerationRecord) -> Position:
    """Where the group of a generation stands now.

    Raises:
        BrokerUnavailable: the brokers did not answer.
    """
    group, placed = group_of(record, stream.ingester.group), places_of(record)
    with LogAdmin(stream.kafka) as admin:
        found = position_of(admin, stream.topics.read, group, placed=placed)
    return found._replace(workers=_workers(stream, record)) if found.lag else found


def _workers(stream: IngestSettings, record: GenerationRecord) -> int | None:
    """Workers that say that they fill a generation; without Redis nobody can tell."""
    try:
        processes = processes_in(stream.redis)
    except RedisUnavailable:
        return None
    return sum(process.kind == "worker" for process in serving(record, processes))
