"""What a run came to: as a table for people, as JSON, and as metrics in a file for Prometheus' node exporter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fourtower_workers.reconciling.cases import Case
from fourtower_workers.reconciling.findings import KINDS, Kind

if TYPE_CHECKING:
    from rich.console import RenderableType

_MEANING: Mapping[Kind, str] = {
    "missing": "not in the index",
    "behind": "an older version is indexed",
    "several_versions": "rows of older versions are left",
    "incomplete": "some rows of a version are missing",
    "wrongly_live": "deleted, and still found",
    "image_missing": "a declared picture was not used",
    "wrong_model": "encoded by another model, or wrongly",
    "extra": "in the index, unknown to the log",
}


@dataclass(frozen=True)
class Report:
    """What a run came to."""

    collection: str
    topic: str
    group: str
    taken_ms: int
    seconds: float
    records: int
    """Read from the log."""
    products: int
    """That the log knows."""
    in_flight: int
    """Of these, not compared: the group is not done with their last event."""
    compared: int
    """Products of log and index together."""
    ahead: int
    """The index holds a newer version than the log, which is no divergence."""
    foreign: int
    """Unknown to the log, and from another source; left alone."""
    found: Mapping[Kind, int]
    repaired: Mapping[Kind, int]
    old_tombstones: int
    """Deletes that may be forgotten."""
    purged: int
    """Deletes that were forgotten."""
    cases: tuple[Case, ...]
    """Findings, as many as are listed."""
    ignored: frozenset[Kind] = frozenset()
    """Classes that are no reason for alarm."""

    @property
    def left(self) -> int:
        """Findings that nothing has mended."""
        return sum(self.found.values()) - sum(self.repaired.values())

    @property
    def alarming(self) -> bool:
        """Whether something is left that was not to be ignored."""
        return any(self.found[kind] > self.repaired[kind] for kind in KINDS if kind not in self.ignored)


def summary(report: Report) -> dict[str, Any]:
    """A report as JSON."""
    numbers = {
        name: getattr(report, name)
        for name in ("records", "products", "in_flight", "compared", "ahead", "foreign", "old_tombstones", "purged")
    }
    return {
        "collection": report.collection,
        "topic": report.topic,
        "group": report.group,
        "snapshot_ms": report.taken_ms,
        "seconds": round(report.seconds, 3),
        **numbers,
        "found": dict(report.found),
        "repaired": dict(report.repaired),
        "left": report.left,
        "findings": [_as_json(case) for case in report.cases],
    }


def render(report: Report) -> RenderableType:
    """A report as tables."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    counts = Table(box=None, pad_edge=False)
    for name in ("class", "found", "repaired", ""):
        counts.add_column(name, justify="right" if name in ("found", "repaired") else "left")
    for kind in KINDS:
        counts.add_row(kind, str(report.found[kind]), str(report.repaired[kind]), _MEANING[kind])
    parts: list[RenderableType] = [counts]
    if report.cases:
        parts += [Text(), _listed(report)]
    return Group(*parts, Text(), *(Text(line) for line in _lines(report)))


def write_metrics(report: Report, path: Path) -> None:
    """Write the figures for Prometheus; the file is there whole, or as it was before."""
    from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

    registry = CollectorRegistry()
    found = Gauge("fourtower_reconcile_findings", "Products that differ from the log.", ["class"], registry=registry)
    left = Gauge("fourtower_reconcile_left", "Of these, not repaired.", ["class"], registry=registry)
    for kind in KINDS:
        found.labels(kind).set(report.found[kind])
        left.labels(kind).set(report.found[kind] - report.repaired[kind])
    for name, help, value in (
        ("compared", "Products compared.", report.compared),
        ("in_flight", "Products whose last event was not done with.", report.in_flight),
        ("purged_tombstones", "Deletes that were forgotten.", report.purged),
        ("snapshot_seconds", "When the log was looked at, in seconds since 1970.", report.taken_ms / 1000),
    ):
        Gauge(f"fourtower_reconcile_{name}", help, registry=registry).set(value)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(path), registry)


def _listed(report: Report) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in ("product", "class", "state", "what"):
        table.add_column(name, overflow="fold")
    for case in report.cases:
        what = f"{case.message} {case.remark}" if case.state == "left" else case.message
        table.add_row(Text(_plain(case.product_id)), case.kind, case.state, Text(_plain(what)))
    return table


def _lines(report: Report) -> list[str]:
    """What the tables don't say."""
    lines = [
        f"Products compared: {report.compared:,}. Log: {report.records:,} records of {report.topic}, as the group "
        f"{report.group} has committed them. Index: {report.collection}."
    ]
    if report.in_flight:
        lines.append(f"{report.in_flight:,} products were left out, for their last event is on its way.")
    if report.ahead:
        lines.append(f"{report.ahead:,} products are newer in the index than in the log, which is no mistake.")
    if report.foreign:
        lines.append(f"{report.foreign:,} products came from elsewhere and were left alone.")
    if report.purged:
        lines.append(f"{report.purged:,} old deletes were forgotten.")
    elif report.old_tombstones:
        lines.append(f"{report.old_tombstones:,} deletes are older than the log keeps them; --repair forgets them.")
    listed, found = len(report.cases), sum(report.found.values())
    if listed < found:
        lines.append(f"{listed:,} of {found:,} findings are listed (--most).")
    lines.append("Nothing differs." if not found else f"{found:,} found, {report.left:,} left.")
    return lines


def _as_json(case: Case) -> dict[str, str]:
    named = {"product_id": case.product_id, "class": case.kind, "state": case.state, "message": case.message}
    return {**named, "remark": case.remark} if case.remark else named


def _plain(text: str) -> str:
    from fourtower_ingest.logs import plain

    return plain(text)
