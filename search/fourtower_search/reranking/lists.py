"""Candidate lists with grades: what the learned re-ranker is fitted and measured on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fourtower_encoders.metrics import ndcg_at

Reals = NDArray[np.float64]
Bools = NDArray[np.bool_]
DEPTH = 10


@dataclass(frozen=True)
class JudgedList:
    """The candidates of one query, in any order."""

    query_id: str
    source: str
    """What was asked with; lists of one photo or one text are kept on one side of every split."""
    product_ids: tuple[str, ...]
    plain: Reals
    """Scores without re-ranking [N], in 0..1."""
    table: Reals
    """Features [N, F]."""
    gains: Reals
    """What each candidate is worth [N]; 0 if it is wrong."""
    ideal: Reals
    """What the best products of the whole catalog are worth, falling [up to 10]."""


@dataclass(frozen=True)
class Lists:
    """Many lists in arrays of one length C, the shorter ones filled up."""

    plain: Reals
    """[Q, C]."""
    table: Reals
    """[Q, C, F]."""
    gains: Reals
    """[Q, C]."""
    ideal: Reals
    """[Q, 10]."""
    present: Bools
    """Which places hold a candidate [Q, C]."""

    @classmethod
    def of(cls, lists: Sequence[JudgedList]) -> Lists:
        """Put lists side by side, each by product id, which decides between equal scores in a search, too."""
        sorted_lists = [_by_id(each) for each in lists]
        longest = max((len(each.plain) for each in lists), default=0)
        return cls(
            plain=_filled([each.plain for each in sorted_lists], longest),
            table=_filled([each.table for each in sorted_lists], longest),
            gains=_filled([each.gains for each in sorted_lists], longest),
            ideal=_filled([each.ideal for each in lists], DEPTH),
            present=_filled([np.ones(len(each.plain)) for each in lists], longest) > 0,
        )

    def ndcg(self, scores: Reals) -> NDArray[np.float32]:
        """nDCG@10 of each list [Q] if it is ordered by these scores [Q, C]; NaN where nothing is right."""
        order = np.argsort(np.where(self.present, -scores, np.inf), axis=1, kind="stable")[:, :DEPTH]
        gains = np.take_along_axis(self.gains, order, axis=1).astype(np.float32)
        return ndcg_at(gains, self.ideal.astype(np.float32), DEPTH)


def _by_id(each: JudgedList) -> JudgedList:
    order = sorted(range(len(each.product_ids)), key=each.product_ids.__getitem__)
    return JudgedList(
        each.query_id,
        each.source,
        tuple(each.product_ids[n] for n in order),
        each.plain[order],
        each.table[order],
        each.gains[order],
        each.ideal,
    )


def _filled(arrays: Sequence[Reals], length: int) -> Reals:
    """Arrays [n, ...] as one of [Q, length, ...], with zeros where they end."""
    shape = arrays[0].shape[1:] if arrays else ()
    filled = np.zeros((len(arrays), length, *shape))
    for row, array in zip(filled, arrays, strict=True):
        row[: len(array)] = array
    return filled
