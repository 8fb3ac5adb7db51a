"""The client's consumer, taught to stop at what it can't read, to bound a commit, and to tell what it knows.

The client's own fetcher raises once when a batch is damaged or of an unknown codec; if the partition is paused at that
moment it forgets the error, and afterwards it either spins or reads on behind an iterator that is spent. So the error
is caught where it is known which partition it is about, and that partition is never fetched again until its owner
changes. While a heartbeat is overdue, the client polls without a pause, and each time leaves something behind at the
request that is under way. This leans on the inside of a client that is pinned to its minor version; tests hold it in
place.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from kafka import KafkaConsumer, errors
from kafka.consumer.fetcher import Fetcher, RecordTooLargeError
from kafka.structs import OffsetAndMetadata, TopicPartition

log = logging.getLogger(__name__)

OVERDUE_PAUSE_S = 0.02
"""Between two looks while the coordinator is late."""
MOST_FETCH_BYTES = 16 * 2**20
"""Of one answer, unless a single record is larger."""
_ABOUT_DATA = (errors.CorruptRecordError, errors.UnsupportedCodecError, RecordTooLargeError)


class Damage(NamedTuple):
    """Where a partition can't be read, and why."""

    offset: int
    error: Exception


class CarefulFetcher(Fetcher):  # type: ignore[misc]
    """A fetcher that sets a partition aside at the first record that can't be read."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.damaged: dict[TopicPartition, Damage] = {}

    def _append(self, drained: Any, part: Any, max_records: int, update_offsets: bool) -> int:
        try:
            return int(super()._append(drained, part, max_records, update_offsets))
        except Exception as error:
            self._set_aside(part.topic_partition, part.next_fetch_offset, error)
            part.drain()
            return 0

    def _parse_fetched_data(self, completed_fetch: Any) -> Any:
        partition, offset = completed_fetch.topic_partition, completed_fetch.fetched_offset
        if completed_fetch.partition_data.error_code == errors.OffsetOutOfRangeError.errno:
            log.warning("%s has no record at %d any more; reading goes on at its first one", partition, offset)
        try:
            return super()._parse_fetched_data(completed_fetch)
        except Exception as error:
            if isinstance(error, errors.KafkaError) and not _is_about_data(error):
                raise
            self._set_aside(partition, offset, error)
            return None

    def _set_aside(self, partition: TopicPartition, offset: int, error: Exception) -> None:
        if self._subscriptions.is_assigned(partition):
            self._subscriptions.pause(partition)
            self.damaged[partition] = Damage(offset, error)


def _is_about_data(error: errors.KafkaError) -> bool:
    # The bare class says that a fetch brought bytes, but not one whole batch.
    return isinstance(error, _ABOUT_DATA) or type(error) is errors.KafkaError


class CarefulConsumer(KafkaConsumer):  # type: ignore[misc]
    """A consumer with a careful fetcher."""

    def __init__(self, **options: Any) -> None:
        super().__init__(metrics_enabled=False, **options)
        self._fetcher = CarefulFetcher(self._client, self._subscription, metrics=None, **self.config)
        self.acknowledged: dict[TopicPartition, int] = {}
        """The highest offset of each partition whose commit the broker has acknowledged."""

    def _poll_once(self, timer: Any, max_records: int, update_offsets: bool = True) -> Any:
        records = super()._poll_once(timer, max_records, update_offsets=update_offsets)
        if not records and self._coordinator.time_to_next_poll() <= 0 and not timer.expired:
            time.sleep(OVERDUE_PAUSE_S)
        return records

    @property
    def damaged(self) -> dict[TopicPartition, Damage]:
        """Partitions that were set aside."""
        found: dict[TopicPartition, Damage] = self._fetcher.damaged
        return found

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Know nothing more of partitions that have come or gone."""
        for partition in partitions:
            self.damaged.pop(partition, None)
            self.acknowledged.pop(partition, None)

    def known_positions(self) -> dict[TopicPartition, int]:
        """The next offset to be delivered of each partition that has one; asks nobody."""
        positions = self._subscription.all_consumed_offsets()
        return {partition: position.offset for partition, position in positions.items()}

    def known_ends(self) -> dict[TopicPartition, int]:
        """The end of each partition as of its last fetch; asks nobody."""
        states = dict(self._subscription.assignment)
        return {partition: state.highwater for partition, state in states.items() if state.highwater is not None}

    def pause_assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """Pause those that are (still) assigned."""
        self.pause(*(self.assignment() & set(partitions)))

    def resume_assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """Resume those that are (still) assigned."""
        self.resume(*(self.assignment() & set(partitions)))

    async def commit_within(self, offsets: Mapping[TopicPartition, OffsetAndMetadata], timeout_s: float) -> None:
        """Commit from a rebalance listener, on the client's own thread, where nothing may block.

        Raises:
            KafkaError: it failed, or was not acknowledged in time.
        """
        await self._manager.wait_for(self.commit_async(offsets), timeout_s * 1000)


def reading_options(max_record_bytes: int) -> dict[str, Any]:
    """What every consumer of ours is made with: it never skips, commits or creates by itself."""
    return {
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "allow_auto_create_topics": False,
        "fetch_max_bytes": max(MOST_FETCH_BYTES, max_record_bytes),
        "max_partition_fetch_bytes": max(2**20, max_record_bytes),
        "fetch_max_wait_ms": 250,
    }
