"""Each guard of convergence, switched off, makes the contract's check go red: so the contract would notice its loss."""

from __future__ import annotations

import pytest
from tests.search.index.builders import SCHEMA
from tests.search.index.oracle import DIM
from tests.search.index.test_product_index_contract import run

from fourtower_search.index import convergence, verifier
from fourtower_search.index.memory import MemoryRows

SEEDS = range(40)


def take_part_for_whole(patch):
    """A version counts as soon as any of its rows is there."""
    patch.setattr(convergence, "is_complete", lambda version: True)


def leave_old_rows(patch):
    """Rows of older versions stay."""
    patch.setattr(verifier, "outdated", lambda stored: [])


def forget_deletes(patch):
    """A delete leaves nothing, not even the memory that there was one."""

    def outdated(stored):
        deleted = stored.complete is not None and stored.complete.deleted
        return [row.key for row in stored.rows] if deleted else convergence.outdated(stored)

    patch.setattr(verifier, "outdated", outdated)


@pytest.mark.parametrize("switch_off", [take_part_for_whole, leave_old_rows, forget_deletes], ids=lambda f: f.__name__)
def test_a_guard_that_is_switched_off_is_missed(monkeypatch, switch_off):
    switch_off(monkeypatch)
    with pytest.raises(AssertionError):
        run_many()


def run_many():
    for seed in SEEDS:
        run(MemoryRows(SCHEMA, DIM), seed, workers=1)
