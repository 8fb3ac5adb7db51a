"""What products lose that lack their pictures or their text: how often their queries still find them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.search.bench import Bench
from benchmarks.search.catalog import KINDS, Asked, Catalog, spread_out
from benchmarks.search.enlarging import without_halves
from benchmarks.search.recall import found_ids
from fourtower_search.index.rows import ProductWrite

QUERIES = 300
"""Of each kind, at most."""
Pairs = set[tuple[str, str]]
"""Queries and the right answers that they found."""


@dataclass(frozen=True)
class Kept:
    """How many right answers that lost a half were found, with that half and without it."""

    complete: Mapping[str, Mapping[str, int]]
    """By lost half and kind of query."""
    hidden: Mapping[str, Mapping[str, int]]

    def share(self, half: str, kind: str) -> float:
        """Of the recall that they had."""
        before = self.complete[half].get(kind, 0)
        return self.hidden[half].get(kind, 0) / before if before else float("nan")

    def shares(self) -> dict[str, dict[str, float]]:
        """The same for all lost halves and kinds of queries."""
        return {half: {kind: self.share(half, kind) for kind in KINDS} for half in self.complete}

    def mean(self) -> float:
        """Over halves and kinds; what is found more often does not make up for what is found less often."""
        return float(np.nanmean([min(share, 1.0) for share in self._all()]))

    def worst(self) -> float:
        """The half and kind that lose most."""
        return float(np.nanmin(self._all()))

    def _all(self) -> list[float]:
        return [share for by_kind in self.shares().values() for share in by_kind.values()]


def keep_recall(bench: Bench) -> Kept:
    """Search the catalog twice: complete, and with a share of its products having lost a half."""
    catalog = bench.catalog
    writes, hidden = without_halves(catalog.writes, bench.settings.hidden_share, catalog.params)
    queries = [query for kind in KINDS for query in _concerned(catalog.of_kind(kind), hidden)]
    lost = {write.product_id: write.rows[0].imputed for write in writes if write.product_id in hidden}
    complete, without = (
        [(query, product) for query, product in _found(bench, alias, some, queries) if product in lost]
        for alias, some in (("complete", catalog.writes), ("hidden", writes))
    )
    return Kept(_counted(complete, lost, catalog), _counted(without, lost, catalog))


def _concerned(queries: Sequence[Asked], hidden: frozenset[str]) -> list[Asked]:
    """Queries that a product with a hidden half answers."""
    return spread_out([query for query in queries if query.judged.right & hidden], QUERIES)


def _found(bench: Bench, alias: str, writes: Sequence[ProductWrite], queries: Sequence[Asked]) -> Pairs:
    with bench.filled(alias, writes) as filled:
        ids = found_ids(filled.client, queries, bench.settings)
    return {
        (query.judged.query_id, product_id)
        for query, some in zip(queries, ids, strict=True)
        for product_id in query.judged.right.intersection(some)
    }


def _counted(pairs: Iterable[tuple[str, str]], lost: Mapping[str, str], catalog: Catalog) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {"image": defaultdict(int), "text": defaultdict(int)}
    for query_id, product_id in pairs:
        counts[lost[product_id]][catalog.by_id[query_id].kind] += 1
    return {half: dict(by_kind) for half, by_kind in counts.items()}
