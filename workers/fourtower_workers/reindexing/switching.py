"""Makes a generation live, and the one before it again: what happens is recorded first, then the alias moves.

The alias alone says what is live, and it moves in one step. A process that is killed before that step leaves a record
that means nothing yet; one that is killed after it has nothing left to do. So both can be done again at any time. Of
several processes that want to change something at once, one does after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fourtower_search.errors import IndexMismatch, InvalidQuery
from fourtower_search.index.generations import GenerationRecord, Generations, find
from fourtower_workers.reindexing.lag import Position
from fourtower_workers.reindexing.turns import Turn

TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Demands:
    """What a generation must fulfil before it may become live."""

    most_lag: int = 1000
    """Records that its group may be behind."""
    max_age: timedelta | None = timedelta(hours=24)
    """Of its verification; None: it needs none."""


@dataclass(frozen=True)
class Move:
    """What became of the alias."""

    live: GenerationRecord
    previous: int
    """The generation that was live before; 0: none."""
    moved: bool
    """False: it was live already."""


def next_of(generations: Generations, number: int | None) -> GenerationRecord:
    """The generation of a number; without one the newest, unless that is live already.

    Raises:
        InvalidQuery: there is none.
    """
    records = generations.records(timeout_s=TIMEOUT_S)
    if number is not None:
        return find(records, number, generations.alias)
    live = generations.current(timeout_s=TIMEOUT_S)
    if not records or (live is not None and records[-1].generation <= live.generation):
        raise InvalidQuery(
            f"The index {generations.alias} has no generation newer than the live one; build one with "
            f"`fourtower reindex start`, or name another by its number."
        )
    return records[-1]


def two_of(generations: Generations, number: int | None) -> tuple[GenerationRecord, GenerationRecord]:
    """The live generation, and the one to compare with it, named as for `next_of`.

    Raises:
        InvalidQuery: there is no such generation, or it is the live one.
        IndexMismatch: none is live.
    """
    live, following = live_of(generations), next_of(generations, number)
    if live.generation == following.generation:
        raise InvalidQuery(f"Generation {live.generation} is live; name another one, to be compared with it.")
    return live, following


def live_of(generations: Generations) -> GenerationRecord:
    """The live generation.

    Raises:
        IndexMismatch: there is none.
    """
    live = generations.current(timeout_s=TIMEOUT_S)
    if live is None:
        raise IndexMismatch(f"The index {generations.alias} has no live generation; make it: fourtower bootstrap")
    return live


def check_ready(record: GenerationRecord, *, at: Position, demands: Demands, now: datetime) -> None:
    """Refuse a generation that is not filled, not up to date, or not verified.

    Args:
        record: of the generation.
        at: where its group stands.
        demands: what it must fulfil.
        now: the time.

    Raises:
        IndexMismatch: it is not ready; the message says what to do.
    """
    number, seeding = record.generation, record.life.seeding
    if seeding is not None and not seeding.done:
        raise IndexMismatch(
            f"Generation {number} is not filled yet; `fourtower reindex start` goes on with it, and "
            f"`fourtower reindex status` says how far it is."
        )
    if not at.begun or at.unattended or at.lag > demands.most_lag:
        behind = f"is {at.lag:,} records behind" if at.begun else "has committed nothing"
        behind += f", and {at.unattended}" if at.unattended else ""
        raise IndexMismatch(
            f"The group of generation {number} {behind}; see that its ingester and its workers run, wait until it is "
            f"{demands.most_lag:,} records behind at most (--most-lag), and try again."
        )
    if demands.max_age is not None:
        _check_verified(record, demands.max_age, now)


def switch(generations: Generations, number: int, *, now: datetime) -> Move:
    """Make a generation live; whoever calls this has found it ready.

    Raises:
        InvalidQuery: there is no such generation.
        IndexUnavailable: another process changes generations all the time.
    """
    find(generations.records(timeout_s=TIMEOUT_S), number, generations.alias)
    with Turn(generations, f"`fourtower reindex switch {number}`") as turn:
        return _moved(generations, number, turn, now)


def before_of(generations: Generations) -> GenerationRecord:
    """The generation that a rollback goes back to.

    Raises:
        IndexMismatch: there is none, or not any more.
    """
    live = live_of(generations)
    number, previous = live.generation, live.life.previous
    if not previous:
        raise IndexMismatch(f"Generation {number} was never switched to, so there is nothing to go back to.")
    if previous > number:  # a second rollback, after one whose answer was lost, must not undo it
        raise IndexMismatch(
            f"Generation {number} is live because somebody went back to it from generation {previous}; to make that "
            f"one live again: fourtower reindex switch {previous}"
        )
    records = {record.generation: record for record in generations.records(timeout_s=TIMEOUT_S)}
    if previous not in records:
        raise IndexMismatch(
            f"Generation {previous}, which was live before generation {number}, was dropped; build it again with "
            f"`fourtower reindex start`."
        )
    return records[previous]


def rollback(generations: Generations, *, now: datetime) -> Move:
    """Make the generation live again that was so before the live one; nothing is asked of it.

    Raises:
        IndexMismatch: there is none, or not any more.
        IndexUnavailable: another process changes generations all the time.
    """
    before_of(generations)
    with Turn(generations, "`fourtower reindex rollback`") as turn:
        return _moved(generations, before_of(generations).generation, turn, now)


def amend_life(generations: Generations, record: GenerationRecord, **changes: Any) -> GenerationRecord:
    """Change what is recorded of a generation's life, and return its record."""
    life = type(record.life).model_validate({**dict(record.life), **changes})
    amended = record.model_copy(update={"life": life})
    generations.amend(amended, timeout_s=TIMEOUT_S)
    return amended


def _moved(generations: Generations, number: int, turn: Turn, now: datetime) -> Move:
    live = generations.current(timeout_s=TIMEOUT_S)
    record = find(generations.records(timeout_s=TIMEOUT_S), number, generations.alias)
    if live is not None and live.generation == number:
        return Move(live, live.life.previous, moved=False)
    previous = 0 if live is None else live.generation
    record = amend_life(generations, record, previous=previous, switched_at=now)
    turn.check()
    generations.point(number, timeout_s=TIMEOUT_S)
    return Move(record, previous, moved=True)


def _check_verified(record: GenerationRecord, max_age: timedelta, now: datetime) -> None:
    number, verification = record.generation, record.life.verification
    again = f"run `fourtower reindex verify {number}`, or switch --unverified."
    if verification is None:
        raise IndexMismatch(f"Generation {number} was never verified; {again}")
    if not verification.passed:
        missed = " ".join(verification.missed)
        raise IndexMismatch(f"Generation {number} did not pass its verification: {missed} Mend that, then {again}")
    if now - verification.at > max_age:
        raise IndexMismatch(
            f"Generation {number} was verified {_hours(now - verification.at)} ago, and {_hours(max_age)} is the most "
            f"(--max-age); {again}"
        )


def _hours(span: timedelta) -> str:
    return f"{span.total_seconds() / 3600:.1f} h"
