"""Makes up for hits that a graph loses under a filter: what the same search finds without it is filtered here.

A graph is searched along its edges, and where a filter leaves out most neighbours, good rows are not reached: one in
five of the ten best on a server with a filter that leaves a tenth of the rows, and a wider search finds no more of
them. Very narrow filters need no second look, for there engines compare all that is left, and find nothing new here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fourtower_search.index.columns import to_columns
from fourtower_search.index.conditions import Condition, holds
from fourtower_search.index.store import Hit
from fourtower_search.schema import CatalogSchema


def joined(
    filtered: Sequence[Hit], anywhere: Iterable[Hit], where: Condition, schema: CatalogSchema, *, limit: int
) -> list[Hit]:
    """The best hits of a filtered search and of the same one without the filter, each row once."""
    known = {_place(hit) for hit in filtered}
    more = [hit for hit in anywhere if _place(hit) not in known and _fulfils(hit, where, schema)]
    return sorted([*filtered, *more], key=lambda hit: -hit.score)[:limit] if more else list(filtered)


def _place(hit: Hit) -> tuple[object, ...]:
    return hit.product_id, hit.view, hit.order


def _fulfils(hit: Hit, where: Condition, schema: CatalogSchema) -> bool:
    try:
        return holds(where, hit.columns)
    except KeyError:  # a column that answers leave out, such as the words of a title
        return holds(where, to_columns(hit.row, schema))
