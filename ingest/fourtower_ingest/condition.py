"""How an ingester is at one moment: what its metrics, its status and its probes are made of."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fourtower_ingest.flow.stats import FlowStats
from fourtower_ingest.log import Partition
from fourtower_ingest.wire import ProcessStatus, Topology, queue_name


@dataclass(frozen=True, slots=True)
class Condition:
    """Figures of one moment; counts run from the start of the process."""

    at: float
    """By the clock that only goes forward."""
    flow: FlowStats
    lag: Mapping[Partition, int] = field(default_factory=dict)
    """Of the partitions that this process reads."""
    assigned: int = 0
    """Partitions."""
    unreadable: Mapping[Partition, str] = field(default_factory=dict)
    """Partitions that have stopped, and why."""
    records: int = 0
    """Read."""
    commits: int = 0
    failed_commits: int = 0
    letters: Mapping[str, int] = field(default_factory=dict)
    """Acknowledged dead letters, by code."""
    stable: bool = False
    """Whether the group has settled with this process in it."""
    redis_away: bool = False
    draining: bool = False


def status_of(condition: Condition, process: str, topology: Topology) -> ProcessStatus:
    """What a process says of itself to others."""
    flow = condition.flow
    facts: dict[str, Any] = {
        "queue": queue_name(topology),
        "lag": {str(partition): records for partition, records in sorted(condition.lag.items())},
        "assigned": condition.assigned,
        "unreadable": {str(partition): reason for partition, reason in sorted(condition.unreadable.items())},
        "records": condition.records,
        "waiting": flow.items_waiting,
        "in_flight": flow.items_in_flight,
        "parked": flow.items_parked,
        "retrying": flow.items_retrying,
        "held_bytes": flow.bytes_held,
        "oldest_age_s": round(flow.oldest_age_s, 1),
        "breaker": flow.breaker,
        "breaker_reason": flow.breaker_reason,
        "pausing": flow.pausing,
        "finished": _counted(flow.finished),
        "dead_letters": dict(condition.letters),
        "letters_pending": flow.letters_pending,
        "losses": flow.losses,
        "resubmissions": flow.resubmissions,
        "stable": condition.stable,
        "draining": condition.draining,
        "stop_reason": flow.stop_reason,
    }
    return ProcessStatus(kind="ingester", process=process, at=time.time(), facts=facts)


def _counted(finished: Mapping[tuple[str, str], int]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for (status, _), count in finished.items():
        counts[status] = counts.get(status, 0) + count
    return counts
