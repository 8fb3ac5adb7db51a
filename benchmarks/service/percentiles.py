"""What callers saw: how many were answered, how fast, and what the others were told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

OK = 200


@dataclass
class Seen:
    """Of one turn; several threads add to lists of their own."""

    seconds: float
    answered_s: list[float] = field(default_factory=list)
    """How long each answer took."""
    others: Counter[int] = field(default_factory=Counter)
    """Statuses of what was not answered."""
    late_s: list[float] = field(default_factory=list)
    """How much later than planned each question was asked, where there was a plan."""

    @property
    def per_s(self) -> float:
        """Answers per second."""
        return len(self.answered_s) / self.seconds

    def to_dict(self) -> dict[str, Any]:
        """For another process, and the result file."""
        return {
            "per_s": self.per_s,
            **{f"p{share}_ms": 1000 * percentile(self.answered_s, share) for share in (50, 95, 99)},
            "answered": len(self.answered_s),
            "others": {str(status): count for status, count in sorted(self.others.items())},
            "late_p99_ms": 1000 * percentile(self.late_s, 99) if self.late_s else 0.0,
        }


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share / 100 * len(ordered)))] if ordered else 0.0
