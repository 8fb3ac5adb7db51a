"""The way out: the product index, filters, queries and the SDK. It never needs torch.

The names below are loaded when they are first used, so importing this package is free.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fourtower_search.async_client import AsyncSearchClient
    from fourtower_search.client import SearchClient, connect
    from fourtower_search.errors import SearchError
    from fourtower_search.filters import F, Filter
    from fourtower_search.query.boosts import DecayBoost, FlagBoost, LinearBoost, MatchBoost, SaturationBoost
    from fourtower_search.query.parts import Image, Product, Text, Vector
    from fourtower_search.query.refinements import Cut, FacetRequest, PickBy, Sort
    from fourtower_search.results import ProductHit, SearchResult
    from fourtower_search.schema import CatalogSchema

__all__ = [
    "AsyncSearchClient",
    "CatalogSchema",
    "Cut",
    "DecayBoost",
    "F",
    "FacetRequest",
    "Filter",
    "FlagBoost",
    "Image",
    "LinearBoost",
    "MatchBoost",
    "PickBy",
    "Product",
    "ProductHit",
    "SaturationBoost",
    "SearchClient",
    "SearchError",
    "SearchResult",
    "Sort",
    "Text",
    "Vector",
    "connect",
]

_HOMES = {
    "async_client": ("AsyncSearchClient",),
    "client": ("SearchClient", "connect"),
    "errors": ("SearchError",),
    "filters": ("F", "Filter"),
    "query.boosts": ("DecayBoost", "FlagBoost", "LinearBoost", "MatchBoost", "SaturationBoost"),
    "query.parts": ("Image", "Product", "Text", "Vector"),
    "query.refinements": ("Cut", "FacetRequest", "PickBy", "Sort"),
    "results": ("ProductHit", "SearchResult"),
    "schema": ("CatalogSchema",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value  # the next use doesn't come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
