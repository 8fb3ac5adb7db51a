"""Where a run keeps what it found out: one SQLite file, so that memory does not grow with the catalog.

Everything that belongs together is written in one transaction: a process that is killed loses the last moments, never
the agreement between what was read and how far.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from fourtower_ingest.errors import InvalidSettings

FILE = "reconcile.sqlite"
FORMAT = 1
"""Of the file; another one is begun anew."""
_TABLES = """
CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE counts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE progress (topic TEXT, number INTEGER, next INTEGER NOT NULL, PRIMARY KEY (topic, number)) WITHOUT ROWID;
CREATE TABLE letters (topic TEXT, number INTEGER, place INTEGER, PRIMARY KEY (topic, number, place)) WITHOUT ROWID;
CREATE TABLE lettered (product_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE products (
  product_id TEXT PRIMARY KEY, events TEXT NOT NULL, settled INTEGER NOT NULL, last_ms INTEGER NOT NULL
);
CREATE TABLE suspects (product_id TEXT PRIMARY KEY, kind TEXT NOT NULL, keys TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE findings (
  product_id TEXT PRIMARY KEY, kind TEXT NOT NULL, message TEXT NOT NULL, state TEXT NOT NULL, remark TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE graves (product_id TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class Workbook:
    """An open file; one process at a time.

    Args:
        folder: where it lies and stays; None is a temporary folder that goes with it.

    Raises:
        InvalidSettings: the folder can't be used, or another process uses it.
    """

    def __init__(self, folder: Path | None) -> None:
        self._temporary = folder is None
        self._folder = Path(tempfile.mkdtemp(prefix="fourtower-reconcile-")) if folder is None else folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._path = self._folder / FILE
        with self._readable():
            self.db = self._opened()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; a temporary one is gone then."""
        self.db.close()
        if self._temporary:
            shutil.rmtree(self._folder, ignore_errors=True)

    def begin(self) -> None:
        """Forget everything."""
        names = self.db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        drops = "".join(f'DROP TABLE "{name}";\n' for (name,) in names)
        self.db.executescript(f"BEGIN;\n{drops}{_TABLES}PRAGMA user_version = {FORMAT};\nCOMMIT;")

    def note(self, name: str) -> str:
        """What was written down under a name; empty if nothing was."""
        found = self.db.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return str(found[0]) if found else ""

    def write(self, **notes: str) -> None:
        """Write something down."""
        with self.db:
            self.db.executemany("INSERT OR REPLACE INTO notes VALUES (?, ?)", notes.items())

    def count(self, name: str) -> int:
        """What was counted under a name."""
        found = self.db.execute("SELECT value FROM counts WHERE name = ?", (name,)).fetchone()
        return int(found[0]) if found else 0

    def add(self, **counts: int) -> None:
        """Count on, inside the caller's transaction."""
        self.db.executemany(
            "INSERT INTO counts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
            counts.items(),
        )

    def _opened(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=0)
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {'OFF' if self._temporary else 'NORMAL'}")
        with db:
            db.execute("BEGIN EXCLUSIVE")
        self.db = db
        if db.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
            self.begin()
        return db

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if "locked" in str(error):
                raise InvalidSettings(
                    f"Another `fourtower reconcile` uses {self._path}; wait, or name a folder."
                ) from error
            raise InvalidSettings(
                f"{self._path} can't be used ({error}); delete it, or name another folder."
            ) from error
