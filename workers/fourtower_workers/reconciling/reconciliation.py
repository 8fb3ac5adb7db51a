"""One reconciliation from end to end: snapshot, fold, compare, look again, repair, forget old deletes, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from fourtower_ingest.log import Record
from fourtower_ingest.settings import TopicSettings
from fourtower_search.index.generations import GenerationRecord
from fourtower_search.index.product_index import ProductIndex
from fourtower_workers.reconciling.cases import Cases
from fourtower_workers.reconciling.comparing import AT_ONCE, Comparison
from fourtower_workers.reconciling.findings import KINDS, Kind
from fourtower_workers.reconciling.folded_log import FoldedLog
from fourtower_workers.reconciling.folding_log import Reader, fold_log, read_letters
from fourtower_workers.reconciling.pace import Pace
from fourtower_workers.reconciling.reporting import Report
from fourtower_workers.reconciling.snapshot import Snapshot
from fourtower_workers.reconciling.tombstones import purge
from fourtower_workers.reconciling.workbook import Workbook

Advance = Callable[[int], None]
Bars = Callable[[str, int | None], AbstractContextManager[Advance]]
"""Opens a progress bar: what is done, and how much of it there is, if that is known."""
Mend = Callable[[Comparison, frozenset[Kind], Advance], str]
"""Has workers mend all open findings of these kinds, and says why it stopped early; see `repairing.Repair`."""


class Identity(BaseModel):
    """What a run is about: progress of a run about anything else is of no use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    collection: str
    model_id: str
    group: str
    topics: str


@dataclass(frozen=True)
class Wishes:
    """What is to be done about findings, and how fast."""

    repair: bool = False
    delete_extra: bool = False
    rate: float = 0.0
    """Products per second; 0: as many as there can be."""
    most: int = 50
    """Findings that are listed."""
    ignore: frozenset[Kind] = frozenset()
    """Classes that are counted, and nothing else."""
    moment_s: float = 2.0
    """Between two looks at a product."""

    def kinds(self) -> frozenset[Kind]:
        """The findings that something is done about."""
        extra: frozenset[Kind] = frozenset({"extra"})
        others = frozenset(KINDS) - extra if self.repair else frozenset()
        return (others | (extra if self.delete_extra else frozenset())) - self.ignore


