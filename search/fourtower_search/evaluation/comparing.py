"""Compares two reports on the same queries, and says which differences are more than luck of the queries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fourtower_encoders.errors import InvalidConfig
from fourtower_encoders.metrics import Array
from fourtower_encoders.statistics import Interval, paired_interval
from fourtower_search.evaluation.measure import Report

MEAN_MS = "mean_ms"
DRAWS = 2_000


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of the first report minus that of the second, over the queries where both have one."""

    kind: str
    figure: str
    interval: Interval
    """The mean difference, and the range (95 %) that other queries of the sort might have given."""

    @property
    def sure(self) -> bool:
        """The whole range lies on one side of zero."""
        return self.interval.low > 0 or self.interval.high < 0


def compare(first: Report, second: Report, *, draws: int = DRAWS, seed: int = 0) -> list[Difference]:
    """All differences, by kind of query and figure, each with a paired bootstrap interval over queries.

    Each interval is right on its own; of twenty differences of nothing, one will look sure.

    Raises:
        InvalidConfig: the reports are not of the same queries.
    """
    if (first.query_ids, first.kinds) != (second.query_ids, second.kinds):
        raise InvalidConfig("Two reports are compared query by query; measure both with the same judgments.")
    return [
        Difference(kind, figure, paired_interval(left[some], right[some], draws=draws, seed=seed))
        for kind, some in first.places().items()
        for figure, (left, right) in _paired(first, second).items()
        if np.isfinite(left[some] - right[some]).any()
    ]


def _paired(first: Report, second: Report) -> dict[str, tuple[Array, Array]]:
    figures = {name: (first.values[name], second.values[name]) for name in first.values if name in second.values}
    return {**figures, MEAN_MS: (first.milliseconds.astype(np.float32), second.milliseconds.astype(np.float32))}
