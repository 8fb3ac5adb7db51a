"""Forgets a generation that nobody needs any more: its group, its queue, its rows; any step can be done again."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from fourtower_ingest.redis_client import answering, connect, queue_key
from fourtower_ingest.wire import ProcessStatus, Topology, queue_name
from fourtower_search.index.generations import GenerationRecord, Generations, check_droppable, find
from fourtower_workers.reindexing.groups import group_of
from fourtower_workers.reindexing.turns import Turn

if TYPE_CHECKING:
    from fourtower_ingest.broker.admin import LogAdmin
    from fourtower_ingest.settings import RedisSettings

TIMEOUT_S = 60.0
PINNED = timedelta(minutes=10)
"""For so long after a switch a client may not have noticed it, and somebody may want to go back."""


class Dropping:
    """Forgets one generation.

    Args:
        generations: of the index.
        number: of the generation.
        group: of consumers, as the settings name it.

    Raises:
        InvalidQuery: there is no such generation, or it is live.
    """

    def __init__(self, generations: Generations, number: int, *, group: str) -> None:
        records = generations.records(timeout_s=TIMEOUT_S)
        self._generations, self._live = generations, generations.current(timeout_s=TIMEOUT_S)
        self.record = find(records, number, generations.alias)
        check_droppable(self.record, self._live)
        own = group_of(self.record, group)
        others = {group_of(record, group) for record in records if record.generation != number}
        self.group = "" if own in others else own
        """The one that only this generation has."""

    def reasons_against(self, processes: Collection[ProcessStatus], *, now: datetime) -> Iterator[str]:
        """Why it should not be dropped just now; nothing if nobody seems to need it."""
        number = self.record.generation
        if was_just_live(self.record, self._live, now):
            minutes = int(PINNED.total_seconds() // 60)
            yield (
                f"Generation {number} was live less than {minutes} minutes ago, so clients may still search it, and "
                f"without it there is no way back."
            )
        for process in serving(self.record, processes):
            yield f"The {process.kind} {process.process} still fills generation {number}."

    def run(self, admin: LogAdmin, redis: RedisSettings) -> None:
        """Forget the group, the queue, and then the rows; the record goes last, so that all of it can be done again.

        Raises:
            BrokerRefused: somebody still reads as its group.
            RedisUnavailable: Redis did not answer.
            InvalidQuery: it became live meanwhile.
        """
        number = self.record.generation
        with Turn(self._generations, f"`fourtower reindex drop {number}`") as turn:
            check_droppable(self.record, self._generations.current(timeout_s=TIMEOUT_S))
            if self.group:
                admin.forget(self.group)
            forget_queue(self.record, redis)
            turn.check()
            self._generations.drop(number, timeout_s=TIMEOUT_S)


def topology_of(record: GenerationRecord) -> Topology:
    """Whose queue a generation has."""
    return Topology(alias=record.alias, generation=record.generation)


def serving(record: GenerationRecord, processes: Collection[ProcessStatus]) -> list[ProcessStatus]:
    """The processes that fill a generation."""
    queue = queue_name(topology_of(record))
    return [process for process in processes if process.facts.get("queue") == queue]


def was_just_live(record: GenerationRecord, live: GenerationRecord | None, now: datetime) -> bool:
    """Whether the live generation has taken its place only now, forwards or back."""
    if live is None or live.life.previous != record.generation or live.life.switched_at is None:
        return False
    return now - live.life.switched_at < PINNED


def forget_queue(record: GenerationRecord, redis: RedisSettings) -> None:
    """Delete the tasks that wait for workers of a generation.

    Raises:
        RedisUnavailable: Redis did not answer.
    """

    def told(where: str, error: Exception) -> str:
        return (
            f"Redis at {where} does not answer ({type(error).__name__}), so the queue of {record.collection} "
            "can't be deleted; try again when it is back."
        )

    with answering(redis, told), connect(redis) as client:
        client.delete(queue_key(redis, topology_of(record)))
