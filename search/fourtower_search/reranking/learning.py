"""Learns a re-ranker from judged lists, and measures it on queries that it has not seen."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fourtower_encoders.errors import InvalidConfig
from fourtower_encoders.joint import Calibration
from fourtower_encoders.statistics import paired_interval
from fourtower_search.reranking.features import Features
from fourtower_search.reranking.lists import JudgedList, Lists
from fourtower_search.reranking.model import Hidden, Quality, RerankModel
from fourtower_search.reranking.training import Parameters, Problem, fit

HIDDEN = 8
PENALTIES = (1.0, 0.1, 0.01, 0.001)
FIRST = 10
"""Hits that the calibration looks at."""
FEWEST = 10
"""Queries with something right among their candidates that each part of a split needs."""
_SHARES = (0.6, 0.8)
"""Up to here a query is for training, and up to there for validation; the rest measures."""
_DRAWS = 2_000


class Split(NamedTuple):
    """Lists, parted so that no photo and no text stands on two sides."""

    train: list[JudgedList]
    validation: list[JudgedList]
    held_out: list[JudgedList]


def split(lists: Sequence[JudgedList], *, seed: int = 0) -> Split:
    """Part lists by what their queries ask with.

    Raises:
        InvalidConfig: a part would be too small to say anything.
    """
    parts = Split([], [], [])
    for each in lists:
        digest = hashlib.sha256(f"{seed} {each.source}".encode(errors="surrogatepass")).digest()
        place = int.from_bytes(digest[:8]) / 2**64
        parts[sum(place >= share for share in _SHARES)].append(each)
    smallest = min(sum(each.gains.any() for each in part) for part in parts)
    if smallest < FEWEST:
        answered = sum(each.gains.any() for each in lists)
        raise InvalidConfig(
            f"Of {len(lists)} judged queries {answered} have a right answer among their candidates, and after "
            f"splitting one part has {smallest}; each needs {FEWEST}. Judge more queries, or look deeper."
        )
    return parts


@dataclass(frozen=True)
class _Attempt:
    """A fitted model and its nDCG@10 on validation."""

    model: RerankModel
    validation: float


def learn(lists: Sequence[JudgedList], features: Features, *, model_id: str, seed: int = 0) -> RerankModel:
    """Fit linear models and models with a hidden layer, keep what is best on validation, and measure that.

    The plain order is one of the choices, so the result may be no correction at all.

    Args:
        lists: of at least some hundred queries.
        features: what their tables hold.
        model_id: of the towers behind the alignments.
        seed: of the split and of the hidden layer.

    Raises:
        InvalidConfig: there are too few lists.
    """
    parts = split(lists, seed=seed)
    train, validation = Lists.of(parts.train), Lists.of(parts.validation)
    plain = _unfitted(train, features, model_id)
    attempts = [_Attempt(plain, _mean_ndcg(plain, validation))]
    problem = Problem.of(train, plain.standardised(train.table))
    for hidden in (0, HIDDEN):
        for penalty in PENALTIES:
            model = _with(plain, fit(problem, hidden=hidden, penalty=penalty, seed=seed))
            attempts.append(_Attempt(model, _mean_ndcg(model, validation)))
    best = max(attempts, key=lambda attempt: attempt.validation).model  # the first, simplest one among equals
    calibrated = best.model_copy(update={"calibration": _calibrate(best, validation)})
    return calibrated.model_copy(update={"quality": measure(calibrated, parts.held_out)})


def measure(model: RerankModel, lists: Sequence[JudgedList]) -> Quality:
    """nDCG@10 with and without the model."""
    together = Lists.of(lists)
    plain, reranked = together.ndcg(together.plain), together.ndcg(model.scores(together.plain, together.table))
    gain = paired_interval(reranked, plain, draws=_DRAWS)
    return Quality(
        queries=int(np.isfinite(plain).sum()),
        plain=float(np.nanmean(plain)),
        reranked=float(np.nanmean(reranked)),
        gain=gain.mean,
        low=gain.low,
        high=gain.high,
    )


def _mean_ndcg(model: RerankModel, lists: Lists) -> float:
    return float(np.nanmean(lists.ndcg(model.scores(lists.plain, lists.table))))


def _unfitted(train: Lists, features: Features, model_id: str) -> RerankModel:
    """The plain order, with the means and deviations of the training candidates."""
    rows = train.table[train.present]  # [N, F]
    known = np.isfinite(rows)
    counts = np.maximum(known.sum(axis=0), 1)
    means = np.where(known, rows, 0).sum(axis=0) / counts
    scales = np.sqrt(np.where(known, (rows - means) ** 2, 0).sum(axis=0) / counts)
    return RerankModel(
        model_id=model_id,
        features=features,
        means=tuple(means.tolist()),
        scales=tuple(np.where(scales > 1e-9 * (1 + np.abs(means)), scales, 1.0).tolist()),  # a constant teaches nothing
        weights=(0.0,) * rows.shape[1],
    )


def _with(plain: RerankModel, parameters: Parameters) -> RerankModel:
    hidden = None
    if "inputs" in parameters:
        hidden = Hidden(
            inputs=tuple(map(tuple, parameters["inputs"].tolist())),
            biases=tuple(parameters["biases"].tolist()),
            outputs=tuple(parameters["outputs"].tolist()),
        )
    return plain.model_copy(
        update={
            "temperature": float(np.exp(parameters["log_temperature"])),
            "weights": tuple(parameters["weights"].tolist()),
            "hidden": hidden,
        }
    )


def _calibrate(model: RerankModel, lists: Lists) -> Calibration:
    """A rising curve from the model's scores to the share of right answers among first hits like these."""
    from fourtower_encoders.query_fit import fit_logistic

    scores = model.ranked(lists.plain, lists.table)
    order = np.argsort(np.where(lists.present, -scores, np.inf), axis=1, kind="stable")[:, :FIRST]
    right = (lists.gains >= lists.ideal[:, :1]) & (lists.gains > 0)
    shown = np.take_along_axis(lists.present, order, axis=1)
    first = np.take_along_axis(scores, order, axis=1)[shown].astype(np.float32)
    curve = fit_logistic(first, np.take_along_axis(right, order, axis=1)[shown])
    return curve if curve.slope > 0 else Calibration()
