"""Decides whether a generation is as good as the live one: whole, like the log, up to date, exact, and relevant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from fourtower_ingest.log import Partition
from fourtower_ingest.replaying import product_of
from fourtower_search.index.generations import GenerationRecord
from fourtower_search.index.life import Verification
from fourtower_search.index.product_index import ProductIndex
from fourtower_workers.reconciling.folding_log import Reader
from fourtower_workers.reconciling.reporting import Report
from fourtower_workers.reindexing.groups import ingester_of, worker_of
from fourtower_workers.reindexing.lag import Position
from fourtower_workers.reindexing.pairing import Pairer, Pairing
from fourtower_workers.reindexing.recall import DEPTH, measure_recall
from fourtower_workers.reindexing.relevance import FIGURE, Relevance

Advance = Callable[[int], None]
Bars = Callable[[str, int | None], AbstractContextManager[Advance]]


@dataclass(frozen=True)
class Thresholds:
    """What must be reached."""

    most_lag: int = 1_000
    """Records that the group may be behind."""
    differing: int = 0
    """Products that may differ from the live generation or the log."""
    recall: float = 0.95
    """Of the ten nearest rows, on average."""
    ndcg_loss: float = 0.01
    """How much worse judged queries may be answered, on average."""
    sample: int = 200
    """Rows that recall is measured with."""
    seed: int = 0
    """Of their choice."""


@dataclass(frozen=True)
class Figure:
    """One comparison."""

    name: str
    following: float
    """Of the generation that is verified."""
    live: float | None = None
    bound: float | None = None
    """What must be reached; None: it is only shown."""
    side: Literal["least", "most"] = "most"
    missed: str = ""
    """A sentence, where the bound was not reached."""

    @property
    def ok(self) -> bool:
        """Whether it is good enough."""
        return not self.missed


@dataclass
class Findings:
    """What a verification came to."""

    figures: list[Figure] = field(default_factory=list)
    pairing: Pairing | None = None
    log: Report | None = None
    relevance: Relevance | None = None

    @property
    def passed(self) -> bool:
        """Whether every bound was reached."""
        return all(figure.ok for figure in self.figures)

    def verification(self, now: datetime) -> Verification:
        """As it is recorded."""
        return Verification(
            at=now,
            passed=self.passed,
            figures={figure.name: figure.following for figure in self.figures},
            missed=tuple(figure.missed for figure in self.figures if figure.missed),
        )


@dataclass(frozen=True)
class Verifier:
    """Two generations, and what is asked of the second one.

    Args:
        record: of the generation that is verified.
        live: the rows of the live one.
        following: its own rows.
        thresholds: what must be reached.
        positions: where the groups of the live generation and of this one stand.
        read: reads the log.
        topics: that are read.
        recent: the products of which the log has had a record for as long as it keeps deletes.
        reconciled: compares the log with the generation that is verified.
        relevance: compares both on judged queries; None: there are none.
        bars: opens progress bars.
        moment_s: between two looks at a product.
    """

    record: GenerationRecord
    live: ProductIndex
    following: ProductIndex
    thresholds: Thresholds
    positions: Callable[[], tuple[Position, Position]]
    read: Reader
    topics: tuple[str, ...]
    recent: Callable[[], Iterable[str]]
    reconciled: Callable[[], Report]
    relevance: Callable[[], Relevance] | None
    bars: Bars
    moment_s: float = 2.0

    def run(self) -> Findings:
        """Compare; what is not filled or far behind is not looked at any closer."""
        live, following = self.positions()
        found = Findings([*self._filled(), self._up_to_date(live, following)])
        if not found.passed:
            return found
        found.pairing = self._paired(live, following)
        found.figures += paired_figures(found.pairing, self.thresholds)
        found.log = self.reconciled()
        found.figures.append(log_figure(found.log, self.thresholds))
        found.figures.append(self._recall(found.pairing))
        if self.relevance is not None:
            found.relevance = self.relevance()
            found.figures.append(relevance_figure(found.relevance, self.thresholds))
        found.figures += self._left_alone()
        return found

    def _filled(self) -> Iterator[Figure]:
        seeding = self.record.life.seeding
        if seeding is None:
            return
        copied = seeding.copied + seeding.sent
        again = "It is not filled yet; `fourtower reindex start` goes on with it."
        yield Figure("filled products", copied, missed="" if seeding.done else again)
        if seeding.failed:
            yield Figure("refused products", seeding.failed)

    def _up_to_date(self, live: Position, following: Position) -> Figure:
        most, lag = self.thresholds.most_lag, following.lag
        missed = ""
        if not following.begun:
            missed = "Its group has committed nothing; start its ingester and its worker."
        elif lag > most:
            missed = f"Its group is {lag:,} records behind, and {most:,} is the most; wait, and verify it again."
        elif following.unattended:
            missed = self._unattended(following)
        return Figure("records behind", lag, live.lag, most, missed=missed)

    def _left_alone(self) -> Iterator[Figure]:
        """Who was killed before the first look may be missed by the brokers, or by Redis, only now."""
        _, following = self.positions()
        if following.unattended:
            yield Figure("who fills it", 0, missed=self._unattended(following))

    def _unattended(self, at: Position) -> str:
        return (
            f"Its group is {at.lag:,} records behind and {at.unattended}, so nobody fills it any more; see that its "
            f"ingester (`{ingester_of(self.record)}`) and its worker (`{worker_of(self.record)}`) run, and verify it "
            f"again."
        )

    def _paired(self, live: Position, following: Position) -> Pairing:
        since = {each: min(offset, live.committed.get(each, offset)) for each, offset in following.committed.items()}
        pairer = Pairer(
            self.live,
            self.following,
            moved=lambda: products_since(self.read, self.topics, since),
            recent=self.recent,
            sample=self.thresholds.sample,
            seed=self.thresholds.seed,
            moment_s=self.moment_s,
        )
        with self.bars("Comparing with the live generation", None) as advance:
            return pairer.compare(advance)

    def _recall(self, pairing: Pairing) -> Figure:
        with self.bars("Scanning all rows for exact neighbours", pairing.following) as advance:
            found = measure_recall(self.following, pairing.sample, advance=advance)
        least, missed = self.thresholds.recall, ""
        if found.mean < least:
            missed = (
                f"Searches find {found.mean:.3f} of the nearest rows, and {least:g} is the least; build it with a "
                f"denser index, or search it more broadly."
            )
        return Figure(f"recall@{DEPTH}", found.mean, bound=least, side="least", missed=missed)


def products_since(read: Reader, topics: Iterable[str], since: Mapping[Partition, int]) -> Iterator[str]:
    """The products of all records from some offsets up to now."""
    for topic in topics:
        start = {partition: offset for partition, offset in since.items() if partition.topic == topic}
        yield from map(product_of, read(topic, start=start))


def paired_figures(pairing: Pairing, thresholds: Thresholds) -> Iterator[Figure]:
    """How many products there are, and how many differ."""
    yield Figure("products", pairing.following, pairing.live)
    if pairing.moving:
        yield Figure("being changed", pairing.moving)
    if pairing.purged:
        yield Figure("old deletes forgotten", pairing.purged)
    most, differing, pictures = thresholds.differing, pairing.differing, pairing.found["picture"]
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in pairing.found.items() if count and kind != "picture")
    yield Figure(
        "differing products",
        differing,
        bound=most,
        missed=_too_many(differing, most, f"products differ from the live generation ({kinds})"),
    )
    yield Figure(
        "lost pictures",
        pictures,
        bound=most,
        missed=_too_many(
            pictures,
            most,
            "products lack a picture that the live generation has; publish them again if it came inside an event",
        ),
    )


def log_figure(report: Report, thresholds: Thresholds) -> Figure:
    """How many products are not as the log says; pictures are a matter of comparing generations."""
    found = {kind: count for kind, count in report.found.items() if count and kind not in report.ignored}
    kinds, most = ", ".join(f"{count:,} {kind}" for kind, count in found.items()), thresholds.differing
    count = sum(found.values())
    missed = _too_many(count, most, f"products are not as the log says ({kinds})")
    return Figure("unlike the log", count, bound=most, missed=missed)


def relevance_figure(relevance: Relevance, thresholds: Thresholds) -> Figure:
    """How well judged queries are answered."""
    least, missed = relevance.live - thresholds.ndcg_loss, ""
    mean, low, high = relevance.difference
    if mean < -thresholds.ndcg_loss:
        missed = (
            f"{FIGURE} changes by {mean:+.4f} (95 % range {low:+.4f} to {high:+.4f}) against the live generation, and "
            f"{thresholds.ndcg_loss:g} is the most that it may lose."
        )
    return Figure(FIGURE, relevance.following, relevance.live, least, "least", missed)


def _too_many(count: int, most: int, what: str) -> str:
    if count <= most:
        return ""
    return f"{count:,} {what}; {'none' if not most else f'{most:,} at most'} may (--differing)."