@dataclass(frozen=True)
class Reconciliation:
    """A run, from when its snapshot is taken.

    Args:
        index: the generation.
        record: of the generation.
        topics: what is read, and how.
        read: reads the log.
        snapshot: takes the snapshot; not called where a run goes on.
        mend: has findings mended.
        wishes: what is to be done.
        bars: opens progress bars.
        tell: says something to the person who waits.
    """

    index: ProductIndex
    record: GenerationRecord
    topics: TopicSettings
    read: Reader
    snapshot: Callable[[], Snapshot]
    mend: Mend
    wishes: Wishes
    bars: Bars
    tell: Callable[[str], None]

    def run(self, group: str, state: Path | None) -> Report:
        """Reconcile; with a folder for its state, a run that was killed goes on there."""
        began = time.monotonic()
        with Workbook(state) as book:
            snapshot = self._begun(book, self._identity(group))
            comparison = Comparison(
                self.index,
                FoldedLog(book),
                Cases(book),
                snapshot,
                Pace(self.wishes.rate),
                moment_s=self.wishes.moment_s,
            )
            self._look(book, comparison)
            self._act(comparison)
            report = self._report(book, comparison, time.monotonic() - began)
            book.begin()
            return report

    def _identity(self, group: str) -> Identity:
        topics = self.topics.model_dump_json()
        return Identity(collection=self.record.collection, model_id=self.record.model_id, group=group, topics=topics)

    def _begun(self, book: Workbook, identity: Identity) -> Snapshot:
        """The snapshot of the run that goes on here, or a new one."""
        before, wanted = book.note("identity"), identity.model_dump_json()
        if before == wanted:
            snapshot = Snapshot.model_validate_json(book.note("snapshot"))
            lost = _first_lost(book, snapshot, self.snapshot())
            if not lost:
                self.tell(f"A run that was interrupted goes on; {book.count('records'):,} records are folded already.")
                return snapshot
            self.tell(f"Another snapshot: {lost}, so the run that was interrupted begins anew.")
        elif before:
            self.tell("Another snapshot: the interrupted run was about another index, group or topic; it begins anew.")
        book.begin()
        snapshot = self.snapshot()
        book.write(snapshot=snapshot.model_dump_json(), identity=wanted)
        return snapshot

    def _look(self, book: Workbook, comparison: Comparison) -> None:
        log, cases, snapshot = comparison.log, comparison.cases, comparison.snapshot
        if not book.note("letters"):
            with self.bars("Reading dead letters", None) as advance:
                read_letters(log, _counted(self.read(self.topics.dead_letters), advance))
            book.write(letters="read")
        with self.bars("Folding the log", snapshot.records) as advance:
            fold_log(log, self.read, snapshot, self.topics, advance)
        products, _ = log.counts()
        with self.bars("Comparing", products) as advance:
            advance(book.count("compared"))
            comparison.first_look(advance)
        suspects = cases.count_suspects()
        if suspects:
            time.sleep(self.wishes.moment_s)
        with self.bars("Looking again", suspects) as advance:
            comparison.second_look(advance)
        self._heed_news(comparison)

    def _heed_news(self, comparison: Comparison) -> None:
        """Believe nothing of a product's absence from the log that its newest records contradict."""
        cases = comparison.cases
        if not cases.awaits_silence():
            return
        with self.bars("Reading what came meanwhile", None) as advance:
            for topic in self.topics.read:
                start = {each: end for each, end in comparison.snapshot.ends().items() if each.topic == topic}
                records = _counted(self.read(topic, start=start), advance)
                while some := list(islice(records, AT_ONCE)):
                    cases.forget({(record.key or b"").decode("utf-8", "replace") for record in some})

    def _act(self, comparison: Comparison) -> None:
        cases, kinds = comparison.cases, self._permitted(comparison.snapshot)
        open_ones = sum(count for kind, count in cases.count("open").items() if kind in kinds)
        if open_ones:
            with self.bars("Repairing", open_ones) as advance:
                stopped = self.mend(comparison, kinds, advance)
            if stopped:
                self.tell(f"Repairing stopped: {stopped}")
        if self.wishes.repair and cases.count_graves():
            with self.bars("Forgetting old deletes", cases.count_graves()) as advance:
                purge(comparison, advance)

    def _permitted(self, snapshot: Snapshot) -> frozenset[Kind]:
        """The findings that something may be done about."""
        kinds = self.wishes.kinds()
        if not self.wishes.delete_extra or (snapshot.compacted and snapshot.same_topic):
            return kinds
        why = "is not compacted" if not snapshot.compacted else "was made anew since the index was built"
        self.tell(f"Nothing extra is deleted: the topic {snapshot.topic} {why}, so it does not know every product.")
        return kinds - {"extra"}

    def _report(self, book: Workbook, comparison: Comparison, seconds: float) -> Report:
        cases, snapshot = comparison.cases, comparison.snapshot
        products, in_flight = comparison.log.counts()
        return Report(
            collection=self.record.collection,
            topic=snapshot.topic,
            group=snapshot.group,
            taken_ms=snapshot.taken_ms,
            seconds=seconds,
            records=book.count("records"),
            products=products,
            in_flight=in_flight,
            compared=book.count("compared") - in_flight,
            ahead=book.count("ahead"),
            foreign=book.count("foreign"),
            found=cases.count(),
            repaired=cases.count("repaired"),
            old_tombstones=cases.count_graves(),
            purged=book.count("purged"),
            cases=tuple(cases.listed(self.wishes.most)),
            ignored=self.wishes.ignore,
        )


def _first_lost(book: Workbook, before: Snapshot, now: Snapshot) -> str:
    """Where the log was cut so that an interrupted run can't go on; empty if it can."""
    if before.topic_id != now.topic_id:
        return f"{before.topic} was made anew"
    progress, begins = FoldedLog(book).progress(), {each.partition: each.begin for each in now.stretches}
    for each in before.stretches:
        begin = begins.get(each.partition)
        if begin is None:
            return f"{each.partition} is gone"
        read_to = progress.get(each.partition, each.begin)
        if not before.compacted and begin > read_to < each.end:
            return f"{each.partition} has lost records that were not read yet"
    return ""


def _counted(records: Iterable[Record], advance: Advance) -> Iterator[Record]:
    for record in records:
        advance(1)
        yield record
