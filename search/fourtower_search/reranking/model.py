"""The model of the learned re-ranker: the plain score plus a small correction, as numbers that JSON holds."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, model_validator

from fourtower_encoders.config import Frozen
from fourtower_encoders.joint import Calibration
from fourtower_search.reranking.features import Features

Reals = NDArray[np.float64]
Numbers = tuple[float, ...]

MOST_HIDDEN = 64
_CERTAIN = 1e-15


class _Saved(Frozen):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Hidden(_Saved):
    """One layer of tanh units between the features and the score."""

    inputs: tuple[Numbers, ...]
    """[F, H]."""
    biases: Numbers
    """[H]."""
    outputs: Numbers
    """[H]."""


class Quality(_Saved):
    """nDCG@10 on queries that took no part in fitting, and what their number leaves uncertain."""

    queries: int
    plain: float
    reranked: float
    gain: float
    """Mean difference per query."""
    low: float
    high: float
    """95 % paired bootstrap interval of the gain."""

    @property
    def better(self) -> bool:
        """The gain is more than luck."""
        return self.low > 0


class RerankModel(_Saved):
    """`score = temperature * logit(plain score) + correction(features)`.

    Without a correction the order is the plain one, and fitting moves away from that only as far as
    validation allows.
    """

    schema_version: Literal[1] = 1
    model_id: str
    """The towers whose embeddings it was fitted on; with others its numbers mean nothing."""
    features: Features
    means: Numbers
    scales: Numbers
    temperature: float = Field(default=1.0, gt=0)
    weights: Numbers
    hidden: Hidden | None = None
    calibration: Calibration = Calibration()
    """From scores, which only order, to 0..1."""
    quality: Quality | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        width = len(self.features.names)
        sizes = {len(self.means), len(self.scales), len(self.weights)}
        if self.hidden:
            units = len(self.hidden.biases)
            if not 1 <= units <= MOST_HIDDEN or len(self.hidden.outputs) != units:
                raise ValueError(f"a hidden layer has 1 to {MOST_HIDDEN} units, each with a bias and an output")
            if any(len(row) != units for row in self.hidden.inputs):
                raise ValueError(f"each feature has one weight for each of {units} hidden units")
            sizes.add(len(self.hidden.inputs))
        if sizes != {width}:
            raise ValueError(f"there are {width} features, but numbers for {sorted(sizes)}")
        curve = self.calibration
        if min(self.scales) <= 0 or not (0 < curve.slope < np.inf and np.isfinite(curve.intercept)):
            raise ValueError("scales and the slope of the calibration are above 0, and finite")
        return self

    def standardised(self, table: Reals) -> Reals:
        """Features [..., F] with mean 0 and deviation 1; a missing one is average."""
        inputs: Reals = (table - np.array(self.means)) / np.array(self.scales)
        return np.where(np.isfinite(inputs), inputs, 0.0)

    def correction(self, inputs: Reals) -> Reals:
        """What standardised features [..., F] add to the score."""
        linear: Reals = inputs @ np.array(self.weights)
        if self.hidden is None:
            return linear
        units = np.tanh(inputs @ np.array(self.hidden.inputs) + np.array(self.hidden.biases))
        return np.asarray(linear + units @ np.array(self.hidden.outputs))

    def ranked(self, plain: Reals, table: Reals) -> Reals:
        """Scores that only order [..., C], from plain ones in 0..1 [..., C] and features [..., C, F]."""
        return np.asarray(self.temperature * logit(plain) + self.correction(self.standardised(table)))

    def scores(self, plain: Reals, table: Reals) -> Reals:
        """The same in 0..1."""
        return sigmoid(self.calibration.slope * self.ranked(plain, table) + self.calibration.intercept)


def logit(scores: Reals) -> Reals:
    """Log-odds of scores in 0..1."""
    safe = np.clip(scores, _CERTAIN, 1 - _CERTAIN)
    return np.asarray(np.log(safe) - np.log1p(-safe))


def sigmoid(values: Reals) -> Reals:
    """The inverse of `logit`, in double precision: what differed still does."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * np.clip(values, -70, 70))))
