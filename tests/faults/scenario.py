"""What a scenario is: a stage to play on, a function that does the damage, and limits to what it may cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tests.faults.stage import Stage

Encoder = Literal["demo", "failpoints", "slow_failpoints"] | Callable[[Path], dict[str, str]]
"""The demo towers; the same with places to stop at (`failpoints`), or one that also loads
for five seconds; or a function that lays a plugin out in a folder
and gives the environment in which a worker uses it."""


@dataclass(frozen=True)
class StageSettings:
    """What stands on the stage."""

    ingesters: int = 1
    workers: int = 1
    compacted: bool = False
    partitions: int = 3
    environment: Mapping[str, str] = field(default_factory=dict)
    """Of all our processes, beside what the stage says itself."""
    milvus: Literal["lite", "server"] = "lite"
    encoder: Encoder = "demo"
    heartbeats: bool = False
    """Whether the first ingester touches `heartbeat` in the stage's folder."""
    around: Callable[[Stage], AbstractContextManager[Mapping[str, str]]] | None = None
    """What else must stand there: entered before anything starts and left when all has ended; gives more environment of
    all our processes. `stage.folder`, `stage.milvus_folder` and `stage.fetcher` are there by then."""


@dataclass(frozen=True)
class Limits:
    """What no fault excuses (I6, I7, I9)."""

    ingester_mb: float = 400
    worker_mb: float = 2_500
    """Of parent and children together."""
    growth: float = 1.3
    """By which factor a process's memory may grow between its third quarter and its last."""
    descriptors: int = 300
    """Of one process."""
    redis_keys: int = 60
    redis_mb: float = 64
    encodes: float = 1.2
    """Pictures and texts encoded, as a share of those that the log's events name."""
    search_failures: float = 0.0
    """Share of searches that may fail between fault and recovery; outside none may."""
    search_s: float = 6.0
    """The longest that a search may take, failed or not."""
    recovery_s: float = 90.0
    """From the end of the fault until all is settled."""
    repeated_letters: bool = False
    """Whether a record may have two dead letters: after an ingester or a broker was killed it may."""


@dataclass(frozen=True)
class Scenario:
    """One row of the matrix."""

    name: str
    """`F7`; variants have letters, `F10b`."""
    title: str
    """What is done, as a phrase: `Redis forgets everything under load`."""
    run: Callable[[Stage], None]
    """Publishes, does damage, mends it, and calls `stage.settle`; raises AssertionError where its own check fails."""
    events: int = 1_500
    """That `stage.messages()` gives."""
    setup: StageSettings = StageSettings()
    limits: Limits = Limits()
