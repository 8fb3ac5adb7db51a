"""Records how far a generation is and what its verification came to; what others recorded meanwhile stays."""

from __future__ import annotations

from fourtower_search.index.generations import GenerationRecord, Generations, find
from fourtower_search.index.life import Seeding, Verification
from fourtower_workers.reindexing.switching import TIMEOUT_S, amend_life
from fourtower_workers.reindexing.turns import Turn


def record_verification(generations: Generations, number: int, verification: Verification) -> GenerationRecord:
    """Record what a verification came to.

    Raises:
        InvalidQuery: the generation was dropped meanwhile.
        IndexUnavailable: another process changes generations all the time.
    """
    with Turn(generations, f"`fourtower reindex verify {number}`"):
        return amend_life(generations, _now(generations, number), verification=verification)


def record_seeding(generations: Generations, number: int, seeding: Seeding) -> GenerationRecord:
    """Record how far a generation is filled, unless another process that fills it has come farther.

    Raises:
        InvalidQuery: the generation was dropped meanwhile.
        IndexUnavailable: another process changes generations all the time.
    """
    with Turn(generations, f"`fourtower reindex start`, which fills generation {number}"):
        record = _now(generations, number)
        before = record.life.seeding
        if before is not None and (before.done, before.after) > (seeding.done, seeding.after):
            return record
        return amend_life(generations, record, seeding=seeding)


def _now(generations: Generations, number: int) -> GenerationRecord:
    return find(generations.records(timeout_s=TIMEOUT_S), number, generations.alias)
