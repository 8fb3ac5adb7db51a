"""What people type becomes a request: bare strings, pictures by keyword, short spellings of options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypedDict

from PIL import Image as Pillow

from fourtower_encoders.images import ImageSource
from fourtower_encoders.joint import Weights
from fourtower_search.errors import InvalidQuery
from fourtower_search.filters.tree import Filter
from fourtower_search.query.boosts import Boost
from fourtower_search.query.parts import Image, QueryPart
from fourtower_search.query.refinements import Cut, FacetRequest, Pick, Sort
from fourtower_search.query.request import Mode, SearchRequest
from fourtower_search.query.words import text_parts

Query = str | QueryPart | Sequence[str | QueryPart]
"""Words (minus-words count), one part, or several of both."""


class SearchOptions(TypedDict, total=False):
    """Everything that a search may be told beside what to look for; see `SearchRequest` for what each does."""

    where: Filter | Mapping[str, Any] | str | None
    """A filter: `F.price < 50`, its JSON form, or its text."""
    mode: Mode
    fusion: Literal["blend", "rrf"]
    limit: int
    depth: int
    collapse: Literal["product", "group"]
    pick: Pick
    boosts: Sequence[Boost]
    min_relevance: float | None
    """Short for `cut=Cut(min_relevance=...)`."""
    cut: Cut | None
    sort: Sort | str | None
    """An attribute; `"-price"` is from high to low."""
    diversity: float
    freshness: Literal["fast", "verified"]
    explain: bool
    facets: Sequence[str | FacetRequest]
    cursor: str | None
    rerank: str | None
    weights: Weights | None
    image_amount: float | None


def request_of(
    query: Query | None,
    *,
    text: str | None = None,
    image: ImageSource | Sequence[ImageSource] | None = None,
    options: Mapping[str, Any],
) -> SearchRequest:
    """A request from what a person passed to `search`.

    Raises:
        InvalidQuery: what is wrong, and what to do about it.
    """
    given = {name: value for name, value in options.items() if value is not None}
    return SearchRequest.parse({"parts": parts_of(query, text=text, image=image), **_options(given)})


def parts_of(
    query: Query | None, *, text: str | None = None, image: ImageSource | Sequence[ImageSource] | None = None
) -> tuple[QueryPart, ...]:
    """All parts of a query, in the order: positional ones, pictures, words."""
    pieces: list[Any] = _listed(query, str | QueryPart)
    pictures = [Image(source) for source in _listed(image, bytes | str | Path | Pillow.Image)]
    words = [piece for piece in (*pieces, text) if isinstance(piece, str)]
    others = [piece for piece in pieces if not isinstance(piece, str)]
    alone = len(words) == 1 and not (others or pictures)
    return (*others, *pictures, *(part for each in words for part in text_parts(each, alone=alone)))


def _listed(value: Any, single: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, single):
        return [value]
    if isinstance(value, bytes | bytearray):
        raise InvalidQuery("A picture's bytes are passed as image=..., or as a part: Image(...).")
    if isinstance(value, Sequence):
        return list(value)
    raise InvalidQuery(f"A query is words, parts such as Text(...), or a list of these, not {type(value).__name__}.")


def _options(given: dict[str, Any]) -> dict[str, Any]:
    for name in given:
        if name not in SearchOptions.__annotations__:
            raise InvalidQuery(_unknown(name))
    relevance, sort = given.pop("min_relevance", None), given.get("sort")
    if relevance is not None:
        if "cut" in given:
            raise InvalidQuery("Give min_relevance or cut, not both: cut has a min_relevance of its own.")
        given["cut"] = {"min_relevance": relevance}
    if isinstance(sort, str):
        given["sort"] = {"attribute": sort.removeprefix("-"), "direction": "desc" if sort[:1] == "-" else "asc"}
    for name in ("boosts", "facets"):
        if name in given and isinstance(given[name], list | tuple):
            given[name] = tuple(given[name])
    return given


def _unknown(name: Any) -> str:
    known = list(SearchOptions.__annotations__)
    close = get_close_matches(name, known, n=1) if isinstance(name, str) else []
    meant = f"; did you mean {close[0]}?" if close else ". There are: " + ", ".join(known) + "."
    return f"There is no option {name!r:.60}{meant}"
