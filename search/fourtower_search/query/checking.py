"""Compares a request with the declared catalog: every attribute that it names must exist and be made for that use."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from difflib import get_close_matches

from fourtower_search.errors import InvalidQuery
from fourtower_search.query.boosts import AttributeBoost, Boost, DecayBoost, FlagBoost, MatchBoost
from fourtower_search.query.refinements import FacetRequest, picked_by
from fourtower_search.query.request import SearchRequest
from fourtower_search.schema import Attribute, AttributeType, CatalogSchema

NUMBERS = ("int", "float")


def check(request: SearchRequest, schema: CatalogSchema) -> None:
    """Refuse what this catalog can't do.

    Raises:
        InvalidQuery: an attribute that is not declared, or not for this use; the message names those that are.
    """
    if request.sort:
        _usable(schema, request.sort.attribute, "sort by", "sortable", lambda attribute: attribute.sortable)
    if by := picked_by(request.pick):
        _usable(
            schema,
            by.attribute,
            "pick variants by",
            "int, float, time or bool",
            lambda attribute: attribute.type in (*NUMBERS, "time", "bool"),
        )
    for boost in request.boosts:
        _check_boost(schema, boost)
    for facet in request.facets:
        _check_facet(schema, facet)


def _check_boost(schema: CatalogSchema, boost: Boost) -> None:
    if isinstance(boost, MatchBoost):
        return
    attribute = _usable(schema, boost.attribute, "boost by", "boostable", lambda found: found.boostable)
    needed = _lacking(boost, attribute.type)
    if needed:
        raise InvalidQuery(f"The {boost.kind} boost by {boost.attribute} ({attribute.type}) needs {needed}.")


def _lacking(boost: AttributeBoost, kind: AttributeType) -> str:
    """What a boost would need to fit an attribute of this type; empty if it fits."""
    if isinstance(boost, FlagBoost):
        return "" if kind == "bool" else "a bool attribute"
    if isinstance(boost, DecayBoost):
        if kind == "time":
            return "" if _is_timely(boost) else "an origin with its zone, or 'now', and a scale and an offset like '7d'"
        plain = all(isinstance(value, float) for value in (boost.origin, boost.scale, boost.offset))
        return "" if plain and kind in NUMBERS else "an int or float attribute, its origin, scale and offset numbers"
    return "" if kind in NUMBERS else "an int or float attribute"


def _is_timely(boost: DecayBoost) -> bool:
    spans = isinstance(boost.scale, timedelta) and (isinstance(boost.offset, timedelta) or boost.offset == 0)
    return spans and not isinstance(boost.origin, float)


def _check_facet(schema: CatalogSchema, facet: FacetRequest) -> None:
    attribute = _usable(schema, facet.attribute, "count by", "declared", lambda _: True)
    if facet.edges is None:
        return
    timely = isinstance(facet.edges[0], datetime)
    if attribute.type == "time" and not timely:
        raise InvalidQuery(f"The edges of the facet of {facet.attribute} must be times with their zone.")
    if attribute.type != "time" and (timely or attribute.type not in NUMBERS):
        needs = "be numbers" if attribute.type in NUMBERS else f"not be given: it is {attribute.type}"
        raise InvalidQuery(f"The edges of the facet of {facet.attribute} must {needs}.")


def _usable(schema: CatalogSchema, name: str, use: str, quality: str, fits: Callable[[Attribute], bool]) -> Attribute:
    """The attribute, if it exists and may be used like this."""
    found = schema.attributes.get(name)
    if found is not None and fits(found):
        return found
    known = [each for each, attribute in schema.attributes.items() if fits(attribute)]
    close = get_close_matches(name, known, n=len(known) or 1)
    ordered = [*close, *(each for each in known if each not in close)]
    what = f"is {found.type} and not {quality}" if found else "is not declared"
    names = ", ".join(ordered) or f"none; declare {quality} attributes in catalog.toml"
    raise InvalidQuery(f"Can't {use} {name!r:.60}, which {what}. Possible: {names}.")
