"""How sure a figure is: exact paired tests, bootstrap intervals, and what a new seed may give."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fourtower_encoders.errors import InvalidConfig

_MOST_PAIRS = 20
_CELLS_AT_ONCE = 1 << 20


class Interval(NamedTuple):
    """A figure and the range that it may reasonably have had."""

    mean: float
    low: float
    high: float


def sign_flip_p(differences: Sequence[float]) -> float:
    """Two-sided p-value that paired differences are symmetric about zero, over all 2^n sign patterns.

    It asks nothing of the distribution; n pairs can't go below 2 / 2^n.

    Raises:
        InvalidConfig: there are no pairs, too many for all patterns, or one is not finite.
    """
    values = np.asarray(differences, dtype=np.float64)
    if not 1 <= values.size <= _MOST_PAIRS:
        raise InvalidConfig(
            f"An exact sign-flip test needs 1 to {_MOST_PAIRS} pairs, not {values.size}; use paired_interval for more."
        )
    if not np.isfinite(values).all():
        raise InvalidConfig("A paired difference is not finite; leave out the seed that it comes from.")
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])  # doubles to [2^n]
    # Sums that are equal on paper differ by rounding, so the observed one is compared with a hair of slack.
    observed = abs(values.sum()) - 1e-9 * np.abs(values).sum()
    return float(np.mean(np.abs(sums) >= observed))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjust p-values for having tested several things, so that any wrong claim stays at the level (Holm)."""
    adjusted: dict[str, float] = {}
    highest = 0.0
    for step, name in enumerate(sorted(p_values, key=lambda key: p_values[key])):
        highest = max(highest, min(1.0, (len(p_values) - step) * p_values[name]))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}


def bootstrap_interval(values: ArrayLike, *, draws: int = 10_000, confidence: float = 0.95, seed: int = 0) -> Interval:
    """Percentile interval of a mean over seeds and queries.

    Each draw takes seeds with replacement, then queries with replacement. All seeds of a draw see the
    same queries, as all seeds are tested on the same queries: drawing anew for each seed would average
    the luck of the test set away and give intervals that are too narrow.

    Args:
        values: One value per seed and query, shape [S, Q] or [Q]; NaN where a query has no value.
        draws: How many resamples.
        confidence: Share of the draws that the interval holds.
        seed: Of the resampling.
    """
    table = np.atleast_2d(np.asarray(values, dtype=np.float64))
    known = np.isfinite(table)
    if table.ndim != 2 or not known.any():
        raise InvalidConfig(f"A bootstrap needs values of shape [seeds, queries], not {np.shape(values)} or only NaN.")
    filled = np.where(known, table, 0.0)
    means = _resampled_means(filled, known, draws=draws, random=np.random.default_rng(seed))
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(means, [tail, 1 - tail])
    return Interval(float(filled.sum() / known.sum()), float(low), float(high))


def paired_interval(
    left: ArrayLike, right: ArrayLike, *, draws: int = 10_000, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Bootstrap interval of the mean of `left - right`, both [S, Q] on the same seeds and queries."""
    first, second = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if first.shape != second.shape:
        raise InvalidConfig(f"Pairs need equal shapes, not {first.shape} and {second.shape}.")
    return bootstrap_interval(first - second, draws=draws, confidence=confidence, seed=seed)


def prediction_interval(figures: Sequence[float], *, confidence: float = 0.95) -> Interval:
    """Where one more seed's figure will fall, given those of n seeds (normal, t with n - 1 degrees)."""
    values = np.asarray(figures, dtype=np.float64)
    if values.size < 2 or not np.isfinite(values).all():
        raise InvalidConfig("A prediction interval needs the finite figures of at least two seeds.")
    mean, deviation = float(values.mean()), float(values.std(ddof=1))
    quantile = t_quantile((1 + confidence) / 2, degrees=values.size - 1)
    half = quantile * deviation * math.sqrt(1 + 1 / values.size)
    return Interval(mean, mean - half, mean + half)


def t_quantile(probability: float, *, degrees: int) -> float:
    """The upper quantile of Student's t: the value that a draw stays below with this probability."""
    if not (0.5 <= probability < 1.0 and degrees >= 1):
        raise InvalidConfig(f"No t quantile for probability {probability} and {degrees} degrees of freedom.")
    low, high = 0.0, 1.0
    while _t_cdf(high, degrees) < probability:
        high *= 2
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if _t_cdf(middle, degrees) < probability else (low, middle)
    return (low + high) / 2


def _t_cdf(value: float, degrees: int) -> float:
    """P(T < value) for value >= 0; whole degrees of freedom have a finite trigonometric series."""
    angle = math.atan2(value, math.sqrt(degrees))
    squared = math.cos(angle) ** 2
    odd = degrees % 2
    term = math.cos(angle) if odd else 1.0
    total = term if degrees > 1 else 0.0
    for step in range(3 if odd else 2, degrees - 1, 2):
        term *= squared * (step - 1) / step
        total += term
    within = 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total
    return (1 + within) / 2


def _resampled_means(
    filled: NDArray[np.float64], known: NDArray[np.bool_], *, draws: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """Means [draws] over resampled seeds and queries of [S, Q]."""
    seeds, queries = filled.shape
    step = max(1, _CELLS_AT_ONCE // queries)
    means = []
    for start in range(0, draws, step):
        count = min(step, draws - start)
        by_seed = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=count)  # how often each is taken, [C, S]
        taken = random.integers(queries, size=(count, queries))  # [C, Q]
        totals = np.take_along_axis(by_seed @ filled, taken, axis=1).sum(axis=1)
        counts = np.take_along_axis(by_seed @ known.astype(np.float64), taken, axis=1).sum(axis=1)
        means.append(np.divide(totals, counts, out=np.full(count, np.nan), where=counts > 0))
    return np.concatenate(means)
