"""How many of the exact best ten products a search finds, for every kind of query."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.search.bench import Bench
from benchmarks.search.catalog import KINDS, Asked, spread_out
from benchmarks.search.exact import Exact
from benchmarks.search.settings import Settings
from fourtower_search.client import SearchClient
from fourtower_search.filters import F, Filter

Recall = dict[str, float]
"""By kind of query."""
SEARCH_TIMEOUT_S = 120.0


def recall_by_kind(client: SearchClient, exact: Exact, bench: Bench, *, share: float | None = None) -> Recall:
    """Recall at the page's size against the exact answer; filters leave a share of the products, if one is given."""
    settings = bench.settings
    count = 1 if share is None else settings.bands
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(count):
        band = None if share is None else exact.band(share, number, count)
        for kind in KINDS:
            queries = spread_out(bench.catalog.of_kind(kind), settings.recall_queries)[number::count]
            found[kind] += _recalls(client, exact, bench, queries, band)
    return {kind: float(np.nanmean(values)) for kind, values in found.items()}


def _recalls(
    client: SearchClient, exact: Exact, bench: Bench, queries: Sequence[Asked], band: tuple[float, float] | None
) -> list[float]:
    possible = None if band is None else exact.within(*band)
    found = found_ids(client, queries, bench.settings, where=None if band is None else F.price.between(*band))
    return [
        exact.recall(query.vector(bench.catalog.params), ids, bench.settings.limit, possible)
        for query, ids in zip(queries, found, strict=True)
    ]


def found_ids(
    client: SearchClient, queries: Sequence[Asked], settings: Settings, where: Filter | None = None
) -> list[list[str]]:
    """The products on each query's first page."""
    results = client.search_many(
        [query.parts for query in queries],
        mode="vector",
        depth=settings.depth,
        limit=settings.limit,
        where=where,
        timeout_s=SEARCH_TIMEOUT_S,
    )
    return [[hit.product_id for hit in result.hits] for result in results]
