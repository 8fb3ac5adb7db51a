"""What ingester and workers tell each other: a task on the way out, messages on the way back; all of it JSON.

A worker reports each attempt at a batch by its id, on the stream that the task names: `started` when it takes it up,
`written` when the rows are on their way, and `done` when it is certain what became of every event. The worker's
parent process reports `lost` when a child died of it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

TASK = "fourtower.index_batch"
MOST_EVENTS = 256
"""Of one task."""

Status = Literal["applied", "stale", "superseded", "failed"]
ImagePolicy = Literal["text_only", "reject"]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Topology(_Message):
    """What the ingester believes to work for; a worker of another index or topic refuses the task."""

    alias: str = "products"
    generation: int = Field(default=1, ge=1)
    topic_id: str = ""
    """Only where versions are offsets: those of another topic are no versions of the same products."""
    partition_count: int = Field(default=0, ge=0)
    """The same: with another one, a product's offsets don't grow any more."""


class IndexBatch(_Message):
    """The one argument of the task."""

    attempt: str = Field(min_length=1, max_length=64)
    """Unique among all attempts of all ingesters."""
    stream: str = Field(min_length=1, max_length=200)
    """Where to report."""
    topology: Topology = Topology()
    source: str = Field(default="", max_length=250)
    """The topic; kept with each row."""
    events: tuple[str, ...] = Field(min_length=1, max_length=MOST_EVENTS)
    """Each event as JSON; those of one product in the order of the log."""
    image_policy: ImagePolicy = "text_only"
    repair: bool = False


class EventReport(_Message):
    """What became of one event, in the order in which they were sent."""

    status: Status
    stage: str = ""
    """Of a failure: read, plan, fetch, encode, write or verify."""
    code: str = ""
    message: str = ""
    retryable: bool = False
    images_missing: int = Field(default=0, ge=0)
    """Declared pictures that could not be used."""


class Started(_Message):
    """A worker has taken the attempt up."""

    kind: Literal["started"] = "started"
    attempt: str
    worker: str = ""


class Written(_Message):
    """The worker is done with it, but what became of the events is not certain yet."""

    kind: Literal["written"] = "written"
    attempt: str


class Done(_Message):
    """It is certain what became of each event."""

    kind: Literal["done"] = "done"
    attempt: str
    reports: tuple[EventReport, ...]


class Lost(_Message):
    """The process that had taken it up is gone."""

    kind: Literal["lost"] = "lost"
    attempt: str
    reason: str = ""


Message = Annotated[Started | Written | Done | Lost, Field(discriminator="kind")]
MESSAGES: TypeAdapter[Started | Written | Done | Lost] = TypeAdapter(Message)


class ProcessStatus(_Message):
    """How a process is, as it says itself every few seconds under `status_name`; the key expires."""

    kind: Literal["ingester", "worker"]
    process: str = Field(min_length=1, max_length=200)
    at: float
    """Seconds since 1970."""
    facts: dict[str, JsonValue] = {}


STATUS_EVERY_S = 2.0
STATUS_TTL_S = 10
"""A process that said nothing for this long is gone."""


def queue_name(topology: Topology) -> str:
    """The Celery queue of a generation."""
    return f"fourtower.{topology.alias}.{topology.generation}"


def stream_name(prefix: str, ingester: str) -> str:
    """The Redis stream on which an ingester process hears of its attempts."""
    return f"{prefix}:outcomes:{ingester}"


def epoch_name(prefix: str, ingester: str) -> str:
    """The Redis counter by which an ingester process notices that Redis has forgotten something."""
    return f"{prefix}:epoch:{ingester}"


def status_name(prefix: str, process: str) -> str:
    """The Redis key under which a process says how it is; it expires."""
    return f"{prefix}:status:{process}"
