"""Joins the rows of all processes into one batch, so that every photo sees every other's negatives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

_T = TypeVar("_T", bound=tuple[Tensor, ...])


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """This process's number among them."""
    return dist.get_rank() if world_size() > 1 else 0


def gather_rows(batch: _T) -> _T:
    """Concatenate each tensor [b, ...] over all processes to [B, ...], in rank order.

    Every process then computes the same joint loss, and so knows the gradient of its own rows
    without asking: the backward pass is a slice. `sum_gradients` adds up what the rows of all
    processes mean for the weights; the result is the gradient of one process with the joint batch.
    """
    if world_size() == 1:
        return batch
    joined = (_GatherRows.apply(t) if t.requires_grad else torch.cat(_all_gather(t)) for t in batch)
    return type(batch)(*joined) if hasattr(batch, "_fields") else type(batch)(joined)


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Add up the gradients of all processes, in one message."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if world_size() == 1 or not gradients:
        return
    joined = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(joined)
    for gradient, summed in zip(gradients, torch.split(joined, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(summed.view_as(gradient))


def share(tensors: Iterable[Tensor]) -> None:
    """Overwrite the tensors of every process by those of the first one."""
    if world_size() > 1:
        for tensor in tensors:
            dist.broadcast(tensor, src=0)


class _GatherRows(torch.autograd.Function):
    """`all_gather` through which the gradient of a process's own rows comes back."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        ctx.rows = len(rows)
        return torch.cat(_all_gather(rows))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        start = rank() * ctx.rows
        return grad[start : start + ctx.rows]


def _all_gather(rows: Tensor) -> list[Tensor]:
    parts = [torch.empty_like(rows) for _ in range(world_size())]
    dist.all_gather(parts, rows.contiguous())
    return parts
