"""The joint vector: one inner product that is exactly the weighted sum of the four tower alignments.

A product view is stored as `[image ‖ text]`. Part k of a query, an embedding e_k of modality m with a
signed amount a_k, adds `a_k [w_mi e_k ‖ w_mt e_k]`; the sum is divided by the sum of positive amounts.
Its inner product with a row is therefore

    sum_k a_k (w_mi <e_k, image> + w_mt <e_k, text>) / sum_k max(a_k, 0)

for any weights chosen at query time, negative parts included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fourtower_encoders.config import Frozen
from fourtower_encoders.errors import InvalidConfig

Array = NDArray[np.float32]
Modality = Literal["image", "text"]
QueryKind = Literal["image", "text", "mixed"]


SMALLEST_AMOUNT = 1e-6


class Weights(Frozen):
    """How much each of the four alignments counts; the first letter is the query's half."""

    ii: float = 1.0
    it: float = 0.5
    ti: float = 1.0
    tt: float = 1.0

    def of(self, modality: Modality) -> tuple[float, float]:
        """The weights of a query part against a product's (image, text)."""
        return (self.ii, self.it) if modality == "image" else (self.ti, self.tt)


class Calibration(Frozen):
    """A logistic curve from a raw score to a probability of relevance."""

    slope: float = 1.0
    intercept: float = 0.0

    def __call__(self, score: Array) -> Array:
        """Relevance in 0..1, same shape as `score`."""
        # tanh is the same curve, but cannot overflow.
        return np.asarray(0.5 * (1 + np.tanh(0.5 * (self.slope * score + self.intercept))), dtype=np.float32)


class QueryParams(Frozen):
    """The few numbers fitted after training; versioned apart from the towers (`query.json`)."""

    schema_version: Literal[1] = 1
    fitted: bool = False
    """False: these are stated defaults, not fitted on anybody's data."""
    weights: Weights = Weights()
    kappa_image: float = 0.0
    """A product without image gets this times its text embedding there."""
    kappa_text: float = 0.0
    """A product without text gets this times its image embedding there."""
    calibration: dict[QueryKind, Calibration] = Field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """One signed, weighted piece of a query: an embedding of shape [D]."""

    modality: Modality
    embedding: Array
    amount: float = 1.0


def query_vector(parts: Sequence[Part], weights: Weights) -> Array:
    """Combine parts into one vector of shape [2 D].

    Raises:
        InvalidConfig: (almost) no part has a positive amount.
    """
    positive = sum(part.amount for part in parts if part.amount > 0)
    if positive <= 0:
        raise InvalidConfig("A query needs at least one part with a positive weight; all of these are negative.")
    halves = np.zeros((2, parts[0].embedding.shape[-1]), dtype=np.float64)
    for part in parts:
        halves += part.amount * np.outer(weights.of(part.modality), part.embedding)  # [2, D]
    return (halves / positive).reshape(-1).astype(np.float32)


def query_vectors(image: Array | None, text: Array | None, weights: Weights, *, image_amount: float = 0.5) -> Array:
    """Combine aligned batches [N, D] of photos and words into query vectors [N, 2 D]."""
    if image is None and text is None:
        raise InvalidConfig("A query needs a photo, words, or both.")
    amounts = [(image, weights.of("image"), image_amount), (text, weights.of("text"), 1 - image_amount)]
    present = [(batch, pair, amount) for batch, pair, amount in amounts if batch is not None]
    total = sum(amount for *_, amount in present)
    halves = [sum(amount / total * pair[half] * batch for batch, pair, amount in present) for half in (0, 1)]
    return np.concatenate(halves, axis=1).astype(np.float32)


def product_rows(
    image: Array,
    text: Array,
    params: QueryParams,
    *,
    has_image: NDArray[np.bool_],
    has_text: NDArray[np.bool_],
) -> Array:
    """Rows [N, 2 D] from aligned halves [N, D]; a missing half is imputed from the other one."""
    filled_image = np.where(has_image[:, None], image, params.kappa_image * text)
    filled_text = np.where(has_text[:, None], text, params.kappa_text * image)
    return np.concatenate([filled_image, filled_text], axis=1).astype(np.float32)
