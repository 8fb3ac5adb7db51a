"""Shows dead letters: as a table, as one letter in full, and as JSON."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fourtower_ingest.dead_letters import DeadLetter, one_line
from fourtower_ingest.log import Place
from fourtower_ingest.replaying import Planned, product_of

if TYPE_CHECKING:
    from rich.table import Table


def letter_table(letters: Sequence[DeadLetter], replayed: Collection[Place]) -> Table:
    """Letters, one a line."""
    from rich.markup import escape
    from rich.table import Table

    lines = Table(expand=True)
    for name in ("letter", "died", "product", "stage", "code"):
        lines.add_column(name, no_wrap=True, overflow="ellipsis")
    lines.add_column("message", no_wrap=True, overflow="ellipsis", ratio=1)
    for letter in letters:
        mark = " (replayed)" if letter.place in replayed else ""
        texts = (product_of(letter.record), letter.stage, letter.code + mark, letter.message)
        lines.add_row(short_place(letter.place), moment(letter.died_ms), *(escape(one_line(text)) for text in texts))
    return lines


def plan_table(planned: Sequence[Planned]) -> Table:
    """What would become of each letter."""
    from rich.markup import escape
    from rich.table import Table

    lines = Table(expand=True)
    for name in ("letter", "product", "code", "verdict"):
        lines.add_column(name, no_wrap=True, overflow="ellipsis")
    lines.add_column("reason", no_wrap=True, overflow="ellipsis", ratio=1)
    for letter, verdict, reason in planned:
        texts = (product_of(letter.record), letter.code, verdict, reason)
        lines.add_row(short_place(letter.place), *(escape(one_line(text)) for text in texts))
    return lines


def counted_codes(letters: Sequence[DeadLetter]) -> str:
    """How many letters there are of each code, as one line of text."""
    counts = Counter(letter.code or "unknown" for letter in letters)
    return ", ".join(f"{count} {one_line(code)}" for code, count in counts.most_common())


def letter_lines(letter: DeadLetter, *, replayed: bool) -> list[str]:
    """One letter in full, for a terminal."""
    record = letter.record
    facts = {**summary(letter, replayed=replayed), "headers": ", ".join(_header(*header) for header in record.headers)}
    lines = [
        f"{name.replace('_', ' '):10}{one_line(str(value))}" for name, value in facts.items() if value not in ("", 0)
    ]
    return [*lines, "", *_pretty(record.value)]


def summary(letter: DeadLetter, *, replayed: bool) -> dict[str, Any]:
    """What is known about a letter, without the event, for JSON."""
    return {
        "letter": short_place(letter.place),
        "died": moment(letter.died_ms),
        "product": product_of(letter.record),
        "stage": letter.stage,
        "code": letter.code,
        "message": letter.message,
        "attempts": letter.attempts,
        "origin": str(letter.origin or ""),
        "published": moment(letter.record.timestamp_ms),
        "version": letter.app_version,
        "cut_from": letter.cut_from,
        "replayed": replayed,
    }


def in_full(letter: DeadLetter, *, replayed: bool) -> dict[str, Any]:
    """A letter with key, headers and event, for JSON; what is not UTF-8 is given in base64."""
    record = letter.record
    headers = [{"name": name, **_encoded("value", value)} for name, value in record.headers]
    content = {**_encoded("key", record.key), "headers": headers, **_encoded("event", record.value)}
    return {**summary(letter, replayed=replayed), **content}


def planned_summary(planned: Planned) -> dict[str, Any]:
    """A letter of a plan, for JSON."""
    letter = planned.letter
    about = {"letter": short_place(letter.place), "product": product_of(letter.record), "code": letter.code}
    return {**about, "verdict": planned.verdict, "reason": planned.reason}


def short_place(place: Place) -> str:
    """Where a letter lies, as `fourtower dlq show` takes it."""
    return f"{place.partition.number}@{place.offset}"


def moment(time_ms: int) -> str:
    """A point in time in UTC, to the second; empty if it is not known."""
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="seconds") if time_ms > 0 else ""
    except (OverflowError, ValueError):
        return ""  # a garbled header may name a time that no calendar has


def _encoded(name: str, value: bytes | None) -> dict[str, str | None]:
    try:
        return {name: None if value is None else value.decode("utf-8")}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(value or b"").decode()}


def _header(name: str, value: bytes | None) -> str:
    return f"{name}={(value or b'').decode('utf-8', 'replace')}"


def _pretty(value: bytes | None) -> list[str]:
    """The event for reading: indented where it is JSON."""
    if value is None:
        return ["(a null value)"]
    text = value.decode("utf-8", "replace")
    with suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    whole = text.encode("utf-8", "replace").decode()  # JSON may name halves of characters, which can't be printed
    return [one_line(line, most=10_000) for line in whole.split("\n")]
