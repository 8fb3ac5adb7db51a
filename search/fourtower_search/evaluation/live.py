"""Puts judged queries to a search client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fourtower_search.evaluation.judgments import Judged
from fourtower_search.evaluation.measure import Search
from fourtower_search.query.parts import Image, QueryPart, Text
from fourtower_search.query.words import MINUS_WEIGHT
from fourtower_search.results import ProductHit, SearchResult

Searching = Callable[..., SearchResult]
"""`SearchClient.search`, or whatever takes the same: parts first, options by keyword."""


def asking(search: Searching, **options: Any) -> Search:
    """Anything that searches with parts, as an evaluation calls it; `options` go along with every query."""

    def ask(query: Judged, limit: int) -> tuple[ProductHit, ...]:
        where = {} if query.where is None else {"where": query.where}
        return search(parts_of(query), limit=limit, **where, **options).hits

    return ask


def parts_of(query: Judged) -> list[QueryPart]:
    """The parts that a person would search with; texts are taken literally."""
    parts: list[QueryPart] = []
    if query.image:
        parts.append(Image(query.image))
    if query.text:
        parts.append(Text(query.text))
    if query.minus:
        parts.append(Text(query.minus, MINUS_WEIGHT))
    return parts
