"""Publishes a file of catalog events: each checked by the contract, under its product's id, and acknowledged.

Bad lines are left out and reported with their number; the rest is published. A line that was published twice does no
harm: events are ordered by their versions.
"""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

from fourtower_ingest.errors import IngestError, MalformedEvent, MessageTooLarge
from fourtower_ingest.events import Patch
from fourtower_ingest.log import Place
from fourtower_ingest.parsing import parse_event
from fourtower_ingest.records import TopicRules

AHEAD = 5_000
"""Lines that were sent and are not acknowledged, at most."""
MOST_LINE_BYTES = 64 * 2**20
"""Of a line that is sent at all, checked or not."""
MOST_COMPLAINTS = 20
"""Bad lines that are kept in full; the rest is only counted."""
WAIT_S = 60.0
"""For the acknowledgement of one line; the producer gives up before."""


class Sender(Protocol):
    """What is needed of `broker.producer.LogProducer`."""

    def send(self, topic: str, *, key: bytes | None, value: bytes | None) -> Future[Place]:
        """Write one record."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """A line that was left out, and why."""

    line: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


@dataclass
class PublishReport:
    """What became of a file."""

    published: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    """Lines that were left out, by code."""
    complaints: list[Complaint] = field(default_factory=list)
    """The first of them."""
    seconds: float = 0.0

    @property
    def left_out(self) -> int:
        """Lines that were not published."""
        return self.codes.total()

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        complaints = [{"line": each.line, "code": each.code, "message": each.message} for each in self.complaints]
        return {
            "published": self.published,
            "left_out": dict(self.codes),
            "complaints": complaints,
            "seconds": round(self.seconds, 2),
        }

    def leave_out(self, line: int, code: str, message: str) -> None:
        """Note a line that was not published."""
        self.codes[code] += 1
        if len(self.complaints) < MOST_COMPLAINTS:
            self.complaints.append(Complaint(line, code, message))


class Publisher:
    """Sends the lines of a file, as many ahead of their acknowledgements as there is room for."""

    def __init__(
        self,
        sender: Sender,
        topic: str,
        *,
        rules: TopicRules,
        checked: bool = True,
        rate: float = 0.0,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Set up a publication.

        Args:
            sender: where lines go.
            topic: their topic.
            rules: what the topic's records mean.
            checked: whether lines that break the contract are left out; otherwise every line is sent as it is.
            rate: lines per second, at most; 0: as fast as it goes.
            progress: is called with the number of bytes that are acknowledged.
        """
        self._sender, self._topic = sender, topic
        self._rules, self._checked = rules, checked
        self._pace = _Pace(rate)
        self._progress = progress
        self._report = PublishReport()
        self._under_way: deque[tuple[int, int, Future[Place]]] = deque()

    def publish(self, file: BinaryIO) -> PublishReport:
        """Publish every line of a file.

        Raises:
            BrokerUnavailable: the brokers stayed away; what came before is published, and the file can be sent again.
            BrokerRefused: permissions or settings are wrong.
        """
        start = time.monotonic()
        for number, raw in enumerate(_lines(file), start=1):
            if len(raw) > MOST_LINE_BYTES:
                self._leave_out(number, raw, "too_large", f"The line has more than {MOST_LINE_BYTES:,} bytes.")
            elif raw.strip():
                self._publish(number, raw)
        self._settle(0)
        self._report.seconds = time.monotonic() - start
        return self._report

    def _publish(self, number: int, raw: bytes) -> None:
        try:
            key = self._checked_key(raw) if self._checked else self._any_key(raw)
        except MalformedEvent as error:
            self._leave_out(number, raw, error.code, str(error))
            return
        self._pace.wait()
        self._settle(AHEAD - 1)
        self._under_way.append((number, len(raw), self._sender.send(self._topic, key=key, value=raw)))

    def _leave_out(self, number: int, raw: bytes, code: str, message: str) -> None:
        self._report.leave_out(number, code, message)
        self._done(len(raw))

    def _checked_key(self, raw: bytes) -> bytes:
        # Where the order of the log decides, an event needs no version of its own.
        version = 0 if self._rules.version_source == "offset" else None
        event = parse_event(raw, version=version, rules=self._rules.events)
        if isinstance(event, Patch) and not self._rules.patches:
            raise MalformedEvent("patch_refused", f"{self._topic} takes no patches; send the whole product.")
        return event.product_id.encode()

    def _any_key(self, raw: bytes) -> bytes | None:
        """Brokers take no record without a key into a compacted topic, but one with an empty key."""
        return readable_key(raw) if self._rules.patches else readable_key(raw) or b""

    def _settle(self, most: int) -> None:
        """Take in what is acknowledged, and wait until at most so many lines are on their way."""
        while len(self._under_way) > most or (self._under_way and self._under_way[0][2].done()):
            number, size, sent = self._under_way.popleft()
            try:
                sent.result(WAIT_S)
            except MessageTooLarge as error:
                self._report.leave_out(number, "too_large", str(error))
            except IngestError as error:
                raise _of_line(error, number) from error
            else:
                self._report.published += 1
            self._done(size)

    def _done(self, size: int) -> None:
        if self._progress:
            self._progress(size + 1)


class _Pace:
    """Holds back so that a rate is kept on average, without bursts after a pause."""

    def __init__(self, rate: float) -> None:
        self._step = 1 / rate if rate > 0 else 0.0
        self._next = 0.0

    def wait(self) -> None:
        if not self._step:
            return
        now = time.monotonic()
        self._next = max(self._next, now - self._step)
        if self._next > now:
            time.sleep(self._next - now)
        self._next += self._step


def readable_key(raw: bytes) -> bytes | None:
    """The product id of a line that is not checked, if it can be made out."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    name = found.get("product_id") if isinstance(found, dict) else None
    return name.encode("utf-8", "replace") if isinstance(name, str) else None


def _of_line(error: IngestError, number: int) -> IngestError:
    """The same error, for a reader who looks at the file."""
    error.args = (f"line {number} and what follows may not have been published: {error}",)
    return error


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines without their ends; of one that is too long only the beginning is kept."""
    while raw := file.readline(MOST_LINE_BYTES + 2):
        rest = raw
        while not rest.endswith(b"\n") and (rest := file.readline(MOST_LINE_BYTES)):
            pass
        yield raw.removesuffix(b"\n").removesuffix(b"\r")
