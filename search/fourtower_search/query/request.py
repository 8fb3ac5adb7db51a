"""A search request: everything that a query may say, checked as far as is possible without the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError, model_validator

from fourtower_encoders.joint import Weights
from fourtower_search.errors import InvalidQuery
from fourtower_search.query.boosts import Boost
from fourtower_search.query.filtering import OptionalWhere
from fourtower_search.query.forms import PartForm, as_part, first_problem
from fourtower_search.query.parts import QueryPart, Text
from fourtower_search.query.refinements import Cut, FacetRequest, Pick, Sort

MAX_PARTS = 16
MAX_DEPTH = 500
MAX_PAGE = 100
MAX_CURSOR = 262_144
"""Characters. 500 remaining products with ids of 256 random bytes make some 190,000."""

Mode = Literal["auto", "vector", "lexical", "hybrid"]
AnyPart = Annotated[QueryPart, PlainValidator(as_part, json_schema_input_type=PartForm)]


def _facet(value: Any) -> Any:
    """A bare name asks for an attribute's facet with all defaults."""
    return {"attribute": value} if isinstance(value, str) else value


class SearchRequest(BaseModel):
    """One search. `parse` makes it from anything; `checking.check` compares it with the catalog."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True)

    parts: tuple[AnyPart, ...] = Field(max_length=MAX_PARTS)
    where: OptionalWhere = None
    """A filter; its JSON form and its text become one."""
    mode: Mode = "auto"
    """`auto`: hybrid where there are words and the index can search them, else vector."""
    fusion: Literal["blend", "rrf"] = "blend"
    limit: int = Field(default=10, ge=1, le=MAX_PAGE)
    """Products on a page."""
    depth: int = Field(default=100, ge=1, le=MAX_DEPTH)
    """Distinct products that are looked at: ranked, counted, paged through."""
    collapse: Literal["product", "group"] = "product"
    """One hit per product, or per group of variants."""
    pick: Pick = "best"
    """Which variant stands for its group."""
    boosts: tuple[Boost, ...] = Field(default=(), max_length=8)
    cut: Cut | None = None
    sort: Sort | None = None
    diversity: float = Field(default=0.0, ge=0, le=1)
    """0: by score alone; 1: each next hit as unlike the shown ones as possible."""
    freshness: Literal["fast", "verified"] = "fast"
    explain: bool = False
    facets: tuple[Annotated[FacetRequest, BeforeValidator(_facet)], ...] = Field(default=(), max_length=20)
    cursor: str | None = Field(default=None, max_length=MAX_CURSOR)
    rerank: str | None = Field(default=None, max_length=100)
    """Name of a re-ranker."""
    weights: Weights | None = None
    """Of the four alignments, in place of the fitted ones."""
    image_amount: float | None = Field(default=None, ge=0, le=1)
    """Share of the pictures in a query that has pictures and words; None: as the parts' weights say."""

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> SearchRequest:
        """A request from keyword arguments or decoded JSON.

        Raises:
            InvalidQuery: what is wrong, where, and what to do about it.
        """
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise InvalidQuery(f"The request can't be used: {first_problem(error)}.") from error

    @property
    def words(self) -> str:
        """What lexical search looks for: all positive texts."""
        return " ".join(part.text for part in self.parts if isinstance(part, Text) and part.weight > 0)

    def is_lexical(self, *, engine_can: bool) -> bool:
        """Whether words are looked up one by one, too, given what the engine can do."""
        return self.mode in ("lexical", "hybrid") or (self.mode == "auto" and engine_can and bool(self.words))

    @model_validator(mode="after")
    def _consistent(self) -> SearchRequest:
        _check_parts(self)
        _check_boosts(self)
        if self.limit > self.depth:
            raise InvalidQuery(f"limit = {self.limit} is more than depth = {self.depth}; look deeper or show fewer.")
        if self.sort and self.diversity:
            raise InvalidQuery("sort and diversity exclude each other: each decides the whole order. Choose one.")
        if self.pick != "best" and self.collapse != "group":
            raise InvalidQuery("pick chooses among a group's variants; it needs collapse = 'group'.")
        if self.weights and not all(-1e6 <= weight <= 1e6 for weight in self.weights.model_dump().values()):
            raise InvalidQuery("Each of the weights ii, it, ti, tt must be a number from -1e6 to 1e6.")
        return self


def _check_parts(request: SearchRequest) -> None:
    if not request.parts:
        raise InvalidQuery("The query is empty; give it words, a picture, a product or a vector.")
    if all(part.weight < 0 for part in request.parts):
        raise InvalidQuery("The query has nothing positive; give at least one part a positive weight.")
    if request.mode in ("lexical", "hybrid") and not request.words:
        raise InvalidQuery(f"mode = '{request.mode}' looks words up; add a text with a positive weight, or say 'auto'.")
    if request.mode == "lexical" and not all(isinstance(part, Text) and part.weight > 0 for part in request.parts):
        raise InvalidQuery(
            "mode = 'lexical' knows nothing but words to look for; leave out the other parts, or say 'auto'."
        )


def _check_boosts(request: SearchRequest) -> None:
    total = sum(boost.weight for boost in request.boosts)
    if total > 1 + 1e-9:
        raise InvalidQuery(f"The boosts' weights add up to {total:g}; at most 1 can be given away.")
