"""What the reports of an item's events mean for the item."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from fourtower_ingest.wire import EventReport

INDEX_CODES = frozenset({"unavailable", "mismatch", "unsupported"})
"""Failures of the index or of the deployment: no event is at fault, and none will succeed before somebody mends it."""
NO_BASE = "no_base"
PICTURE_CODES = frozenset({"nothing_to_embed"})


class Fate(Enum):
    """What is to be done with an item."""

    SETTLED = "settled"
    """All its events are in the index, or of no effect."""
    INDEX_ILL = "index_ill"
    WITHOUT_BASE = "without_base"
    """Patches found no product to change; everything else is settled."""
    PICTURE_MISSING = "picture_missing"
    """A picture could not be had at the moment, and the product can't be indexed without it."""
    TRY_AGAIN = "try_again"
    FAILED = "failed"
    """It would fail again."""


class Verdict(NamedTuple):
    """An item's fate, and the report that decided it."""

    fate: Fate
    report: EventReport


GARBLED = EventReport(
    status="failed", stage="verify", code="garbled", message="The worker did not report on every event.", retryable=True
)


def verdict(reports: Sequence[EventReport]) -> Verdict:
    """The fate of an item by the reports of its events; the worst of them decides."""
    worst = min(reports, key=_rank)
    return Verdict(_FATES[_rank(worst)], worst)


_FATES = (
    Fate.FAILED,
    Fate.INDEX_ILL,
    Fate.PICTURE_MISSING,
    Fate.TRY_AGAIN,
    Fate.WITHOUT_BASE,
    Fate.SETTLED,
)


def _rank(report: EventReport) -> int:
    return _FATES.index(_fate(report))


def _fate(report: EventReport) -> Fate:
    if report.status != "failed":
        return Fate.SETTLED
    if not report.retryable:
        return Fate.FAILED
    if report.code in INDEX_CODES:
        return Fate.INDEX_ILL
    if report.code == NO_BASE:
        return Fate.WITHOUT_BASE
    picture = report.stage == "fetch" or report.code in PICTURE_CODES
    return Fate.PICTURE_MISSING if picture else Fate.TRY_AGAIN
