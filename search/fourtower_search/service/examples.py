"""Examples of requests, as the OpenAPI description shows them."""

from __future__ import annotations

SEARCHES = {
    "words": {"query": "red bag -leather", "limit": 20},
    "a filter and an order": {"query": "mug", "where": "price < 50", "sort": "-price", "collapse": "group"},
    "weighted parts": {"query": [{"product": "sku-1"}, {"text": "green", "weight": 0.6}], "explain": True},
    "facets": {"text": "mug", "facets": ["brand", {"attribute": "price", "ranges": 4}]},
}
BATCHES = {"two searches": {"queries": [{"query": "red mug"}, {"query": "oak stool", "limit": 3}]}}
FACETS = {"brands of mugs": {"query": "mug", "of": ["brand"]}}
EMBEDDINGS = {"texts": {"texts": ["red mug", "oak stool"]}}
LOOKUPS = {"two products": {"ids": ["sku-1", "sku-2"]}}
COUNTS = {"all": {}, "cheap ones": {"where": {"field": "price", "lt": 50}}}
SCANS = {"the first": {"limit": 100}, "what comes after one": {"after": "sku-1", "where": "price < 50"}}
