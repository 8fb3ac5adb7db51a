"""What requests to the service may say, strictly: unknown fields are refused, and nothing is converted."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from fourtower_encoders.joint import Weights
from fourtower_search.errors import InvalidQuery
from fourtower_search.query.boosts import Boost
from fourtower_search.query.filtering import OptionalWhere
from fourtower_search.query.forms import PartForm, as_part, first_problem
from fourtower_search.query.parts import Image, QueryPart
from fourtower_search.query.refinements import Cut, FacetRequest, Pick, Sort
from fourtower_search.query.request import MAX_CURSOR, MAX_DEPTH, MAX_PAGE, MAX_PARTS, Mode

MAX_FIELD = 100_000
"""Characters of one text of a request; what is longer is no words, id or name."""
Text = Annotated[str, Field(max_length=MAX_FIELD)]


class UploadForm(BaseModel):
    """`{"upload": 0}`: a picture that was sent with the request, by its place."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    upload: int = Field(ge=0, lt=16)
    weight: float = 1.0


Piece = str | QueryPart | UploadForm
"""Of a query."""


def _pieces(value: Any) -> tuple[Piece, ...]:
    listed = value if isinstance(value, list) else [] if value is None else [value]
    if len(listed) > MAX_PARTS:
        raise InvalidQuery(f"The query has {len(listed):,} parts; {MAX_PARTS} are allowed.")
    return tuple(_piece(each) for each in listed)


def _piece(value: Any) -> Piece:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict) or "upload" not in value:
        return as_part(value)
    try:
        return UploadForm.model_validate(value)
    except ValidationError as error:
        raise InvalidQuery(f"In a query part, {first_problem(error)}.") from error


def _pictures(value: Any) -> tuple[QueryPart, ...]:
    """Pictures are named by URLs: a path of the server's own files must never be read from a request."""
    listed = value if isinstance(value, list) else [] if value is None else [value]
    if len(listed) > MAX_PARTS:
        raise InvalidQuery(f"The query has {len(listed):,} pictures; {MAX_PARTS} parts are allowed.")
    return tuple(as_part({"image": each}) for each in listed)


_QueryForm = Text | PartForm | UploadForm | Annotated[list[Text | PartForm | UploadForm], Field(max_length=MAX_PARTS)]
_ImagesForm = Text | Annotated[list[Text], Field(max_length=MAX_PARTS)]
Pieces = Annotated[tuple[Piece, ...], PlainValidator(_pieces, json_schema_input_type=_QueryForm | None)]
Pictures = Annotated[tuple[QueryPart, ...], PlainValidator(_pictures, json_schema_input_type=_ImagesForm | None)]


class Body(BaseModel):
    """A request's JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True)


class QueryBody(Body):
    """What to look for, and how; every option means what it does in the SDK."""

    query: Pieces = Field(
        default=(), description="Words, in which `-word` moves away from something; or parts; or a list of both."
    )
    text: Text | None = Field(default=None, description="Words, beside the query.")
    image: Pictures = Field(default=(), description="A picture, or several: `data:image/...` or http(s) URLs.")
    where: OptionalWhere = Field(default=None, description="A filter: its JSON form or its text.")
    mode: Mode | None = None
    fusion: Literal["blend", "rrf"] | None = None
    limit: int | None = Field(default=None, ge=1, le=MAX_PAGE, description="Products on a page; 10 if not given.")
    depth: int | None = Field(
        default=None, ge=1, le=MAX_DEPTH, description="Distinct products that are ranked, counted, paged through."
    )
    collapse: Literal["product", "group"] | None = Field(
        default=None, description="One hit per product, or per group of variants."
    )
    pick: Pick | None = Field(default=None, description="Which variant stands for its group.")
    boosts: tuple[Boost, ...] | None = Field(default=None, max_length=8)
    min_relevance: float | None = Field(default=None, ge=0, le=1, description="Leave out what is less relevant.")
    cut: Cut | None = None
    sort: Sort | Text | None = Field(default=None, description='An attribute; `"-price"` is from high to low.')
    diversity: float | None = Field(default=None, ge=0, le=1)
    freshness: Literal["fast", "verified"] | None = None
    explain: bool | None = Field(default=None, description="Say how each score came about.")
    cursor: str | None = Field(default=None, max_length=MAX_CURSOR, description="`next_cursor` of the page before.")
    rerank: str | None = Field(default=None, max_length=100)
    weights: Weights | None = None
    image_amount: float | None = Field(default=None, ge=0, le=1)

    def options(self) -> dict[str, Any]:
        """What was said beside what to look for."""
        said = {name: getattr(self, name) for name in self.model_fields_set - _WHAT}
        return {name: value for name, value in said.items() if value is not None}


class SearchBody(QueryBody):
    """A search."""

    facets: tuple[FacetRequest | Text, ...] | None = Field(
        default=None, max_length=20, description="Attributes to count the found products by."
    )


class FacetsBody(QueryBody):
    """What to look for, and what to count."""

    of: tuple[FacetRequest | Text, ...] = Field(min_length=1, max_length=20, description="Attributes to count by.")


_WHAT = frozenset({"query", "text", "image", "of"})


class BatchBody(Body):
    """Several searches, answered together."""

    queries: tuple[SearchBody, ...] = Field(min_length=1, max_length=1000)


class LookupBody(Body):
    """Ids of products."""

    ids: tuple[Text, ...] = Field(max_length=1000)


class CountBody(Body):
    """A filter, or nothing to count all."""

    where: OptionalWhere = None


class ScanBody(Body):
    """From where on, and how many, by ascending id."""

    where: OptionalWhere = None
    after: Text = Field(default="", description="The last id that is known; empty: from the first.")
    limit: int = Field(default=100, ge=1, le=1000)


class EmbedBody(Body):
    """Texts and pictures to embed as those of a query."""

    texts: tuple[Text, ...] = Field(default=(), max_length=1000)
    images: Pictures = Field(
        default=(), description="`data:image/...` or http(s) URLs; pictures sent as files come after them."
    )

    @property
    def sources(self) -> list[str]:
        """The URLs, which were checked."""
        return [str(part.source) for part in self.images if isinstance(part, Image)]


_Body = TypeVar("_Body", bound=Body)


def read_body(kind: type[_Body], data: bytes) -> _Body:
    """A request's JSON, checked.

    Raises:
        InvalidQuery: it is no JSON, or says something that it can't; the message says what, and where.
    """
    try:
        return kind.model_validate_json(data, strict=True)
    except ValidationError as error:
        raise InvalidQuery(f"The request can't be used: {_problem(kind, error)}.") from error


def _problem(kind: type[Body], error: ValidationError) -> str:
    """What is wrong first; of a field that there is not, which one may be meant."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] != "extra_forbidden" or len(first["loc"]) > 1:
        return first_problem(error)
    name, known = str(first["loc"][0]), list(kind.model_fields)
    close = get_close_matches(name, known, n=1)
    meant = f"perhaps {close[0]} is meant" if close else f"there are: {', '.join(known)}"
    return f"there is no field {name!r:.60}; {meant}"
