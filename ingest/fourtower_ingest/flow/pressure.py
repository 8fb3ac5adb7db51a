"""Back-pressure: from the limits on, nothing more is read until a good part of what is held is done."""

from __future__ import annotations

from fourtower_ingest.settings import FlowSettings

LOW_WATER = 0.75
"""Share of every limit below which reading goes on."""


class Pressure:
    """Remembers on which side of the limits the flow was last."""

    def __init__(self, settings: FlowSettings) -> None:
        self._settings = settings
        self._high = False

    def update(self, *, records: int, size: int, span: int, age_s: float) -> bool:
        """Whether nothing more should be read.

        Args:
            records: held.
            size: bytes that they have.
            span: offsets between the first record that is not done and the last one read.
            age_s: how long the oldest record has been held.
        """
        limits = self._settings
        fullest = max(
            records / limits.most_items,
            size / limits.most_bytes,
            span / limits.most_span,
            age_s / limits.most_age_s,
        )
        self._high = fullest > (LOW_WATER if self._high else 1.0) or (not self._high and fullest == 1.0)
        return self._high
