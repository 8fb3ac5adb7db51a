"""Shows reports and their differences: tables for a terminal, a dictionary for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fourtower_search.evaluation.comparing import Difference
from fourtower_search.evaluation.measure import Report

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

_TIMES = ("p50_ms", "p95_ms", "mean_ms")


def to_dict(reports: Sequence[Report], differences: Sequence[Difference] = ()) -> dict[str, Any]:
    """Everything that the tables show, ready for JSON."""
    shown: dict[str, Any] = {"indexes": [{"name": report.name, "figures": report.figures()} for report in reports]}
    if differences:
        shown["differences"] = [
            {"kind": each.kind, "figure": each.figure, **each.interval._asdict(), "sure": each.sure}
            for each in differences
        ]
    return shown


def tables(reports: Sequence[Report], differences: Sequence[Difference] = ()) -> list[Table]:
    """A table per report, and one of the differences."""
    shown = [_figures(report) for report in reports]
    return [*shown, _differences(reports, differences)] if differences else shown


def _figures(report: Report) -> Table:
    figures = report.figures()
    columns = list(dict.fromkeys(name for row in figures.values() for name in row if name != "queries"))
    table = _table(report.name, ["queries", *columns])
    for kind, row in figures.items():
        cells = (_number(name, row[name]) if name in row else "-" for name in columns)
        table.add_row(_plain(kind), f"{row['queries']:,.0f}", *cells)
    return table


def _differences(reports: Sequence[Report], differences: Sequence[Difference]) -> Table:
    first, second = (report.name for report in reports)
    table = _table(f"{first} minus {second}", ["difference", "95 % range", "sure"])
    table.columns[0].header = "kind, figure"
    for each in differences:
        mean, low, high = (_number(each.figure, value, sign="+") for value in each.interval)
        table.add_row(_plain(f"{each.kind}, {each.figure}"), mean, f"{low} to {high}", "yes" if each.sure else "no")
    return table


def _table(title: str, columns: Sequence[str]) -> Table:
    from rich.table import Table

    table = Table("kind", title=_plain(title), title_justify="left")
    for name in columns:
        table.add_column(name, justify="right")
    return table


def _number(figure: str, value: float, *, sign: str = "") -> str:
    return format(value, f"{sign}.1f") if figure in _TIMES else format(value, f"{sign}.3f")


def _plain(text: str) -> Text:
    """A name from outside, shown as it is: no markup, and no signs that steer a terminal."""
    from rich.text import Text

    return Text("".join(sign if sign.isprintable() else "\ufffd" for sign in text))
