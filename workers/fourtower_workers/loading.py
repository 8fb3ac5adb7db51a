"""Loads a file of catalog events into an index, without a stream: bad lines are set aside, a second run is cheap.

Loading again, or going on after an interruption, encodes nothing that is in the index already: every event is
compared with what is stored.
"""

from __future__ import annotations

import base64
import json
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Self, TextIO

from fourtower_ingest.errors import MalformedEvent
from fourtower_ingest.events import Patch
from fourtower_ingest.parsing import DEFAULT_RULES, EventRules, parse_event
from fourtower_search.errors import IndexUnavailable
from fourtower_workers.decisions import Event
from fourtower_workers.indexing import Indexer
from fourtower_workers.outcomes import EventOutcome, Indexing

BATCH = 128
AHEAD = 4
"""Batches that are being written while the next one is encoded."""
TRIES = 5
"""Of a batch while the index is away; the pauses between them take some 15 seconds together."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the file."""

    number: int
    raw: bytes


@dataclass
class LoadReport:
    """What became of a file."""

    lines: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    """Events by status."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Lines that were set aside, by code."""
    first_rejected: str = ""
    pictures: Counter[str] = field(default_factory=Counter)
    """Pictures that could not be used, by sentence."""
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "lines": self.lines,
            "outcomes": dict(self.outcomes),
            "rejected": dict(self.rejected),
            "pictures_missing": self.pictures.total(),
            "seconds": round(self.seconds, 2),
        }


class Rejects:
    """A file of lines that could not be indexed, made when there is a first one; each with its reason."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        self.path.unlink(missing_ok=True)  # of an earlier run: every line is judged anew
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, line: Line, code: str, message: str) -> None:
        """Set a line aside, its bytes unchanged."""
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8")
        reason = {"line": line.number, "code": code, "message": message}
        self._file.write(json.dumps({**reason, **_raw(line.raw)}, ensure_ascii=False) + "\n")
        self._file.flush()


class Loader:
    """Sends the events of a file to an indexer, some batches ahead of the index."""

    def __init__(
        self,
        indexer: Indexer,
        rejects: Rejects,
        *,
        rules: EventRules = DEFAULT_RULES,
        batch: int = BATCH,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Set up a load; `progress` is called with the number of bytes that are done."""
        self._indexer, self._rejects, self._rules, self._batch = indexer, rejects, rules, batch
        self._progress = progress
        self._report = LoadReport()
        self._under_way: deque[tuple[list[tuple[Line, Event]], Indexing]] = deque()

    def load(self, file: BinaryIO) -> LoadReport:
        """Index every event of a file of JSON lines, in their order.

        Raises:
            IndexUnavailable: the index stayed away; what was done is in it, and the file can be loaded again.
        """
        start = time.monotonic()
        pending: list[tuple[Line, Event]] = []
        for line in _lines(file, self._rules.max_bytes):
            event = self._parsed(line)
            if event is not None:
                pending.append((line, event))
            if len(pending) == self._batch:
                self._send(pending)
                pending = []
            if self._progress:
                self._progress(len(line.raw) + 1)
        if pending:
            self._send(pending)
        self._settle(0)
        self._report.seconds = time.monotonic() - start
        return self._report

    def _parsed(self, line: Line) -> Event | None:
        if not line.raw.strip():
            return None
        self._report.lines += 1
        try:
            return parse_event(line.raw, rules=self._rules)
        except MalformedEvent as error:
            self._set_aside(line, error.code, str(error))
            return None

    def _send(self, events: list[tuple[Line, Event]]) -> None:
        # A patch applies to what is stored, so all that came before must be.
        self._settle(0 if any(isinstance(event, Patch) for _, event in events) else AHEAD - 1)
        self._under_way.append((events, self._submitted([event for _, event in events])))

    def _submitted(self, events: list[Event]) -> Indexing:
        for attempt in range(TRIES):
            try:
                return self._indexer.submit(self._indexer.prepare(events))
            except IndexUnavailable as error:
                if attempt == TRIES - 1:
                    raise
                time.sleep(_pause(attempt, error))
        raise AssertionError("the last attempt returns or raises")

    def _settle(self, most: int) -> None:
        """Wait until at most so many batches are under way."""
        while len(self._under_way) > most:
            events, indexing = self._under_way.popleft()
            outcomes = indexing.verified.result()
            again = [n for n, outcome in enumerate(outcomes) if _may_pass(outcome)]
            for n, outcome in zip(again, self._tried_again([events[n][1] for n in again], outcomes), strict=True):
                outcomes[n] = outcome
            for (line, _), outcome in zip(events, outcomes, strict=True):
                self._note(line, outcome)

    def _tried_again(self, events: list[Event], failed: list[EventOutcome]) -> list[EventOutcome]:
        """Events whose write failed for the moment; those that fail to the end fail the load."""
        for attempt in range(TRIES - 1):
            if not events:
                return []
            time.sleep(_pause(attempt, None))
            outcomes = self._submitted(events).verified.result()
            if not any(map(_may_pass, outcomes)):
                return outcomes
        if not events:
            return []
        reason = next(outcome.message for outcome in (*outcomes, *failed) if _may_pass(outcome))
        raise IndexUnavailable(f"{len(events)} products could not be written in {TRIES} attempts: {reason}")

    def _note(self, line: Line, outcome: EventOutcome) -> None:
        self._report.outcomes[outcome.status] += 1
        for problem in outcome.images:
            self._report.pictures[problem.message] += 1
        if outcome.status == "failed":
            self._set_aside(line, outcome.code, outcome.message)

    def _set_aside(self, line: Line, code: str, message: str) -> None:
        self._report.rejected[code] += 1
        self._report.first_rejected = self._report.first_rejected or f"line {line.number}: {message}"
        self._rejects.add(line, code, message)


def _lines(file: BinaryIO, max_bytes: int) -> Iterator[Line]:
    """Lines with their numbers; one that is too long is cut just behind the limit, so that it is refused."""
    number = 0
    while raw := file.readline(max_bytes + 2):
        number += 1
        rest = raw
        while not rest.endswith(b"\n") and (rest := file.readline(max_bytes)):
            pass
        yield Line(number, raw.removesuffix(b"\n").removesuffix(b"\r"))


def _raw(raw: bytes) -> dict[str, str]:
    try:
        return {"event": raw.decode()}
    except UnicodeDecodeError:
        return {"event_base64": base64.b64encode(raw).decode()}


def _may_pass(outcome: EventOutcome) -> bool:
    """Whether trying again may help; a patch of nothing would wait for what only another event can bring."""
    return outcome.retryable and outcome.code != "no_base"


def _pause(attempt: int, error: IndexUnavailable | None) -> float:
    """Seconds before the next attempt, longer each time, never the same for two processes."""
    least = error.retry_after_s if error else 0.5
    return float((least + 2.0**attempt) * random.uniform(0.5, 1.0))
