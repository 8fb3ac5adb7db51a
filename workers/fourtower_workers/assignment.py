"""What a worker has to do, settled before its children start: settings, the generation, the model, a folder.

Parent and children share it; it travels to the children with Celery's configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fourtower_encoders.runtimes import gpu_likely
from fourtower_ingest.errors import InvalidSettings
from fourtower_ingest.settings import FlowSettings, RedisSettings
from fourtower_search.errors import IndexMismatch
from fourtower_search.index.generations import GenerationRecord, Generations
from fourtower_search.index.milvus.address import parse_address
from fourtower_search.index.opening import open_generations
from fourtower_workers.settings import WorkerSettings

CHECKPOINT = "checkpoint"
"""The encoder that is no foreign plugin."""


@dataclass(frozen=True)
class Assignment:
    """What parent and children of a worker have in common."""

    worker: WorkerSettings
    redis: RedisSettings
    visibility_timeout_s: float
    processes: int
    name: str
    """Of the worker, for reports and its status."""
    folder: Path
    """For locks, notes and counters; gone when the worker ends."""

    @property
    def lock_file(self) -> Path:
        """Held by the child that encodes."""
        return self.folder / "encoding.lock"

    @property
    def notes(self) -> Path:
        """Where children say how they are."""
        return self.folder / "children"

    @property
    def unfinished(self) -> Path:
        """Where children note what they are writing."""
        return self.folder / "unfinished"

    @property
    def counters(self) -> Path:
        """Where all processes count."""
        return self.folder / "metrics"


def processes_of(settings: WorkerSettings) -> int:
    """How many children there are."""
    if settings.processes:
        return settings.processes
    on_gpu = settings.device == "cuda" or (settings.device == "auto" and gpu_likely())
    return 2 if on_gpu else 1


def check_times(settings: WorkerSettings, flow: FlowSettings) -> None:
    """Refuse limits that work against each other.

    Raises:
        InvalidSettings: a batch could be given up elsewhere while it may still be worked on here.
    """
    if settings.time_limit_s >= flow.start_deadline_s:
        raise InvalidSettings(
            f"FOURTOWER_WORKER_TIME_LIMIT_S ({settings.time_limit_s:g}) must be below the ingester's "
            f"FOURTOWER_FLOW_START_DEADLINE_S ({flow.start_deadline_s:g}); "
            "otherwise a batch is sent again while a child is still at it."
        )


def generations_of(settings: WorkerSettings) -> Generations:
    """Connect to the index's server.

    Raises:
        InvalidSettings: the address is a file.
        IndexUnavailable: nobody answered.
    """
    address = parse_address(settings.index)
    if address.file is not None:
        raise InvalidSettings(
            f"FOURTOWER_WORKER_INDEX is the file {address.shown}, which only one process can have open; start "
            f"`milvus-lite server --data-dir FOLDER --max-workers 1` or a Milvus server, and give its address (milvus://host:19530)."
        )
    return open_generations(
        settings.index,
        alias=settings.alias,
        token=settings.token.get_secret_value(),
        ca_file=settings.ca_file,
        timeout_s=settings.open_timeout_s,
    )


def generation_of(settings: WorkerSettings, generations: Generations) -> GenerationRecord:
    """The record of the generation that a worker fills.

    Raises:
        IndexMismatch: there is none.
    """
    records = generations.records(timeout_s=settings.open_timeout_s)
    found = next((record for record in records if record.generation == settings.generation), None)
    if found is None:
        where = parse_address(settings.index).shown
        numbers = ", ".join(str(record.generation) for record in records)
        what = f"has no generation {settings.generation}; it has {numbers}" if records else "does not exist"
        raise IndexMismatch(
            f"The index {settings.alias} at {where} {what}. Make it with `fourtower bootstrap`, "
            f"or set FOURTOWER_WORKER_ALIAS and FOURTOWER_WORKER_GENERATION."
        )
    return found
