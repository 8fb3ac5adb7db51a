"""Structured logs of the processes: one line per message, for people or as JSON, with the place of the event in it.

No payload is ever logged, and nothing from outside can break a line or steer a terminal.

    log = logging.getLogger("fourtower.ingest")
    log.warning("Set aside", extra=fields(place=place, product_id="p1", code="invalid"))
"""

from __future__ import annotations

import json
import logging
import sys
import time
import unicodedata
from typing import Any, Literal, TextIO

from fourtower_ingest.log import Place, Record

ROOT = "fourtower"
"""The logger that all of ours descend from."""
MOST_TEXT = 1_000
"""Characters of one field."""
NOISY = ("kafka", "kombu", "amqp", "redis")
"""Libraries that report at length what we say in one sentence."""


def fields(*, place: Place | None = None, product_id: str | None = None, **others: Any) -> dict[str, Any]:
    """What a message carries beside its text, for `extra`."""
    found: dict[str, Any] = {}
    if product_id is not None:
        found["product_id"] = product_id
    if place is not None:
        found |= {"topic": place.partition.topic, "partition": place.partition.number, "offset": place.offset}
    return {"fields": {**found, **others}}


def record_fields(record: Record, **others: Any) -> dict[str, Any]:
    """What a message about one record carries; its key names the product."""
    product_id = None if record.key is None else record.key[:200].decode("utf-8", "replace")
    return fields(place=record.place, product_id=product_id, **others)


def set_up_logs(
    form: Literal["pretty", "json"] = "pretty", level: str = "INFO", *, process: str = "", stream: TextIO | None = None
) -> None:
    """Send all logs of this process to stderr, in one form; what was set up before is replaced."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines(process) if form == "json" else Pretty())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(ROOT).setLevel(level)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING if level == "DEBUG" else logging.CRITICAL)


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, process: str = "") -> None:
        super().__init__()
        self._process = {"process": process} if process else {}

    def format(self, record: logging.LogRecord) -> str:
        """Render a message; values that are no JSON become text."""
        line = {
            "time": _instant(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": plain(record.getMessage()),
            **self._process,
            **_fields_of(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class Pretty(logging.Formatter):
    """Time, level, text, and the fields behind it."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a message on one line; a traceback follows on lines of its own."""
        extra = "".join(f"  {name}={value}" for name, value in _fields_of(record).items())
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        line = f"{clock} {record.levelname:<7} {plain(record.getMessage())}{extra}"
        return line if not record.exc_info else f"{line}\n{self.formatException(record.exc_info)}"


def plain(text: str) -> str:
    """A text on one line, of bounded length, without anything that a terminal obeys."""
    safe = "".join(" " if unicodedata.category(character) in _UNSAFE else character for character in text[:MOST_TEXT])
    return safe if len(text) <= MOST_TEXT else f"{safe}..."


_UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _fields_of(record: logging.LogRecord) -> dict[str, Any]:
    found = getattr(record, "fields", {})
    return {name: plain(value) if isinstance(value, str) else value for name, value in found.items()}


def _instant(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"
