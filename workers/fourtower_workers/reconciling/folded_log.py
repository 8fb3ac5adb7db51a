"""What the log says of each product, folded and kept on disk together with how far the log was read."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from fourtower_ingest.events import Delete, Patch, Upsert
from fourtower_ingest.folding import State, apply
from fourtower_ingest.log import Partition, Place
from fourtower_ingest.parsing import EventRules, parse_event
from fourtower_workers.reconciling.findings import Folded
from fourtower_workers.reconciling.workbook import Workbook

PAGE = 1_000
_RULES = EventRules(max_bytes=2**31)
"""What was accepted once is read back whatever its size."""


class Entry(NamedTuple):
    """One record of the log, as far as it concerns a product."""

    product_id: str
    event: Upsert | Patch | Delete | None
    """None: it was refused, set aside, or means nothing; but the log does know the product."""
    settled: bool
    timestamp_ms: int


class FoldedLog:
    """One row per product, and one per partition that says where to read on."""

    def __init__(self, book: Workbook) -> None:
        self._book, self._db = book, book.db

    def take(self, entries: Collection[Entry], progress: Mapping[Partition, int], *, records: int) -> None:
        """Add records in the order of the log, and note how far it has been read."""
        folded = folded_with(self.get({entry.product_id for entry in entries}), entries)
        rows = [(name, _written(each), int(each.settled), each.last_ms) for name, each in folded.items()]
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO products VALUES (?, ?, ?, ?)", rows)
            places = [(*partition, offset) for partition, offset in progress.items()]
            self._db.executemany("INSERT OR REPLACE INTO progress VALUES (?, ?, ?)", places)
            self._book.add(records=records)

    def progress(self) -> dict[Partition, int]:
        """The offset of each partition from which to read on."""
        found = self._db.execute("SELECT topic, number, next FROM progress")
        return {Partition(topic, number): offset for topic, number, offset in found}

    def get(self, product_ids: Iterable[str]) -> dict[str, Folded]:
        """What is known of some products; those of which nothing is are left out."""
        query = "SELECT events, settled, last_ms FROM products WHERE product_id = ?"
        found = ((name, self._db.execute(query, (name,)).fetchone()) for name in product_ids)
        return {name: _read(*row) for name, row in found if row is not None}

    def iterate(self, *, after: str = "") -> Iterator[tuple[str, Folded]]:
        """Every product above an id, by ascending id; others may be written meanwhile."""
        query = "SELECT * FROM products WHERE product_id > ? ORDER BY product_id LIMIT ?"
        rows = self._db.execute(query, (after, PAGE)).fetchall()
        while rows:
            yield from ((name, _read(*row)) for name, *row in rows)
            rows = self._db.execute(query, (rows[-1][0], PAGE)).fetchall()

    def counts(self) -> tuple[int, int]:
        """How many products there are, and how many of them have events that the group is not done with."""
        products, settled = self._db.execute("SELECT count(*), coalesce(sum(settled), 0) FROM products").fetchone()
        return products, products - settled

    # Dead letters

    def set_aside(self, letters: Iterable[tuple[Place | None, str]]) -> None:
        """Remember records that are dead letters, by their place, and the products that they are about."""
        with self._db:
            self._db.execute("DELETE FROM letters")
            self._db.execute("DELETE FROM lettered")
            for origin, product_id in letters:
                self._db.execute("INSERT OR IGNORE INTO lettered VALUES (?)", (product_id,))
                if origin is not None:
                    row = (*origin.partition, origin.offset)
                    self._db.execute("INSERT OR IGNORE INTO letters VALUES (?, ?, ?)", row)

    def is_set_aside(self, place: Place) -> bool:
        """Whether a record is a dead letter."""
        query = "SELECT 1 FROM letters WHERE topic = ? AND number = ? AND place = ?"
        return self._db.execute(query, (*place.partition, place.offset)).fetchone() is not None

    def has_letters(self, product_id: str) -> bool:
        """Whether a dead letter is about a product; it may be replayed some day."""
        query = "SELECT 1 FROM lettered WHERE product_id = ?"
        return self._db.execute(query, (product_id,)).fetchone() is not None


def folded_with(known: Mapping[str, Folded], entries: Iterable[Entry]) -> dict[str, Folded]:
    """What is known of products after some more records."""
    found = dict(known)
    for entry in entries:
        before = found.get(entry.product_id, Folded())
        found[entry.product_id] = Folded(
            before.state if entry.event is None else apply(before.state, entry.event),
            before.settled and (entry.settled or entry.event is None),
            max(before.last_ms, entry.timestamp_ms),
        )
    return found


def _written(folded: Folded) -> str:
    return json.dumps([event.to_json().decode() for event in folded.events])


def _read(events: str, settled: int, last_ms: int) -> Folded:
    found = [parse_event(event.encode(), rules=_RULES) for event in json.loads(events)]
    full = next((event for event in found if not isinstance(event, Patch)), None)
    waiting = tuple(event for event in found if isinstance(event, Patch))
    return Folded(State(full, waiting), bool(settled), last_ms)
