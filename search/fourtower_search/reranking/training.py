"""Fits the re-ranker's model with a listwise softmax loss; equal data give equal models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fourtower_search.reranking.lists import Lists
from fourtower_search.reranking.model import logit

Reals = NDArray[np.float64]
Parameters = dict[str, Reals]

STEPS, RATE = 200, 0.05
_BETA1, _BETA2, _TINY = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Problem:
    """What a fit sees: prepared lists without those that can't teach anything."""

    prior: Reals
    """Log-odds of the plain scores [Q, C]."""
    inputs: Reals
    """Standardised features [Q, C, F]."""
    targets: Reals
    """The share of each candidate in the squared worth of its list's candidates [Q, C]. Squared, because the many
    that are a little alike would else count more than the one that is right."""
    present: NDArray[np.bool_]

    @classmethod
    def of(cls, lists: Lists, inputs: Reals) -> Problem:
        """Lists in which something right was found and something else, too."""
        squared = lists.gains**2
        worth = squared.sum(axis=1)
        tells = (worth > 0) & (lists.present.sum(axis=1) > 1)
        targets = squared[tells] / worth[tells, None]
        return cls(logit(lists.plain[tells]), inputs[tells], targets, lists.present[tells])


def fit(problem: Problem, *, hidden: int, penalty: float, seed: int = 0, steps: int = STEPS) -> Parameters:
    """Minimise the loss by Adam on all lists at once.

    Args:
        problem: the lists.
        hidden: units of the hidden layer; 0 is a linear model.
        penalty: how strongly the correction is pulled to nothing, that is to the plain order.
        seed: of the hidden layer's first weights.
        steps: how many.
    """
    parameters = start(problem.inputs.shape[-1], hidden, seed=seed)
    first = {name: np.zeros_like(value) for name, value in parameters.items()}
    second = {name: np.zeros_like(value) for name, value in parameters.items()}
    for step in range(1, steps + 1):
        _, gradients = loss(problem, parameters, penalty=penalty)
        rate = RATE * (1 - (step - 1) / steps)
        for name, gradient in gradients.items():
            first[name] = _BETA1 * first[name] + (1 - _BETA1) * gradient
            second[name] = _BETA2 * second[name] + (1 - _BETA2) * gradient**2
            size = np.sqrt(second[name] / (1 - _BETA2**step)) + _TINY
            parameters[name] = parameters[name] - rate * first[name] / (1 - _BETA1**step) / size
    return parameters


def start(features: int, hidden: int, *, seed: int) -> Parameters:
    """The plain order: a temperature of 1 and no correction."""
    parameters = {"log_temperature": np.zeros(()), "weights": np.zeros(features)}
    if hidden:
        random = np.random.default_rng(seed)
        parameters["inputs"] = random.normal(0, 1 / np.sqrt(features), (features, hidden))
        parameters["biases"] = np.zeros(hidden)
        parameters["outputs"] = np.zeros(hidden)
    return parameters


def loss(problem: Problem, parameters: Mapping[str, Reals], *, penalty: float) -> tuple[float, Parameters]:
    """The mean cross-entropy between targets and softmax of the scores, with its gradients (ListNet)."""
    temperature = np.exp(parameters["log_temperature"])
    scores = temperature * problem.prior + problem.inputs @ parameters["weights"]  # [Q, C]
    units = None
    if "inputs" in parameters:
        units = np.tanh(problem.inputs @ parameters["inputs"] + parameters["biases"])  # [Q, C, H]
        scores = scores + units @ parameters["outputs"]
    logs = _log_softmax(scores, problem.present)
    count = max(len(scores), 1)
    value = -float((problem.targets * np.where(problem.present, logs, 0)).sum()) / count
    errors = (np.where(problem.present, np.exp(logs), 0) - problem.targets) / count  # [Q, C]
    flat = problem.inputs.reshape(-1, problem.inputs.shape[-1])  # [Q C, F]
    gradients: Parameters = {
        "log_temperature": temperature * (errors * problem.prior).sum(),
        "weights": errors.reshape(-1) @ flat,
    }
    if units is not None:
        units = units.reshape(-1, units.shape[-1])  # [Q C, H]
        back = errors.reshape(-1, 1) * parameters["outputs"] * (1 - units**2)
        gradients["inputs"] = flat.T @ back
        gradients["biases"] = back.sum(axis=0)
        gradients["outputs"] = errors.reshape(-1) @ units
    for name in gradients.keys() - {"log_temperature"}:
        value += penalty * float((parameters[name] ** 2).sum())
        gradients[name] = gradients[name] + 2 * penalty * parameters[name]
    return value, gradients


def _log_softmax(scores: Reals, present: NDArray[np.bool_]) -> Reals:
    """Over the candidates of each list."""
    seen = np.where(present, scores, -np.inf)
    shifted = seen - seen.max(axis=1, keepdims=True)
    found: Reals = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found
