"""Opens what a verification compares: two collections, the log, two models, and where the groups stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fourtower_ingest.broker.admin import LogAdmin
from fourtower_ingest.broker.ranges import read_range
from fourtower_ingest.settings import IngestSettings
from fourtower_search.index.generations import GenerationRecord, Generations
from fourtower_search.index.opening import open_generation
from fourtower_search.index.product_index import ProductIndex
from fourtower_workers.reconciling.folding_log import Reader
from fourtower_workers.reconciling.reconciliation import Reconciliation, Wishes
from fourtower_workers.reconciling.reporting import Report
from fourtower_workers.reconciling.snapshot import take_snapshot
from fourtower_workers.reindexing.groups import group_of
from fourtower_workers.reindexing.lag import Position, position_of
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
                read=self._reader(),
                topics=tuple(self.stream.topics.read),
                reconciled=lambda: self._reconciled(second, following),
                relevance=None if judged is None else lambda: self._relevance(live, following, judged),
                bars=self.bars,
            )

    def _reader(self) -> Reader:
        return partial(read_range, self.stream.kafka, max_record_bytes=self.stream.topics.max_event_bytes)

    def _reconciled(self, index: ProductIndex, record: GenerationRecord) -> Report:
        """A generation compared with the log; nothing is mended."""
        group, topics = group_of(record, self.stream.ingester.group), self.stream.topics
        with LogAdmin(self.stream.kafka) as admin:
            snapshot = take_snapshot(admin, topics, group=group, record=record)
        return Reconciliation(
            index=index,
            record=record,
            topics=topics,
            read=self._reader(),
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
    with LogAdmin(stream.kafka) as admin:
        return position_of(admin, stream.topics.read, group_of(record, stream.ingester.group))
