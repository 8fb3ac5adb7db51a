"""The losses against a naive reference, their gradients and their corner cases."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fourtower_encoders.losses import contrast, info_nce


def unit(rows: int, dim: int, seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(rows, dim, generator=generator, dtype=dtype), dim=1)


def reference(a, b, positive, scale, ignore=None) -> float:
    """The formula with loops."""

    def one_direction(a, b, positive, ignore):
        losses = []
        for i in range(len(a)):
            right = [j for j in range(len(b)) if positive[i, j]]
            if not right:
                continue
            counted = [j for j in range(len(b)) if positive[i, j] or not ignore[i, j]]
            total = math.log(sum(math.exp(scale * float(a[i] @ b[j])) for j in counted))
            losses.append(sum(total - scale * float(a[i] @ b[j]) for j in right) / len(right))
        return sum(losses) / max(1, len(losses))

    ignore = np.zeros(positive.shape, dtype=bool) if ignore is None else ignore
    return (one_direction(a, b, positive, ignore) + one_direction(b, a, positive.T, ignore.T)) / 2


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 7),
    columns=st.integers(1, 7),
    seed=st.integers(0, 10_000),
    share=st.floats(0, 1),
    scale=st.floats(0.5, 30),
)
def test_equals_the_formula(rows, columns, seed, share, scale):
    rng = np.random.default_rng(seed)
    a, b = unit(rows, 5, seed), unit(columns, 5, seed + 1)
    positive, ignore = rng.random((rows, columns)) < share, rng.random((rows, columns)) < 0.3
    ours = info_nce(a, b, torch.from_numpy(positive), scale=scale, ignore=torch.from_numpy(ignore))
    assert ours.item() == pytest.approx(reference(a.numpy(), b.numpy(), positive, scale, ignore), abs=1e-9)


def test_gradients_are_right():
    a, b = unit(4, 3, 1).requires_grad_(), unit(5, 3, 2).requires_grad_()
    scale = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    positive = torch.rand(4, 5, generator=torch.Generator().manual_seed(3)) < 0.4
    assert torch.autograd.gradcheck(lambda a, b, s: info_nce(a, b, positive, scale=s), (a, b, scale))


def test_is_symmetric():
    a, b = unit(6, 4, 1), unit(6, 4, 2)
    positive = torch.eye(6, dtype=torch.bool)
    assert float(info_nce(a, b, positive, scale=10)) == pytest.approx(float(info_nce(b, a, positive.T, scale=10)))


def test_knows_nothing_means_log_n():
    """Embeddings that are all equal can only guess."""
    same = torch.ones(8, 4, dtype=torch.float64) / 2
    assert float(info_nce(same, same, torch.eye(8, dtype=torch.bool), scale=20)) == pytest.approx(math.log(8))


def test_perfect_embeddings_cost_almost_nothing():
    eye = torch.eye(8, dtype=torch.float64)
    assert float(info_nce(eye, eye, eye.bool(), scale=50)) < 1e-6


@pytest.mark.parametrize("ignored", [False, True])
def test_a_batch_without_positives_is_zero_and_has_zero_gradient(ignored):
    a, b = unit(3, 4, 1).requires_grad_(), unit(3, 4, 2).requires_grad_()
    nothing = torch.zeros(3, 3, dtype=torch.bool)
    ignore = torch.ones(3, 3, dtype=torch.bool) if ignored else None
    loss = info_nce(a, b, nothing, scale=10, ignore=ignore)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(a.grad, torch.zeros_like(a))


def test_an_ignored_pair_neither_attracts_nor_repels():
    a, b = unit(3, 4, 1), unit(3, 4, 2).requires_grad_()
    positive = torch.zeros(3, 3, dtype=torch.bool)
    positive[0, 0] = True
    ignore = torch.zeros(3, 3, dtype=torch.bool)
    ignore[:, 2] = True
    info_nce(a, b, positive, scale=10, ignore=ignore).backward()
    assert float(b.grad[2].abs().sum()) == 0
    assert float(b.grad[1].abs().sum()) > 0


def test_two_positives_share_the_target():
    """The best answer to a row with two positives is one half each: the loss is log 2."""
    logits = torch.tensor([[50.0, 50.0, -50.0]], dtype=torch.float64)
    one_way = contrast(logits, torch.tensor([[True, True, False]])) * 2  # the other direction has one row each: zero
    assert float(one_way) == pytest.approx(math.log(2))


def test_logits_are_full_precision_under_autocast():
    a, b = unit(4, 64, 1, torch.float32), unit(4, 64, 2, torch.float32)
    positive = torch.eye(4, dtype=torch.bool)
    with torch.autocast("cpu", torch.bfloat16):
        inside = info_nce(a, b, positive, scale=50.0)
    assert inside.dtype == torch.float32
    assert float(inside) == float(info_nce(a, b, positive, scale=50.0))
