"""From one Kafka record to an event: keys, null values, and where versions come from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

from fourtower_ingest.errors import MalformedEvent
from fourtower_ingest.events import Delete, Patch, Upsert
from fourtower_ingest.parsing import DEFAULT_RULES, EventRules, parse_event, shown
from fourtower_ingest.values import as_identifier, as_version

Headers = Iterable[tuple[str, bytes | None]]

VERSION_HEADER = "x-version"
"""The version of a delete that is a null value, in decimal digits."""
ORDER_HEADER = "x-order"
"""The version of a replayed record in a topic whose versions are offsets: its first offset, in decimal digits."""


class TopicRules(BaseModel):
    """What the records of a topic mean."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version_source: Literal["event", "offset"] = "event"
    """`offset`: for producers without a version; a `version` inside an event is then ignored."""
    null_value: Literal["delete", "marker"] = "delete"
    """`marker`: a null only tells the broker what to compact, and the delete came as an event before it."""
    patches: bool = True
    """Compaction may erase what a patch builds upon: a compacted topic carries none."""
    events: EventRules = DEFAULT_RULES


def read_record(
    value: bytes | None, *, key: bytes | None, headers: Headers = (), offset: int | None = None, rules: TopicRules
) -> Upsert | Patch | Delete | None:
    """Read one record; None where its rules say that it means nothing.

    Args:
        value: the event, or None for what brokers call a tombstone.
        key: the product's id; without it the order of a product's events is not defined.
        headers: as the consumer delivers them.
        offset: where the record lies; None in a topic of replays, whose records say where they first lay.
        rules: what the topic's records mean.

    Raises:
        MalformedEvent: it breaks the contract.
    """
    if key is None:
        raise MalformedEvent("no_key", "The record has no key; publish each event under its product's id.")
    if value is None and rules.null_value == "marker":
        return None
    in_log = _place(headers, offset) if rules.version_source == "offset" else None
    if value is None:
        return _delete(key, _header(headers, VERSION_HEADER) if in_log is None else in_log)
    event = parse_event(value, key=key, version=in_log, rules=rules.events)
    if isinstance(event, Patch) and not rules.patches:
        raise MalformedEvent("patch_refused", "This topic takes no patches; send the whole product.", where="op")
    return event


def _place(headers: Headers, offset: int | None) -> int:
    first = _header(headers, ORDER_HEADER)
    place = offset if first is None else first
    if place is None:
        raise MalformedEvent("no_version", f"The replayed record has no {ORDER_HEADER} header; replay it with one.")
    return place


def _delete(key: bytes, version: int | None) -> Delete:
    if version is None:
        raise MalformedEvent(
            "no_version",
            f'A null value needs its version in the header {VERSION_HEADER}; add it, or publish {{"op": "delete"}}.',
        )
    try:
        return Delete(product_id=as_identifier(key.decode("utf-8")), version=version)
    except UnicodeDecodeError as error:
        raise MalformedEvent("bad_key", f"The record's key {shown(key)} is not UTF-8.") from error
    except ValueError as error:
        raise MalformedEvent("bad_key", f"The record's key {shown(key)} {error}.") from error


def _header(headers: Headers, name: str) -> int | None:
    """A version in a header; of several the last, for headers are appended."""
    value = None
    for candidate, content in headers:
        value = content if candidate == name else value
    if value is None:
        return None
    try:
        if not value.isdigit() or len(value) > 19:
            raise ValueError("must be decimal digits, at most 19")
        return as_version(int(value))
    except ValueError as error:
        raise MalformedEvent("bad_header", f"The header {name} is {shown(value)}; it {error}.", where=name) from error
