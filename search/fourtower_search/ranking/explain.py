"""Explanations: a tree for each score, in which every node names its operation and recomputes from its leaves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fourtower_search.ranking.curves import exponential, fade, gauss, linear, logistic, reciprocal_ranks, saturated

Op = Literal[
    "value",
    "sum",
    "product",
    "blend",
    "calibration",
    "evidence",
    "saturation",
    "linear",
    "gauss",
    "exp",
    "fade",
    "rrf",
    "rerank",
]

_OPERATIONS: Mapping[str, Callable[..., float]] = {
    "sum": lambda *terms: math.fsum(terms),
    "product": lambda *factors: math.prod(factors),
    "blend": lambda *shares: math.fsum(shares),
    "calibration": logistic,
    "evidence": lambda raw, slope, intercept, words: logistic(raw, slope, intercept + words),
    "saturation": saturated,
    "linear": linear,
    "gauss": gauss,
    "exp": exponential,
    "fade": fade,
    "rrf": reciprocal_ranks,
    "rerank": lambda given, _before: given,
}
"""What each operation makes of its children's values, in their order; `value` is a leaf."""


@dataclass(frozen=True, slots=True)
class Node:
    """One step of a calculation."""

    op: Op
    label: str
    value: float
    children: tuple[Node, ...] = ()


def leaf(label: str, value: float) -> Node:
    """A number that comes from elsewhere: a cosine, a weight, an attribute."""
    return Node("value", label, float(value))


def node(op: Op, label: str, *children: Node) -> Node:
    """A step whose value follows from its children."""
    return Node(op, label, _OPERATIONS[op](*(child.value for child in children)), children)


def recompute(tree: Node) -> float:
    """The value that follows from the leaves alone."""
    if tree.op == "value":
        return tree.value
    return _OPERATIONS[tree.op](*map(recompute, tree.children))


def lines(tree: Node, depth: int = 0) -> Iterator[str]:
    """The tree as indented text."""
    operation = "" if tree.op == "value" else f"  ({tree.op})"
    yield f"{'  ' * depth}{tree.label}: {tree.value:.5g}{operation}"
    for child in tree.children:
        yield from lines(child, depth + 1)


def leaves(tree: Node) -> Sequence[Node]:
    """All leaves, left to right."""
    return [tree] if not tree.children else [found for child in tree.children for found in leaves(child)]
