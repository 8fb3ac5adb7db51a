"""Gathers how every generation stands: its rows, how far it is filled, its group's lag, its queue, who fills it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from fourtower_ingest.errors import IngestError
from fourtower_search.errors import SearchError
from fourtower_search.index.generations import GenerationRecord, Generations
from fourtower_search.index.opening import open_generation
from fourtower_workers.reindexing.dropping import serving, topology_of
from fourtower_workers.reindexing.groups import group_of
from fourtower_workers.reindexing.lag import position_of
from fourtower_workers.reindexing.planning import differences

if TYPE_CHECKING:
    from fourtower_ingest.broker.admin import LogAdmin
    from fourtower_ingest.settings import IngestSettings
    from fourtower_ingest.wire import ProcessStatus, Topology

TIMEOUT_S = 30.0


class Rows(NamedTuple):
    """What a generation holds."""

    products: int
    tombstones: int


@dataclass(frozen=True)
class Standing:
    """How one generation stands; None is what could not be found out."""

    record: GenerationRecord
    live: bool
    differs: tuple[str, ...]
    """In what, from the live one."""
    group: str
    rows: Rows | None = None
    lag: int | None = None
    """Records that its group is behind."""
    queued: int | None = None
    """Tasks that wait for its workers."""
    processes: tuple[str, ...] | None = None
    """Who says that it fills it."""


@dataclass(frozen=True)
class Overview:
    """How all generations stand at one moment."""

    alias: str
    standings: tuple[Standing, ...]
    problems: tuple[str, ...] = ()
    """What could not be asked."""


class Streaming(Protocol):
    """What Kafka and Redis know."""

    def lag(self, group: str) -> int | None:
        """Records that a group is behind."""
        ...

    def queued(self, topology: Topology) -> int | None:
        """Tasks that wait for the workers of a generation."""
        ...

    def processes(self) -> Collection[ProcessStatus] | None:
        """All processes that said something within the last seconds."""
        ...


def look(generations: Generations, streaming: Streaming, *, group: str) -> Overview:
    """How all generations stand now; `group` is that of the settings.

    Raises:
        IndexUnavailable: the index did not answer.
    """
    live = generations.current(timeout_s=TIMEOUT_S)
    records = generations.records(timeout_s=TIMEOUT_S)
    processes = streaming.processes()
    problems: list[str] = []
    standings = []
    for record in records:
        own = group_of(record, group)
        standings.append(
            Standing(
                record=record,
                live=live is not None and record.generation == live.generation,
                differs=tuple(differences(live, record)) if live is not None else (),
                group=own,
                rows=_rows(generations, record, problems),
                lag=streaming.lag(own),
                queued=streaming.queued(topology_of(record)),
                processes=None if processes is None else _names(record, processes),
            )
        )
    return Overview(generations.alias, tuple(standings), tuple(problems))


def _rows(generations: Generations, record: GenerationRecord, problems: list[str]) -> Rows | None:
    try:
        with open_generation(generations, record, timeout_s=TIMEOUT_S) as index:
            found = index.stats(timeout_s=TIMEOUT_S)
    except SearchError as error:
        problems.append(str(error))
        return None
    return Rows(found.products, found.tombstones)


def _names(record: GenerationRecord, processes: Collection[ProcessStatus]) -> tuple[str, ...]:
    return tuple(f"{process.kind} {process.process}" for process in serving(record, processes))


@dataclass
class Services:
    """Kafka and Redis as they are reached; what does not answer is asked once, and named among the problems."""

    settings: IngestSettings
    problems: list[str] = field(default_factory=list)
    _admin: LogAdmin | None = None
    _away: set[str] = field(default_factory=set)

    def lag(self, group: str) -> int | None:
        """Records that a group is behind."""
        if "kafka" in self._away:
            return None
        try:
            return self._lag(group)
        except IngestError as error:
            self._failed("kafka", str(error))
            return None

    def queued(self, topology: Topology) -> int | None:
        """Tasks that wait for the workers of a generation."""
        from fourtower_ingest.status import queued_in

        if "redis" in self._away:
            return None
        try:
            return queued_in(self.settings.redis, topology)
        except IngestError as error:
            self._failed("redis", str(error))
            return None

    def processes(self) -> Sequence[ProcessStatus] | None:
        """All processes that said something within the last seconds."""
        from fourtower_ingest.status import processes_in

        try:
            return processes_in(self.settings.redis)
        except IngestError as error:
            self._failed("redis", str(error))
            return None

    def close(self) -> None:
        """Give up the connection."""
        if self._admin is not None:
            self._admin.close()

    def _lag(self, group: str) -> int:
        from fourtower_ingest.broker.admin import LogAdmin

        self._admin = self._admin or LogAdmin(self.settings.kafka)
        return position_of(self._admin, self.settings.topics.read, group).lag

    def _failed(self, service: str, problem: str) -> None:
        self._away.add(service)
        self.problems.append(problem)
