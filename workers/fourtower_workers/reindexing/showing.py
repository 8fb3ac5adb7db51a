"""Shows a verification and a switch: as a table and sentences for people, as JSON for machines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fourtower_search.index.generations import GenerationRecord
from fourtower_workers.reindexing.switching import Move
from fourtower_workers.reindexing.verifying import Figure, Findings

if TYPE_CHECKING:
    from rich.console import RenderableType


def summary(findings: Findings, *, live: int, following: int) -> dict[str, Any]:
    """A verification as JSON."""
    shown: dict[str, Any] = {
        "generation": following,
        "live": live,
        "passed": findings.passed,
        "figures": [_as_json(figure) for figure in findings.figures],
    }
    if findings.pairing is not None:
        shown["differences"] = dict(findings.pairing.examples)
    if findings.log is not None:
        shown["unlike_the_log"] = {case.product_id: case.kind for case in findings.log.cases if _counts(case, findings)}
    if findings.relevance is not None:
        shown["relevance"] = findings.relevance.difference._asdict()
    return shown


def render(findings: Findings, *, live: int, following: int) -> RenderableType:
    """A verification as a table."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in ("", f"live ({live})", f"next ({following})", "threshold", "ok"):
        table.add_column(name, justify="right" if name and name != "ok" else "left")
    for each in findings.figures:
        ok = "" if each.bound is None and each.ok else "yes" if each.ok else "NO"
        table.add_row(each.name, _number(each.live), _number(each.following), _bound(each), ok)
    return Group(table, Text(), *(Text(_plain(line)) for line in _lines(findings, following)))


def advice(move: Move, *, alias: str, groups: Mapping[int, str]) -> Iterator[str]:
    """What became of the alias, and what to do now; `groups` are those of the generations that exist."""
    number, previous = move.live.generation, move.previous
    if not move.moved:
        yield f"Generation {number} of {alias} is live already; nothing was changed."
        return
    yield f"Generation {number} of {alias} ({move.live.collection}) is live. Clients load its model, then follow."
    if previous not in groups:
        return
    yield ""
    yield "Start its ingester anew so that it writes dead letters, then the other one so that it writes none any more:"
    yield f"  fourtower ingest --generation {number} --group {groups[number]} --dead-letters"
    yield f"  fourtower ingest --generation {previous} --group {groups[previous]} --no-dead-letters"
    if previous < number:
        yield f"As long as ingester and worker of generation {previous} run, it stays up to date, and you can go back:"
        yield "  fourtower reindex rollback"
        yield "When nobody will want it back, end both, and forget it:"
        yield f"  fourtower reindex drop {previous}"
    else:
        yield f"Generation {previous} is kept; make it live again, or forget it:"
        yield f"  fourtower reindex switch {previous}"
        yield f"  fourtower reindex drop {previous}"


def move_summary(move: Move) -> dict[str, Any]:
    """A move as JSON."""
    return {
        "live": move.live.generation,
        "collection": move.live.collection,
        "previous": move.previous,
        "moved": move.moved,
    }


def behind_warning(record: GenerationRecord, lag: int) -> str:
    """For who makes a generation live that does not receive updates."""
    return (
        f"Generation {record.generation} is {lag:,} records behind; start its ingester and its worker, or searches go "
        f"on finding what was."
    )


def _lines(findings: Findings, following: int) -> Iterator[str]:
    yield from (figure.missed for figure in findings.figures if figure.missed)
    if findings.pairing is not None and findings.pairing.examples:
        yield "For example: " + ", ".join(f"{name} ({kind})" for name, kind in findings.pairing.examples.items())
    if findings.log is not None:
        for case in findings.log.cases:
            if _counts(case, findings):
                yield f"{case.product_id}: {case.message}"
    if findings.relevance is not None:
        mean, low, high = findings.relevance.difference
        queries = findings.relevance.queries
        yield f"On {queries:,} judged queries it differs by {mean:+.4f}, 95 % range {low:+.4f} to {high:+.4f}."
    if findings.passed:
        yield f"Generation {following} passes; make it live: fourtower reindex switch {following}"
    else:
        yield f"Generation {following} does not pass."


def _counts(case: Any, findings: Findings) -> bool:
    return findings.log is not None and case.kind not in findings.log.ignored


def _as_json(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name,
        "live": figure.live,
        "next": figure.following,
        "threshold": figure.bound,
        "ok": figure.ok,
    }


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) != 1 else f"{value:.3f}"


def _bound(figure: Figure) -> str:
    if figure.bound is None:
        return ""
    return f"{'>=' if figure.side == 'least' else '<='} {_number(figure.bound)}"


def _plain(text: str) -> str:
    from fourtower_ingest.logs import plain

    return plain(text)
