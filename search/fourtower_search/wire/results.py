"""Results, products and facets as JSON, and back; what is read comes from elsewhere, so every type is checked.

Times of declared attributes are RFC 3339 text in UTC (`2026-05-01T12:00:00.000Z`); who knows the catalog's schema
reads them as datetimes again. The bounds of a facet's ranges are numbers, of times milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast, get_args

from fourtower_search.answering import ProductPage
from fourtower_search.ranking.explain import Node, Op
from fourtower_search.ranking.facets import Facet, FacetRange, FacetValue
from fourtower_search.results import Product, ProductHit, SearchResult
from fourtower_search.schema import AttributeType, CatalogSchema
from fourtower_search.wire.reading import (
    as_bool,
    as_integer,
    as_list,
    as_number,
    as_object,
    as_text,
    chosen,
    numbers,
    optional,
    texts,
    unfit,
)

DEEPEST = 32
"""Levels of an explanation; ours have fewer than ten."""
_OPS = frozenset(get_args(Op))
_TYPES = frozenset(get_args(AttributeType))


def result_form(result: SearchResult) -> dict[str, Any]:
    """A result as JSON; the folder of the catalog's pictures is left out."""
    return {
        "hits": [hit_form(hit) for hit in result.hits],
        "total": result.total,
        "truncated": result.truncated,
        "search_id": result.search_id,
        "generation": result.generation,
        "next_cursor": result.next_cursor,
        "facets": {name: facet_form(facet) for name, facet in result.facets.items()},
        "timings_ms": dict(result.timings_ms),
    }


def product_form(product: Product) -> dict[str, Any]:
    """A product as JSON."""
    return {
        "product_id": product.product_id,
        "version": product.version,
        "title": product.title,
        "description": product.description,
        "images": list(product.images),
        "group_id": product.group_id,
        "attributes": {name: _json(value) for name, value in product.attributes.items()},
    }


def hit_form(hit: ProductHit) -> dict[str, Any]:
    """A hit as JSON."""
    return {
        **product_form(hit),
        "score": hit.score,
        "relevance": hit.relevance,
        "image": hit.image,
        "variants": list(hit.variants),
        "explanation": None if hit.explanation is None else node_form(hit.explanation),
    }


def node_form(node: Node) -> dict[str, Any]:
    """An explanation as JSON."""
    children = [node_form(child) for child in node.children]
    return {"op": node.op, "label": node.label, "value": node.value, "children": children}


def facet_form(facet: Facet) -> dict[str, Any]:
    """A facet as JSON."""
    return {
        "attribute": facet.attribute,
        "type": facet.type,
        "values": [{"value": each.value, "count": each.count} for each in facet.values],
        "ranges": [{"lo": each.lo, "hi": each.hi, "count": each.count} for each in facet.ranges],
        "total": facet.total,
        "missing": facet.missing,
        "others": facet.others,
        "truncated": facet.truncated,
    }


def page_form(page: ProductPage) -> dict[str, Any]:
    """Some products as JSON, as `/products/scan` and, for lack of `more`, `/products/lookup` answer them."""
    products = [product_form(product) for product in page.products]
    return {"products": products, "generation": page.generation, "more": page.more}


def read_result(form: Any, schema: CatalogSchema, *, image_root: Path | None = None) -> SearchResult:
    """A result from its JSON.

    Raises:
        IndexMismatch: it is none; the message names what does not fit.
    """
    said, times = as_object(form, "the result"), _times(schema)
    facets = as_object(said.get("facets", {}), "facets")
    return SearchResult(
        hits=tuple([_hit(each, times) for each in as_list(said.get("hits"), "hits")]),
        total=as_integer(said.get("total"), "total"),
        truncated=as_bool(said.get("truncated"), "truncated"),
        search_id=as_text(said.get("search_id"), "search_id"),
        generation=as_text(said.get("generation"), "generation"),
        next_cursor=optional(said.get("next_cursor"), "next_cursor", as_text),
        facets={name: _facet(each) for name, each in facets.items()},
        timings_ms=numbers(said.get("timings_ms", {}), "timings_ms"),
        image_root=image_root,
    )


