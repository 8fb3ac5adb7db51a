"""Fits, on validation data, the few numbers of `query.json` and the role means of a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fourtower_encoders.config import ROLES, Role
from fourtower_encoders.fit_data import Bools, FitData
from fourtower_encoders.joint import (
    Array,
    Calibration,
    QueryKind,
    QueryParams,
    Weights,
    product_rows,
    query_vectors,
)

RATIOS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""Tried weights of the second half of a product against the first."""
KAPPAS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
HIDDEN_SHARE = 0.2
"""Share of products that lose a half while κ is fitted."""
DEPTH = 10


def role_means(data: FitData) -> dict[Role, Array]:
    """The mean embedding [D] of each role, zero for a role without any; products without image don't count."""
    means: dict[Role, Array] = {role: _mean(data.role(role)) for role in ROLES}
    means["product_image"] = _mean(data.product_image[data.has_image])
    return means


def fit(train: FitData, val: FitData, *, seed: int = 0) -> tuple[dict[Role, Array], QueryParams]:
    """Choose means on the training split, everything else on the validation split.

    Centring is kept only where it does not lower the validation nDCG of photo and word queries.
    """
    means = role_means(train)
    without: dict[Role, Array] = {role: np.zeros_like(means[role]) for role in ROLES}
    candidates = [(given, fit_params(val.centred(given), seed=seed)) for given in (means, without)]
    centred, plain = (quality(val.centred(given), params) for given, params in candidates)
    return candidates[0] if centred >= plain else candidates[1]


def fit_params(data: FitData, *, seed: int = 0) -> QueryParams:
    """Fit weights, then κ with these weights, then calibrations with both."""
    params = QueryParams(fitted=True, weights=_fit_weights(data))
    hidden = np.random.default_rng(seed).random(len(data.has_image)) < HIDDEN_SHARE
    for half in ("image", "text"):
        options = [params.model_copy(update={f"kappa_{half}": kappa}) for kappa in KAPPAS]
        scores = [quality(data, option, hidden=hidden, half=half) for option in options]
        params = options[int(np.argmax(scores))]  # the first, smallest κ among equals
    kinds: tuple[QueryKind, ...] = ("image", "text", "mixed")
    return params.model_copy(update={"calibration": {kind: _calibrate(data, params, kind) for kind in kinds}})


def quality(data: FitData, params: QueryParams, *, hidden: Bools | None = None, half: str = "image") -> float:
    """Mean nDCG@10 of photo queries and of word queries, optionally with halves of products hidden."""
    rows = _rows(data, params, hidden=hidden, half=half)
    photo = ndcg(query_vectors(data.query_image, None, params.weights) @ rows.T, _owned(data))
    if not len(data.query_text):
        return photo
    return (photo + ndcg(query_vectors(None, data.query_text, params.weights) @ rows.T, data.answers)) / 2


def ndcg(scores: Array, relevant: Bools) -> float:
    """Mean nDCG@10 of scores [Q, N] against binary relevance; queries without an answer don't count."""
    depth = min(DEPTH, scores.shape[1])
    top = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
    discount = 1 / np.log2(np.arange(2, depth + 2))
    gain = np.take_along_axis(relevant, top, axis=1) @ discount
    ideal = np.cumsum(discount)[np.minimum(relevant.sum(axis=1), depth) - 1]
    answered = relevant.any(axis=1)
    return float(np.mean(gain[answered] / ideal[answered])) if answered.any() else 0.0


def _fit_weights(data: FitData) -> Weights:
    """The best ratio within each query modality, each pair scaled to scores of standard deviation 1."""
    image, text = data.product_image, data.product_text
    ii, it = _fit_pair(data.query_image @ image.T, data.query_image @ text.T, _owned(data), data.has_image)
    if not len(data.query_text):
        return Weights(ii=ii, it=it, ti=ii, tt=ii)
    # Words are compared with the product's text first; `ratio` then says what the picture adds.
    tt, ti = _fit_pair(data.query_text @ text.T, data.query_text @ image.T, data.answers, data.has_image)
    return Weights(ii=ii, it=it, ti=ti, tt=tt)


