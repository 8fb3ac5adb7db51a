"""Remembers what the index surely holds, so that repeated and older records cost next to nothing.

Versions in the index only rise. So once a worker was certain of one, everything of that product up to it is without
effect for good, whoever sends it again: neither a lost partition nor a wiped Redis changes that. It is believed only
as long as workers report nothing that speaks against it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from hashlib import blake2b

from fourtower_ingest.events import Patch
from fourtower_ingest.flow.items import Event
from fourtower_ingest.log import Record
from fourtower_ingest.wire import EventReport

MARKS = 4
"""Records remembered of each product: where a stretch of the log comes again, it brings several versions of some."""
_RANK_BYTES = 8
_MARK_BYTES = 16


class Settled:
    """The highest certain version of each of the products heard of last, and marks of their latest settled records.

    Of one version there may be several events, among which digests decide. Those are left to the workers, who see
    more: they also mend a version whose pictures come with the repetition. Only a record that was settled itself, byte
    by byte, needs nothing in any case.

    Args:
        most: how many products; 0 remembers nothing.
        versions_in_events: a record means the same wherever it lies, so that it can be known by its bytes.
    """

    def __init__(self, most: int, *, versions_in_events: bool) -> None:
        self._most = most
        self._versions_in_events = versions_in_events
        self._known: OrderedDict[bytes, bytes] = OrderedDict()  # rank and marks in one: there may be millions

    def __len__(self) -> int:
        return len(self._known)

    def repeats(self, record: Record) -> bool:
        """Whether this very record was settled before, so that it need not even be read."""
        if record.key is None or record.value is None or not self._versions_in_events:
            return False  # a null value means what its headers say
        known = self._known.get(record.key)
        if known is None or _mark(record.value) not in known[_RANK_BYTES:]:
            return False
        self._known.move_to_end(record.key)
        return True

    def covers(self, event: Event, record: Record) -> bool:
        """Whether nothing is left to do for this event, which the record holds."""
        key = event.product_id.encode()
        known = self._known.get(key)
        if known is None or not _is_below(event, int.from_bytes(known[:_RANK_BYTES])):
            return False
        self._put(key, known[:_RANK_BYTES], _marked(known[_RANK_BYTES:], (record,)))
        return True

    def settle(self, product_id: str, events: Sequence[Event], records: Iterable[Record]) -> None:
        """Each of these events is applied or of no effect; these records hold some of them."""
        if self._most:
            key = product_id.encode()
            known = self._known.get(key, b"")
            rank = max(known[:_RANK_BYTES], *(_rank(event).to_bytes(_RANK_BYTES) for event in events))
            self._put(key, rank, _marked(known[_RANK_BYTES:], records))

    def doubt(self, product_id: str) -> None:
        """Something is wrong with this product."""
        self._known.pop(product_id.encode(), None)

    def doubt_all(self) -> None:
        """Something is wrong with the index: it may come back as another one."""
        self._known.clear()

    def _put(self, key: bytes, rank: bytes, marks: bytes) -> None:
        self._known[key] = rank + marks
        self._known.move_to_end(key)
        if len(self._known) > self._most:
            self._known.popitem(last=False)


def certain(reports: Iterable[EventReport]) -> bool:
    """Whether workers would do nothing if these events came again; a missing picture may be there by then."""
    return all(report.status != "failed" and not report.images_missing for report in reports)


def _rank(event: Event) -> int:
    """Of equal versions a delete comes last."""
    return 2 * event.version + event.deleted


def _is_below(event: Event, rank: int) -> bool:
    if isinstance(event, Patch):
        return event.version <= rank // 2
    return _rank(event) < rank or (event.deleted and _rank(event) == rank)


def _marked(marks: bytes, records: Iterable[Record]) -> bytes:
    """Marks with those of some more records, the latest first."""
    for record in records:
        if record.value is not None and (mark := _mark(record.value)) not in marks:
            marks = (mark + marks)[: MARKS * _MARK_BYTES]
    return marks


def _mark(value: bytes) -> bytes:
    return blake2b(value, digest_size=_MARK_BYTES).digest()
