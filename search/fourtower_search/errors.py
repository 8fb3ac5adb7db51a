"""Errors of search: each class says what its reader should do.

SearchError
├── InvalidQuery          fix the query you passed
│   ├── InvalidFilter       fix the filter
│   └── CursorExpired       start again from the first page
├── InvalidCatalog        fix catalog.toml, or the product that does not fit it
├── UnknownProduct        the index holds no such product
├── Unsupported           this server can't do it; the message names the version or setting that helps
├── IndexUnavailable      try again after `retry_after_s`
│   └── Overloaded          the same; the service works, but has more to do than it can
├── AccessDenied          give the service a valid API key, one for this use
└── IndexMismatch         fix the deployment: collection, model and schema don't belong together
    └── CollectionGone      look which collection is live now; clients do so by themselves
"""

from __future__ import annotations


class SearchError(Exception):
    """Root of everything that this package raises on purpose; its text is one sentence for a person."""


class InvalidQuery(SearchError):
    """The query can't be understood or contradicts itself."""


class InvalidFilter(InvalidQuery):
    """A filter names an unknown attribute, or compares it with a value of another type."""


class CursorExpired(InvalidQuery):
    """The page that a cursor points to is gone: the index was rebuilt, or the cursor is not ours."""


class InvalidCatalog(SearchError):
    """The declared catalog, or a product's attributes, can't be used; the message names the attribute."""


class UnknownProduct(SearchError):
    """No live product has this id."""


class Unsupported(SearchError):
    """The server lacks what was asked for."""


class IndexUnavailable(SearchError):
    """The index could not answer now."""

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Overloaded(IndexUnavailable):
    """Too much is asked at once, by everybody or with this key."""


class AccessDenied(SearchError):
    """The service answers nobody without a key, or this key may not do this."""


class IndexMismatch(SearchError):
    """What the collection records contradicts the model, the catalog or this version of Fourtower."""


class CollectionGone(IndexMismatch):
    """The collection was dropped since it was opened, or never was there."""