def read_product(form: Any, schema: CatalogSchema) -> Product:
    """A product from its JSON.

    Raises:
        IndexMismatch: it is none.
    """
    return Product(**_product(as_object(form, "a product"), _times(schema)))


def read_page(form: Any, schema: CatalogSchema) -> ProductPage:
    """Some products from their JSON.

    Raises:
        IndexMismatch: they are none.
    """
    said, times = as_object(form, "the page"), _times(schema)
    listed = as_list(said.get("products"), "products")
    products = [Product(**_product(as_object(each, "a product"), times)) for each in listed]
    generation = as_text(said.get("generation"), "generation")
    return ProductPage(tuple(products), generation, as_bool(said.get("more", False), "more"))


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


def _times(schema: CatalogSchema) -> frozenset[str]:
    return frozenset(name for name, attribute in schema.attributes.items() if attribute.type == "time")


def _hit(form: Any, times: frozenset[str]) -> ProductHit:
    said = as_object(form, "a hit")
    return ProductHit(
        **_product(said, times),
        score=as_number(said.get("score"), "score"),
        relevance=as_number(said.get("relevance"), "relevance"),
        image=optional(said.get("image"), "image", as_text),
        variants=texts(said.get("variants", []), "variants"),
        explanation=optional(said.get("explanation"), "explanation", _node),
    )


def _product(said: dict[str, Any], times: frozenset[str]) -> dict[str, Any]:
    attributes = as_object(said.get("attributes", {}), "attributes")
    for name in times & attributes.keys():
        attributes[name] = _moment(attributes[name])
    return {
        "product_id": as_text(said.get("product_id"), "product_id"),
        "version": as_integer(said.get("version"), "version"),
        "title": as_text(said.get("title", ""), "title"),
        "description": as_text(said.get("description", ""), "description"),
        "images": texts(said.get("images", []), "images"),
        "group_id": optional(said.get("group_id"), "group_id", as_text),
        "attributes": attributes,
    }


def _moment(value: Any) -> Any:
    """A datetime; what is no time stays as it is, as the catalog may have changed since."""
    try:
        return datetime.fromisoformat(value) if type(value) is str else value
    except ValueError:
        return value


def _node(form: Any, name: str, depth: int = 0) -> Node:
    said = as_object(form, name)
    if depth > DEEPEST:
        raise unfit(name, f"at most {DEEPEST} levels deep")
    children = as_list(said.get("children", []), "children")
    return Node(
        cast(Op, chosen(said.get("op"), "op", _OPS)),
        as_text(said.get("label"), "label"),
        as_number(said.get("value"), "value"),
        tuple([_node(child, name, depth + 1) for child in children]),
    )


def _facet(form: Any) -> Facet:
    said = as_object(form, "a facet")
    return Facet(
        attribute=as_text(said.get("attribute"), "attribute"),
        type=cast(AttributeType, chosen(said.get("type"), "type", _TYPES)),
        values=tuple([_facet_value(each) for each in as_list(said.get("values", []), "values")]),
        ranges=tuple([_facet_range(each) for each in as_list(said.get("ranges", []), "ranges")]),
        total=as_integer(said.get("total"), "total"),
        missing=as_integer(said.get("missing"), "missing"),
        others=as_integer(said.get("others"), "others"),
        truncated=as_bool(said.get("truncated"), "truncated"),
    )


def _facet_value(form: Mapping[str, Any]) -> FacetValue:
    said = as_object(form, "values")
    value = said.get("value")
    return FacetValue(value if type(value) is bool else as_text(value, "value"), as_integer(said.get("count"), "count"))


def _facet_range(form: Mapping[str, Any]) -> FacetRange:
    said = as_object(form, "ranges")
    low, high = (optional(said.get(name), name, _bound) for name in ("lo", "hi"))
    return FacetRange(low, high, as_integer(said.get("count"), "count"))


def _bound(value: Any, name: str) -> float:
    """A whole number stays one: of large ones a float would lose the last digits."""
    return value if type(value) is int else as_number(value, name)
