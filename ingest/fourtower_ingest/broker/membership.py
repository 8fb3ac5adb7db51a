"""Tells the owner of a group's consumer which partitions come and go, and commits what it may of those that go.

Its methods run on the client's thread, while the owner waits inside `poll`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from kafka import errors
from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.structs import TopicPartition

from fourtower_ingest.broker.fetching import CarefulConsumer
from fourtower_ingest.broker.terms import as_committed, ours
from fourtower_ingest.log import Partition

log = logging.getLogger(__name__)

Notice = Callable[[frozenset[Partition]], None]
Farewell = Callable[[frozenset[Partition]], dict[Partition, int]]
"""Answers with the offsets that may be committed."""


class Membership(AsyncConsumerRebalanceListener):  # type: ignore[misc]
    """Carries the changes of a group to callbacks."""

    def __init__(
        self,
        consumer: CarefulConsumer,
        *,
        on_assigned: Notice,
        on_revoked: Farewell,
        on_lost: Notice,
        commit_timeout_s: float,
    ) -> None:
        self._consumer = consumer
        self._on_assigned, self._on_revoked, self._on_lost = on_assigned, on_revoked, on_lost
        self._commit_timeout_s = commit_timeout_s

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Tell of new partitions."""
        self._consumer.forget(assigned)
        self._on_assigned(ours(assigned))

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Tell of partitions that go, and commit; what fails is read again by the next owner."""
        self._consumer.forget(revoked)
        offsets = self._on_revoked(ours(revoked))
        if not offsets:
            return
        try:
            await self._consumer.commit_within(as_committed(offsets), self._commit_timeout_s)
        except errors.KafkaError as error:
            log.warning("%d partitions were handed on without a last commit: %s", len(offsets), error)

    async def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        """Tell of partitions that somebody else may read already; nothing may be committed any more."""
        self._consumer.forget(lost)
        self._on_lost(ours(lost))