def _fit_pair(first: Array, second: Array, relevant: Bools, complete: Bools) -> tuple[float, float]:
    """Weights of two alignments [Q, N]; only complete products tell, if there are any."""
    complete = complete if complete.any() else np.ones_like(complete)
    first, second, relevant = first[:, complete], second[:, complete], relevant[:, complete]
    ratio = _best(RATIOS, lambda r: ndcg(first + r * second, relevant))
    deviation = max(float(np.std(first + ratio * second)), 1e-6)
    return 1 / deviation, ratio / deviation


def _best(options: Sequence[float], score: Callable[[float], float]) -> float:
    return max(options, key=score)


def _rows(data: FitData, params: QueryParams, *, hidden: Bools | None = None, half: str = "image") -> Array:
    has_image, has_text = data.has_image, np.ones(len(data.has_image), dtype=bool)
    if hidden is not None:
        has_image = has_image & ~hidden if half == "image" else has_image
        has_text = has_text & ~hidden if half == "text" else has_text
    # A product that would lose its only half keeps it.
    has_text = has_text | ~has_image
    return product_rows(data.product_image, data.product_text, params, has_image=has_image, has_text=has_text)


def _owned(data: FitData) -> Bools:
    """Which product a photo shows, [Q, N]."""
    return np.equal(np.arange(len(data.has_image)), data.owner[:, None])


def _calibrate(data: FitData, params: QueryParams, kind: QueryKind) -> Calibration:
    """A logistic curve that tells right from wrong among the top hits of the queries of one kind."""
    rows = _rows(data, params)
    tops = [_top(queries @ rows.T, relevant) for queries, relevant in _queries(data, params.weights, kind)]
    scores, labels = (np.concatenate(parts) for parts in zip(*tops, strict=True))
    return fit_logistic(scores, labels)


def _queries(data: FitData, weights: Weights, kind: QueryKind) -> list[tuple[Array, Bools]]:
    """Query vectors [Q, 2 D] of one kind and which products answer them [Q, N]."""
    if kind == "text":
        return [(query_vectors(None, data.query_text, weights), data.answers)]
    if kind == "image" or not len(data.query_text):
        return [(query_vectors(data.query_image, None, weights), _owned(data))]
    # The photo with the first short query that its product answers: words that say what is seen.
    first = data.answers[:, data.owner].T.argmax(axis=1)  # [Q]
    agreeing = query_vectors(data.query_image, data.query_text[first], weights), _owned(data) & data.answers[first]
    if data.composed is None:
        return [agreeing]
    # And words that ask for something else: their right answers score lower, and must not all look irrelevant.
    differing = query_vectors(data.composed.image, data.composed.text, weights), data.composed.relevant
    return [agreeing, differing]


def _top(scores: Array, relevant: Bools) -> tuple[Array, Bools]:
    """The best hits' scores and whether they are right, flat."""
    top = np.argsort(-scores, axis=1, kind="stable")[:, :DEPTH]
    return np.take_along_axis(scores, top, axis=1).ravel(), np.take_along_axis(relevant, top, axis=1).ravel()


def fit_logistic(scores: Array, labels: Bools, *, steps: int = 50, ridge: float = 1e-3) -> Calibration:
    """One-dimensional logistic regression by Newton's method; a little ridge keeps separable data finite."""
    if len(scores) == 0:
        return Calibration()
    design = np.stack([scores, np.ones_like(scores)], axis=1).astype(np.float64)  # [n, 2]
    solution = np.zeros(2)
    for _ in range(steps):
        p = 1 / (1 + np.exp(-np.clip(design @ solution, -30, 30)))
        gradient = design.T @ (p - labels) + ridge * solution
        hessian = (design * (p * (1 - p))[:, None]).T @ design + ridge * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        solution -= step
        if np.abs(step).max() < 1e-8:
            break
    return Calibration(slope=float(solution[0]), intercept=float(solution[1]))


def _mean(array: Array) -> Array:
    """The mean row [D]; zero, which centres nothing, if there is none."""
    if not len(array):
        return np.zeros(array.shape[1], dtype=np.float32)
    return np.asarray(array.mean(axis=0), dtype=np.float32)
