"""Contrastive losses as pure functions over embeddings and a mask of positives.

With unit vectors a_i, b_j, a scale s and positives P (several per row are allowed):

    L(a, b; P) = 1/2 [ H(P / |P|_row, softmax_row(s a b^T)) + H(P^T / |P^T|_row, softmax_row(s b a^T)) ]

A pair in the ignore mask is neither positive nor negative. A row without any positive does not count.
"""

from __future__ import annotations

import torch
from torch import Tensor


def info_nce(a: Tensor, b: Tensor, positive: Tensor, *, scale: Tensor | float, ignore: Tensor | None = None) -> Tensor:
    """Symmetric InfoNCE with multiple positives.

    Args:
        a: embeddings [N, D].
        b: embeddings [M, D].
        positive: bool [N, M], which pairs belong together.
        scale: inverse temperature.
        ignore: bool [N, M], pairs to leave out; a positive pair stays a positive.
    """
    return contrast(scale * similarity(a, b), positive, ignore=ignore)


def similarity(a: Tensor, b: Tensor) -> Tensor:
    """Inner products [N, M] in full precision, whatever the towers ran in."""
    with torch.autocast(a.device.type, enabled=False):
        return a.to(_wide(a)) @ b.to(_wide(b)).T


def contrast(logits: Tensor, positive: Tensor, *, ignore: Tensor | None = None) -> Tensor:
    """Both directions of the cross-entropy over logits [N, M]."""
    if ignore is not None:
        # The smallest finite number, not -inf: a row that ignores everything must not become NaN.
        logits = logits.masked_fill(ignore & ~positive, torch.finfo(logits.dtype).min)
    return 0.5 * (_cross_entropy(logits, positive) + _cross_entropy(logits.T, positive.T))


def _cross_entropy(logits: Tensor, positive: Tensor) -> Tensor:
    """Mean over rows that have positives of -mean_{j in P_i} log softmax(logits_i)_j."""
    positives = positive.sum(dim=1)  # [N]
    log_likelihood = logits.log_softmax(dim=1).masked_fill(~positive, 0.0).sum(dim=1)
    per_row = -log_likelihood / positives.clamp(min=1)
    return per_row.sum() / (positives > 0).sum().clamp(min=1)


def _wide(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32
