"""What can be said of a flow at one moment, for metrics and logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from fourtower_ingest.log import Place

Breaking = Literal["closed", "open", "half_open"]
DROPPED = "dropped"
"""What becomes of a record that can't be indexed where no dead letters are written."""


class Finished(NamedTuple):
    """A record whose offset is done."""

    place: Place
    product_id: str
    """Empty where the record could not be read."""
    status: str
    """Applied, stale, superseded, marker, dead_letter, or dropped where no dead letters are written."""
    code: str
    """Of a dead letter, or of what was dropped."""
    timestamp_ms: int
    """When the record was published."""


@dataclass(frozen=True, slots=True)
class FlowStats:
    """Figures of one moment; counts of events run from the start of the process."""

    items_waiting: int = 0
    items_in_flight: int = 0
    items_parked: int = 0
    """Patches that wait for the product that they change."""
    items_retrying: int = 0
    """Failed for the moment, and waiting to be sent again."""
    batches_in_flight: int = 0
    records_held: int = 0
    bytes_held: int = 0
    oldest_age_s: float = 0.0
    breaker: Breaking = "closed"
    breaker_reason: str = ""
    """Why it is not closed."""
    pausing: bool = False
    letters_pending: int = 0
    """Not acknowledged by the dead-letter topic yet."""
    finished: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Records by (status, code), as in `Finished`."""
    failures: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Reports of failed events by (stage, code), those included that were tried again."""
    images_missing: int = 0
    losses: int = 0
    """Attempts that a worker was lost over."""
    resubmissions: int = 0
    """Attempts that were replaced without counting as a loss."""
    stop_reason: str = ""
