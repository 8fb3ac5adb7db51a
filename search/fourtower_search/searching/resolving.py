"""Turns the parts of many requests into query vectors, embedding all words and all pictures at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

from fourtower_encoders.joint import Array, Weights
from fourtower_search.encoding.encoder import QueryEncoder
from fourtower_search.errors import UnknownProduct
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.query.parts import Image, Product, QueryPart, Text
from fourtower_search.query.request import SearchRequest
from fourtower_search.query.vector import QueryVector, Term, build, product_halves, terms_of

Halves = tuple[Array | None, Array | None]
"""The (image, text) embeddings that a part brings."""


def query_vectors(
    requests: Sequence[SearchRequest], encoder: QueryEncoder, index: ProductIndex, *, timeout_s: float
) -> list[QueryVector | None]:
    """One query vector per request; None for a purely lexical search.

    Raises:
        InvalidQuery: a part can't be used.
        UnknownProduct: a product part names no live product.
    """
    asked = [request for request in requests if request.mode != "lexical"]
    parts = list(chain.from_iterable(request.parts for request in asked))
    known = _embedded(parts, encoder) | _stored(parts, index, timeout_s)
    # Fitted with the model, or given for this index; kept with the index in either case.
    fitted = index.params.weights
    return [
        None if request.mode == "lexical" else _built(request, known, fitted, dim=encoder.dim) for request in requests
    ]


def _built(request: SearchRequest, known: Mapping[int, Halves], fitted: Weights, *, dim: int) -> QueryVector:
    terms: list[Term] = []
    for part in request.parts:
        image, text = known.get(id(part), (None, None))
        terms += terms_of(part, image=image, text=text)
    return build(terms, request.weights or fitted, dim=dim, image_amount=request.image_amount)


def _embedded(parts: Sequence[QueryPart], encoder: QueryEncoder) -> dict[int, Halves]:
    """Embeddings of words and pictures, by the part's identity."""
    texts = [part for part in parts if isinstance(part, Text)]
    images = [part for part in parts if isinstance(part, Image)]
    of_texts = zip(texts, encoder.texts([part.text for part in texts]), strict=True)
    of_images = zip(images, encoder.images([part.source for part in images]), strict=True)
    return {
        **{id(part): (None, embedding) for part, embedding in of_texts},
        **{id(part): (embedding, None) for part, embedding in of_images},
    }


def _stored(parts: Sequence[QueryPart], index: ProductIndex, timeout_s: float) -> dict[int, Halves]:
    """What the index holds of product parts, by the part's identity."""
    products = [part for part in parts if isinstance(part, Product)]
    if not products:
        return {}
    found = index.get({part.product_id for part in products}, vectors=True, timeout_s=timeout_s)
    for part in products:
        if part.product_id not in found:
            raise UnknownProduct(f"The index holds no product {part.product_id!r}; it may be deleted or not there yet.")
    return {id(part): product_halves(found[part.product_id].rows) for part in products}
