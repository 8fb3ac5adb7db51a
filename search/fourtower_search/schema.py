"""The declared catalog (`catalog.toml`): which attributes products have, their types, and what they may be used for."""

from __future__ import annotations

import hashlib
import json
import math
import re
import tomllib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from fourtower_search.errors import InvalidCatalog

Value = str | int | float | bool | tuple[str, ...]
"""An attribute in its stored form; times are milliseconds since 1970 in UTC."""
AttributeType = Literal["string", "int", "float", "bool", "time", "strings"]

NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
BUILT_IN = ("product_id", "group_id", "title", "description", "images", "score", "relevance", "version")
MAX_ATTRIBUTES = 40
"""A Milvus collection has at most 64 columns, some of which are ours."""
LOWEST_INT = -(2**63)
LOWEST_FLOAT = -1.7976931348623157e308
"""The lowest value of each type stands for "missing" in the index, so that no other column says it."""


class Attribute(BaseModel):
    """One declared attribute."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: AttributeType
    required: bool = False
    filterable: bool = True
    sortable: bool = False
    boostable: bool = False
    searchable: bool = False
    """Its words can be matched one by one (`F.brand.matches("finch")`), and they count in lexical search."""
    max_length: int = Field(default=512, ge=1, le=16_384)
    """Longest string, in UTF-8 bytes."""
    max_items: int = Field(default=64, ge=1, le=1024)
    """Most strings of a `strings` attribute."""


class CatalogSchema(BaseModel):
    """All declared attributes; anything else that a product carries is kept for display only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attributes: dict[str, Attribute] = {}

    @field_validator("attributes")
    @classmethod
    def _usable_names(cls, attributes: dict[str, Attribute]) -> dict[str, Attribute]:
        if len(attributes) > MAX_ATTRIBUTES:
            raise ValueError(f"{len(attributes)} attributes are declared; {MAX_ATTRIBUTES} are possible")
        for name, attribute in attributes.items():
            if not NAME.fullmatch(name):
                raise ValueError(f"the name {name!r} must be lower-case letters, digits and _, at most 48 of them")
            if name in BUILT_IN:
                raise ValueError(f"every product has a {name} already; choose another name")
            _check_uses(name, attribute)
        return attributes

    @classmethod
    def load(cls, path: Path) -> CatalogSchema:
        """Read `catalog.toml`.

        Raises:
            InvalidCatalog: the file is missing, no TOML, or declares something impossible.
        """
        try:
            return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise InvalidCatalog(f"{path}: {error.strerror}.") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InvalidCatalog(f"{path} is not valid TOML: {error}.") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise InvalidCatalog(f"{path}: {where}: {first['msg']}.") from error

    @property
    def hash(self) -> str:
        """Changes with anything that changes what is stored."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def split(self, attributes: Mapping[str, Any]) -> tuple[dict[str, Value], dict[str, Any]]:
        """Check a product's attributes; return the declared ones in stored form, and the rest.

        None, empty strings and empty lists are missing values.

        Raises:
            InvalidCatalog: a value has the wrong type or size, or a required one is missing.
        """
        declared: dict[str, Value] = {}
        for name, attribute in self.attributes.items():
            value = attributes.get(name)
            if value not in (None, "", [], ()):
                declared[name] = _stored(name, attribute, value)
            elif attribute.required:
                raise InvalidCatalog(f"The required attribute {name} ({attribute.type}) is missing.")
        return declared, {name: value for name, value in attributes.items() if name not in self.attributes}


def _check_uses(name: str, attribute: Attribute) -> None:
    numeric = attribute.type in ("int", "float", "time")
    if attribute.sortable and attribute.type == "strings":
        raise ValueError(f"{name} holds several strings; nothing can be sorted by it")
    if attribute.boostable and not (numeric or attribute.type == "bool"):
        raise ValueError(f"{name} is {attribute.type}; only int, float, time and bool can boost")
    if attribute.searchable and attribute.type not in ("string", "strings"):
        raise ValueError(f"{name} is {attribute.type}; only string and strings have words to search")


def _stored(name: str, attribute: Attribute, value: Any) -> Value:
    """A value in stored form."""
    kind = attribute.type
    if kind == "string" and isinstance(value, str):
        return _text(name, attribute, value)
    if kind == "strings" and isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        if len(value) > attribute.max_items:
            raise InvalidCatalog(f"{name} has {len(value)} items; {attribute.max_items} are allowed.")
        return tuple(_text(name, attribute, item) for item in value)
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "int" and isinstance(value, int) and not isinstance(value, bool):
        return _integer(name, value)
    if kind == "float" and isinstance(value, int | float) and not isinstance(value, bool):
        return _real(name, value)
    if kind == "time":
        return _integer(name, as_milliseconds(name, value))
    raise InvalidCatalog(f"{name} must be {kind}, not {value!r:.60}.")


def as_milliseconds(name: str, value: Any) -> int:
    """A point in time: RFC 3339 text with a zone, or a datetime with one."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise InvalidCatalog(f"{name} must be a time with its zone, like 2026-05-01T12:00:00Z, not {value!r:.60}.")
    return round(moment.timestamp() * 1000)


def _text(name: str, attribute: Attribute, value: str) -> str:
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidCatalog(f"{name} holds half a character (a lone surrogate), which is no text.") from None
    if size > attribute.max_length:
        raise InvalidCatalog(f"{name} is {size} bytes long; {attribute.max_length} are allowed.")
    if "\x00" in value:
        raise InvalidCatalog(f"{name} holds a NUL character, which no index stores.")
    return value


def _integer(name: str, value: int) -> int:
    if not LOWEST_INT < value < 2**63:
        raise InvalidCatalog(f"{name} is {value}, which does not fit 64 bits.")
    return value


def _real(name: str, value: float) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or number == LOWEST_FLOAT:
        raise InvalidCatalog(f"{name} must be a finite number, not {value!r:.60}.")
    return number + 0.0  # -0.0 becomes 0.0
