"""Diversity: maximal marginal relevance, so that a page is not ten views of one taste.

Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking", SIGIR 1998.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fourtower_search.ranking.candidates import Candidate, stacked


def diversify(candidates: Sequence[Candidate], diversity: float) -> list[Candidate]:
    """Choose place by place the candidate with the highest `(1 - d) score - d · likeness`, the first among equals.

    Likeness is the highest cosine of its vector to those of hits above it, 0 if negative. The scores themselves stay;
    `d · likeness` is noted as the penalty.

    Args:
        candidates: best first, with vectors.
        diversity: d, 0..1; 0 changes nothing.
    """
    if diversity == 0 or len(candidates) < 2:
        return list(candidates)
    cosines = _cosines(candidates)
    worth = (1 - diversity) * np.array([each.score for each in candidates])
    likeness = np.zeros(len(candidates))
    order: list[Candidate] = []
    for _ in candidates:
        best = int(np.argmax(worth - diversity * likeness))
        order.append(candidates[best]._replace(penalty=diversity * float(likeness[best])))
        worth[best] = -np.inf
        likeness = np.maximum(likeness, cosines[best])
    return order


def _cosines(candidates: Sequence[Candidate]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """[N, N]; a vector of zeros is like nothing."""
    vectors = stacked([each.row for each in candidates]).astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = vectors / np.where(lengths > 0, lengths, 1.0)
    return np.asarray(units @ units.T)
