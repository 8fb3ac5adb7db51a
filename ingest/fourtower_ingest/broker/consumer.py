"""Reads topics as a member of a group: delivers records, commits offsets, and stops at what can't be read."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from kafka import errors
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.structs import MemberState, OffsetAndMetadata, TopicPartition

from fourtower_ingest.broker.admin import missing_topic
from fourtower_ingest.broker.connection import connected, translated
from fourtower_ingest.broker.fetching import CarefulConsumer, Damage, reading_options
from fourtower_ingest.broker.membership import Farewell, Membership, Notice
from fourtower_ingest.broker.terms import as_committed, as_record, as_unreadable, our_offsets, ours
from fourtower_ingest.errors import IngestError
from fourtower_ingest.log import Partition, Record
from fourtower_ingest.settings import KafkaSettings

log = logging.getLogger(__name__)

REVOKE_COMMIT_S = 5.0
"""How long partitions that go may wait for their last commit."""


class LogConsumer:
    """A member of a group. One per process, used by one thread, never made before a fork."""

    def __init__(self, consumer: CarefulConsumer, kafka: KafkaSettings) -> None:
        self._consumer, self._kafka = consumer, kafka
        self._told: dict[TopicPartition, Damage] = {}
        self.failed_commits = 0
        """Asynchronous commits that were not acknowledged, since the start."""

    @classmethod
    def join(
        cls,
        kafka: KafkaSettings,
        topics: Sequence[str],
        *,
        group: str,
        on_assigned: Notice,
        on_revoked: Farewell,
        on_lost: Notice,
        instance: str = "",
        session_timeout_s: float = 45.0,
        max_record_bytes: int = 2**20,
    ) -> Self:
        """Become a member; partitions come with the first calls of `poll`.

        Args:
            kafka: how to reach the brokers.
            topics: what to read; they must exist.
            group: whose committed offsets to go on from; without one, from the first record.
            on_assigned: is told of new partitions, before any of their records.
            on_revoked: is told of partitions that go, and answers with the offsets to commit.
            on_lost: is told of partitions that are gone; nothing can be committed for them.
            instance: a name that the process keeps across restarts; the group then waits for it to come back.
            session_timeout_s: how long the group waits for a member that is silent.
            max_record_bytes: of the largest record to expect.

        Raises:
            BrokerUnavailable: no broker answered in time.
            BrokerRefused: credentials, permissions or settings are wrong.
            TopicMismatch: there is no such topic.
        """
        consumer = connected(
            CarefulConsumer,
            kafka,
            **reading_options(max_record_bytes),
            group_id=group,
            group_instance_id=instance or None,
            session_timeout_ms=round(session_timeout_s * 1000),
            heartbeat_interval_ms=round(min(3.0, session_timeout_s / 3) * 1000),
            partition_assignment_strategy=[CooperativeStickyAssignor()],
        )
        membership = Membership(
            consumer,
            on_assigned=on_assigned,
            on_revoked=on_revoked,
            on_lost=on_lost,
            commit_timeout_s=min(REVOKE_COMMIT_S, kafka.request_timeout_s),
        )
        consumer.subscribe(topics=list(topics), listener=membership)
        try:
            _await_topics(consumer, topics, kafka)
        except BaseException:
            consumer.close(autocommit=False, timeout_ms=1000)
            raise
        return cls(consumer, kafka)

    def poll(self, timeout_s: float, most: int = 500) -> list[Record]:
        """The next records, those of a partition in their order; none if none came in time.

        Raises:
            BrokerUnavailable: go on polling.
            BrokerRefused: permissions or settings are wrong, or another process has this instance's name.
            PartitionUnreadable: that partition has stopped; go on polling for the others. Raised once.
        """
        self._raise_unreadable()
        try:
            with translated(self._kafka, "reading"):
                found = self._consumer.poll(timeout_ms=max(0, round(timeout_s * 1000)), max_records=most)
        except IngestError as error:
            raise _own_failure(error) from error.__cause__
        if not found:
            self._raise_unreadable()
        return [as_record(record) for records in found.values() for record in records]

    def positions(self) -> dict[Partition, int]:
        """The next offset to be delivered of every assigned partition that has one."""
        return our_offsets(self._consumer.known_positions())

    def pause(self, partitions: Iterable[Partition]) -> None:
        """Deliver nothing of these until they are resumed; what is not assigned is left out."""
        self._consumer.pause_assigned(TopicPartition(*partition) for partition in partitions)

    def resume(self, partitions: Iterable[Partition]) -> None:
        """Deliver again; a partition that can't be read stays where it is."""
        damaged = self._consumer.damaged
        wanted = (TopicPartition(*partition) for partition in partitions)
        self._consumer.resume_assigned(partition for partition in wanted if partition not in damaged)

    def unreadable(self) -> frozenset[Partition]:
        """Assigned partitions that have stopped because they can't be read."""
        return ours(self._consumer.damaged)

    def commit_later(self, offsets: Mapping[Partition, int]) -> None:
        """Send a commit and return; `acknowledged` tells when it arrived.

        A failure is logged and counted: the caller commits again at its next tick, for offsets only rise.

        Raises:
            BrokerRefused: another process has this instance's name.
        """
        if offsets:
            with translated(self._kafka, "committing"):
                self._consumer.commit_async(as_committed(offsets), self._note_commit)

    def commit(self, offsets: Mapping[Partition, int], timeout_s: float) -> None:
        """Commit and wait for it.

        Raises:
            BrokerUnavailable: it was not acknowledged in time, or these partitions are no longer ours.
            BrokerRefused: permissions or settings are wrong.
        """
        if not offsets:
            return
        wanted = as_committed(offsets)
        with translated(self._kafka, "committing"):
            self._consumer.commit(wanted, timeout_ms=round(timeout_s * 1000))
        self._note_acknowledged(wanted)

    def acknowledged(self) -> dict[Partition, int]:
        """The highest offsets whose commits the broker has acknowledged, of what is assigned."""
        assigned = ours(self._consumer.assignment())
        known = our_offsets(dict(self._consumer.acknowledged))
        return {partition: offset for partition, offset in known.items() if partition in assigned}

    def lag(self) -> dict[Partition, int]:
        """Records behind the end as of the last fetch, of every partition of which that is known; asks nobody."""
        ends = our_offsets(self._consumer.known_ends())
        positions = self.positions()
        return {part: max(0, ends[part] - offset) for part, offset in positions.items() if part in ends}

    def stable(self) -> bool:
        """Whether the group has settled and this process is a member of it."""
        return bool(self._consumer.group_metadata().state == MemberState.STABLE)

    def close(self, timeout_s: float) -> None:
        """Leave; a member with an instance name doesn't, so that the group waits for it to come back."""
        with translated(self._kafka, "leaving the group"):
            self._consumer.close(autocommit=False, timeout_ms=round(timeout_s * 1000))

    def _raise_unreadable(self) -> None:
        """Tell once of each partition that has stopped."""
        damaged = dict(self._consumer.damaged)
        self._told = {partition: damage for partition, damage in self._told.items() if damaged.get(partition) is damage}
        for partition, damage in damaged.items():
            if partition not in self._told:
                self._told[partition] = damage
                raise as_unreadable(partition, *damage)

    def _note_commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata], outcome: Any) -> None:
        if isinstance(outcome, Exception):
            self.failed_commits += 1
            log.warning("A commit of %d partitions was not acknowledged: %s", len(offsets), outcome)
        else:
            self._note_acknowledged(offsets)

    def _note_acknowledged(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        known = self._consumer.acknowledged
        for partition, committed in offsets.items():
            known[partition] = max(committed.offset, known.get(partition, 0))  # told of in any order


def _await_topics(consumer: CarefulConsumer, topics: Sequence[str], kafka: KafkaSettings) -> None:
    """Know the topics before joining: a member that leads the group would otherwise hand out nothing for minutes."""
    with translated(kafka, "looking for topics"):
        for topic in topics:
            if not consumer.partitions_for_topic(topic):
                raise missing_topic(topic, kafka)


def _own_failure(error: IngestError) -> Exception:
    """What a callback of ours raised during a rebalance, or the error as it is."""
    cause = error.__cause__.__cause__ if error.__cause__ else None
    if isinstance(cause, Exception) and not isinstance(cause, errors.KafkaError):
        return cause
    return error
