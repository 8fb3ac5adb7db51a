"""Shows how generations stand: as a table for people, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fourtower_ingest.logs import plain
from fourtower_search.index.life import Seeding, Verification
from fourtower_workers.reindexing.standing import Overview, Standing

if TYPE_CHECKING:
    from rich.console import RenderableType

UNKNOWN = "?"


def render(overview: Overview) -> RenderableType:
    """One column per generation, and below it what needs more room."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    if not overview.standings:
        return Text(f"The index {overview.alias} does not exist yet; make it with `fourtower bootstrap`.")
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for standing in overview.standings:
        table.add_column(f"generation {standing.record.generation}", overflow="fold")
    for name, values in _lines(overview):
        table.add_row(name, *(Text(plain(value)) for value in values))
    notes = [Text(plain(note)) for standing in overview.standings for note in _notes(standing)]
    problems = [Text(plain(problem)) for problem in overview.problems]
    return Group(table, *notes, *problems)


def summary(overview: Overview) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "alias": overview.alias,
        "generations": [_summary(standing) for standing in overview.standings],
        "problems": list(overview.problems),
    }


def progress(seeding: Seeding | None) -> str:
    """How far a generation is filled, in words."""
    if seeding is None:
        return "from the log alone"
    counts = [f"{seeding.copied:,} copied"] if seeding.copied or not seeding.sent else []
    counts += [f"{seeding.sent:,} encoded"] if seeding.sent else []
    counts += [f"{seeding.failed:,} refused"] if seeding.failed else []
    state = "done" if seeding.done else f"as far as {seeding.after}" if seeding.after else "not begun"
    return f"{state}: {', '.join(counts)} (from generation {seeding.source})"


def _lines(overview: Overview) -> Iterator[tuple[str, list[str]]]:
    all_of = overview.standings
    yield "state", [_state(each) for each in all_of]
    yield "collection", [each.record.collection for each in all_of]
    yield "created", [each.record.created_at.isoformat(sep=" ", timespec="seconds") for each in all_of]
    yield "model", [f"{each.record.model} ({each.record.model_id})" for each in all_of]
    yield "differs in", ["" if each.live else "\n".join(each.differs) or "nothing" for each in all_of]
    yield "products", [UNKNOWN if each.rows is None else f"{each.rows.products:,}" for each in all_of]
    yield "deletes", [UNKNOWN if each.rows is None else f"{each.rows.tombstones:,}" for each in all_of]
    yield "filled", [progress(each.record.life.seeding) for each in all_of]
    yield "group", [each.group for each in all_of]
    yield "lag", [_number(each.lag) for each in all_of]
    yield "queued tasks", [_number(each.queued) for each in all_of]
    yield "filled by", [UNKNOWN if each.processes is None else "\n".join(each.processes) or "nobody" for each in all_of]
    yield "verified", [_verified(each.record.life.verification) for each in all_of]


def _notes(standing: Standing) -> Iterator[str]:
    number, life = standing.record.generation, standing.record.life
    if life.seeding is not None:
        yield from (f"Generation {number} refused {told}" for told in life.seeding.refused)
        if life.seeding.without_pictures:
            yield f"Generation {number}: {life.seeding.without_pictures:,} products lack a picture."
    if life.verification is not None:
        yield from (f"Generation {number}: {missed}" for missed in life.verification.missed)


def _state(standing: Standing) -> str:
    life, at = standing.record.life, standing.record.life.switched_at
    since = "" if at is None else f" since {at.isoformat(sep=' ', timespec='seconds')}"
    if standing.live:
        return f"live{since}{f', before it {life.previous}' if life.previous else ''}"
    if life.seeding is not None and not life.seeding.done:
        return "being filled"
    return "not live"


def _number(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"


def _verified(verification: Verification | None) -> str:
    if verification is None:
        return "no"
    return f"{'passed' if verification.passed else 'failed'} {verification.at.isoformat(sep=' ', timespec='seconds')}"


def _summary(standing: Standing) -> dict[str, Any]:
    record = standing.record
    return {
        "generation": record.generation,
        "live": standing.live,
        "collection": record.collection,
        "created_at": record.created_at.isoformat(timespec="seconds"),
        "model": record.model,
        "model_id": record.model_id,
        "differs": list(standing.differs),
        "products": None if standing.rows is None else standing.rows.products,
        "tombstones": None if standing.rows is None else standing.rows.tombstones,
        "group": standing.group,
        "lag": standing.lag,
        "queued": standing.queued,
        "processes": None if standing.processes is None else list(standing.processes),
        **record.life.model_dump(mode="json", include={"seeding", "verification", "previous", "switched_at"}),
    }
