"""How the status of ingestion is shown: as tables in a terminal, and as JSON."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fourtower_ingest.logs import plain
from fourtower_ingest.status import Overview
from fourtower_ingest.wire import ProcessStatus

UNKNOWN = "?"


def summary(overview: Overview) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "at": overview.at,
        "topics": {name: asdict(topic) for name, topic in overview.topics.items()},
        "dead_letters": overview.dead_letters,
        "queued": overview.queued,
        "unacked": overview.unacked,
        "ingesters": [process.model_dump(mode="json") for process in overview.of_kind("ingester")],
        "workers": [process.model_dump(mode="json") for process in overview.of_kind("worker")],
        "problems": list(overview.problems),
    }


def render(overview: Overview, before: Overview | None = None) -> RenderableType:
    """The tables of one moment; rates are taken since the moment before."""
    parts: list[RenderableType] = [Text(problem, style="bold red") for problem in overview.problems]
    parts += [_topics(overview, before), Text(_queue(overview))]
    for kind in ("ingester", "worker"):
        processes = overview.of_kind(kind)
        parts.append(_processes(kind, processes) if processes else Text(f"No {kind} is alive.", style="bold yellow"))
    return Group(*parts)


def _topics(overview: Overview, before: Overview | None) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("topic")
    for name in ("lag", "published/s", "done/s"):
        table.add_column(name, justify="right")
    for name, topic in overview.topics.items():
        earlier = before.topics.get(name) if before else None
        seconds = overview.at - before.at if before else 0.0
        published = _rate(topic.end - earlier.end, seconds) if earlier else UNKNOWN
        done = _rate(topic.committed - earlier.committed, seconds) if earlier else UNKNOWN
        table.add_row(Text(name), f"{topic.lag:,}", published, done)
    return table


def _queue(overview: Overview) -> str:
    dead, queued, unacked = map(_number, (overview.dead_letters, overview.queued, overview.unacked))
    return f"dead letters {dead}   tasks waiting {queued}   tasks with workers {unacked}"


def _processes(kind: str, processes: list[ProcessStatus]) -> Table:
    """What each process says of itself; figures only, for their names are its own."""
    table = Table(box=None, pad_edge=False)
    table.add_column(kind)
    shown = _shown_facts(processes)
    for name in shown:
        table.add_column(name.replace("_", " "), justify="right")
    table.add_column("said", justify="right")
    for process in processes:
        values = [Text(plain(_number(process.facts.get(name)))) for name in shown]
        age = max(0.0, time.time() - process.at)
        table.add_row(Text(plain(process.process)), *values, f"{age:.0f} s ago")
    return table


def _shown_facts(processes: list[ProcessStatus]) -> list[str]:
    names = dict.fromkeys(
        name for process in processes for name, value in process.facts.items() if isinstance(value, int | float | str)
    )
    return [name for name in names if any(process.facts.get(name) not in ("", None, False) for process in processes)]


def _rate(difference: int, seconds: float) -> str:
    return f"{max(0, difference) / seconds:,.0f}" if seconds > 0 else UNKNOWN


def _number(value: object) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "yes" if value is True else "no" if value is False else str(value)
