"""The products that a run has to look at again, on disk: suspects, findings, and deletes that may be forgotten.

A suspect becomes a finding when a second look confirms it. A finding is `open` until it was repaired, or it turned out
that it can't be (`left`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from typing import Literal, NamedTuple, cast

from fourtower_workers.reconciling.findings import KINDS, Finding, Kind
from fourtower_workers.reconciling.workbook import Workbook

CaseState = Literal["open", "repaired", "left"]


class Case(NamedTuple):
    """A finding, and what became of it."""

    product_id: str
    kind: Kind
    message: str
    state: CaseState
    remark: str
    """Why it is left."""


class Cases:
    """What a run found out so far."""

    def __init__(self, book: Workbook) -> None:
        self._book, self._db = book, book.db

    # The first look

    def compared(
        self, suspects: Iterable[Finding], graves: Iterable[str], *, cursor: str, products: int, ahead: int
    ) -> None:
        """Note what a first look saw, and how far it has come."""
        rows = [(each.product_id, each.kind, json.dumps(sorted(each.keys))) for each in suspects]
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO suspects VALUES (?, ?, ?)", rows)
            self._db.executemany("INSERT OR REPLACE INTO graves VALUES (?)", [(name,) for name in graves])
            self._db.execute("INSERT OR REPLACE INTO notes VALUES ('cursor', ?)", (cursor,))
            self._book.add(compared=products, ahead=ahead)

    @property
    def cursor(self) -> str:
        """The id up to which everything was compared; empty before the first one."""
        return self._book.note("cursor")

    # The second look

    def suspects(self, most: int) -> list[Finding]:
        """Some products that need a second look."""
        rows = self._db.execute("SELECT product_id, kind, keys FROM suspects ORDER BY product_id LIMIT ?", (most,))
        return [Finding(name, cast(Kind, kind), "", frozenset(json.loads(keys))) for name, kind, keys in rows]

    def confirmed(self, suspects: Iterable[Finding], findings: Iterable[Finding], *, foreign: int) -> None:
        """Settle suspects: those among the findings are confirmed, the others were nothing."""
        rows = [(each.product_id, each.kind, each.message) for each in findings]
        with self._db:
            self._db.executemany("DELETE FROM suspects WHERE product_id = ?", [(each.product_id,) for each in suspects])
            self._db.executemany("INSERT OR REPLACE INTO findings VALUES (?, ?, ?, 'open', '')", rows)
            self._book.add(foreign=foreign)

    # What a product's newest records make void

    def awaits_silence(self) -> bool:
        """Whether there is something that only holds while the log says nothing new of it."""
        query = "SELECT EXISTS (SELECT 1 FROM graves) OR EXISTS (SELECT 1 FROM findings WHERE kind = 'extra')"
        return bool(self._db.execute(query).fetchone()[0])

    def forget(self, product_ids: Collection[str]) -> None:
        """Drop what was thought of products because the log had nothing new of them: now it has."""
        names = [(name,) for name in product_ids]
        with self._db:
            self._db.executemany("DELETE FROM graves WHERE product_id = ?", names)
            self._db.executemany(
                "DELETE FROM findings WHERE product_id = ? AND kind = 'extra' AND state = 'open'", names
            )

    # Afterwards

    def open(self, kinds: Collection[Kind], most: int, *, after: str = "") -> list[Case]:
        """Some findings of these kinds that nothing was done about yet, by ascending id."""
        query = (
            "SELECT * FROM findings WHERE state = 'open' AND kind IN (SELECT value FROM json_each(?)) "
            "AND product_id > ? ORDER BY product_id LIMIT ?"
        )
        rows = self._db.execute(query, (json.dumps(sorted(kinds)), after, most))
        return [Case(*row) for row in rows.fetchall()]

    def settle(self, cases: Iterable[Case]) -> None:
        """Note what became of findings."""
        with self._db:
            self._db.executemany(
                "UPDATE findings SET kind = ?, message = ?, state = ?, remark = ? WHERE product_id = ?",
                [(each.kind, each.message, each.state, each.remark, each.product_id) for each in cases],
            )

    def graves(self, most: int, *, after: str = "") -> list[str]:
        """Some products whose delete may be forgotten, by ascending id."""
        query = "SELECT product_id FROM graves WHERE product_id > ? ORDER BY product_id LIMIT ?"
        return [name for (name,) in self._db.execute(query, (after, most)).fetchall()]

    def purged(self, asked: Collection[str], purged: int) -> None:
        """Note that some deletes were looked at, and how many of them are forgotten."""
        with self._db:
            self._db.executemany("DELETE FROM graves WHERE product_id = ?", [(name,) for name in asked])
            self._book.add(purged=purged)

    def count_graves(self) -> int:
        """How many deletes may be forgotten."""
        return int(self._db.execute("SELECT count(*) FROM graves").fetchone()[0])

    def count_suspects(self) -> int:
        """How many products need a second look."""
        return int(self._db.execute("SELECT count(*) FROM suspects").fetchone()[0])

    def count(self, *states: CaseState) -> dict[Kind, int]:
        """Findings by kind, of some states or all."""
        found = dict.fromkeys(KINDS, 0)
        for kind, state, number in self._db.execute("SELECT kind, state, count(*) FROM findings GROUP BY kind, state"):
            found[kind] += number if not states or state in states else 0
        return found

    def listed(self, most: int) -> Iterator[Case]:
        """Findings, those that are not repaired first."""
        query = "SELECT * FROM findings ORDER BY state = 'repaired', kind, product_id LIMIT ?"
        yield from (Case(*row) for row in self._db.execute(query, (most,)).fetchall())
