"""What the single values of an event may be: ids, texts, picture addresses and attributes, all of them bounded.

Sizes of texts are in UTF-8 bytes, because the index's columns are.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator

AttributeValue = bool | int | float | str | tuple[str, ...]
_T = TypeVar("_T")

SCHEMA_VERSION = 1
MAX_ID = 200
MAX_TITLE = 4_000
MAX_DESCRIPTION = 20_000
MAX_IMAGES = 32
MAX_URL = 4_096
MAX_DATA_URL = 28_000_000
"""A picture of 20 MB; what an event may weigh as a whole is usually far less (see `parsing.EventRules`)."""
MAX_ETAG = 512
MAX_ATTRIBUTES = 256
MAX_NAME = 200
MAX_ATTRIBUTE_TEXT = 16_384
MAX_ITEMS = 1_024
INT64 = range(0, 2**63)

_DATA_URL = re.compile(r"data:image/[a-z0-9.+-]+;base64,", re.IGNORECASE)
_HTTP_URL = re.compile(r"https?://[^/?#\s]", re.IGNORECASE)
_KEPT_URL = re.compile(r"inline:[0-9a-f]{64}")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""All of Unicode's category Cc."""


def is_data_url(url: str) -> bool:
    """Whether the picture itself is inside this URL."""
    return url[:5].lower() == "data:"


def is_kept_url(url: str) -> bool:
    """Whether this stands for a picture that once came inside an event (see `kept_url`)."""
    return _KEPT_URL.fullmatch(url) is not None


def is_path(url: str) -> bool:
    """Whether this is a path below the image root."""
    return _SCHEME.match(url) is None


def kept_url(url: str) -> str:
    """A URL as it is remembered: of a picture inside its URL only a hash is."""
    return f"inline:{hashlib.sha256(url.encode()).hexdigest()}" if is_data_url(url) else url


def as_identifier(value: str) -> str:
    """Check a product's id."""
    if not value:
        raise ValueError("is empty; every product has an id")
    return _one_line(value, MAX_ID)


def as_schema_version(value: int) -> int:
    """Check the version of the contract itself."""
    if value != SCHEMA_VERSION:
        raise ValueError(f"is {value}; this version of Fourtower reads {SCHEMA_VERSION}")
    return value


def as_version(value: int) -> int:
    """Check a version; the type is checked before."""
    if value not in INT64:
        raise ValueError(f"must lie between 0 and {INT64[-1]}")
    return value


def _one_line(value: str, size: int) -> str:
    _no_longer(value, size)
    if _CONTROL.search(value):
        raise ValueError("holds a control character; leave it out")
    return value


def _no_longer(value: str, size: int) -> None:
    try:
        length = len(value) if value.isascii() else len(value.encode())
    except UnicodeEncodeError:
        raise ValueError("holds half a character (a lone surrogate), which is no text") from None
    if length > size:
        raise ValueError(f"is {length:,} bytes long; {size:,} are allowed")


def _no_nul(value: str) -> None:
    if "\x00" in value:
        raise ValueError("holds a NUL character, which no index stores; leave it out")


def _text(size: int) -> Callable[[str], str]:
    def check(value: str) -> str:
        _no_longer(value, size)
        _no_nul(value)
        return value

    return check


def _line(size: int) -> Callable[[str], str]:
    return lambda value: _one_line(value, size)


def _url(value: str) -> str:
    if is_data_url(value):
        _no_longer(value, MAX_DATA_URL)
        if not _DATA_URL.match(value):
            raise ValueError("is not of the form data:image/...;base64,...")
        return value
    if not value:
        raise ValueError("is empty; leave the picture out, or say where it is")
    _one_line(value, MAX_URL)
    if not (_HTTP_URL.match(value) or is_kept_url(value)):
        _check_path(value)
    return value


def _check_path(value: str) -> None:
    if not is_path(value):
        raise ValueError("has a scheme that is not accepted; use http, https, data: or a relative path")
    if value.startswith("/") or "\\" in value:
        raise ValueError("must be relative to the image root, its parts divided by /")
    if ".." in value.split("/"):
        raise ValueError("leads upwards; a path may not contain ..")


def _sha256(value: str) -> str:
    if not _SHA256.fullmatch(value):
        raise ValueError("must be the SHA-256 of the picture's file: 64 hexadecimal digits")
    return value.lower()


def _blank(value: Any) -> Any:
    return "" if value is None else value


def _attributes(value: Any, *, removals: bool) -> dict[str, Any]:
    """Check a mapping of attributes; in a full product null is as good as absent, in a patch it removes."""
    if value is None and not removals:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError("must be an object; a patch removes an attribute by setting that one to null")
    if len(value) > MAX_ATTRIBUTES:
        raise ValueError(f"has {len(value):,} entries; {MAX_ATTRIBUTES} are allowed")
    checked = {_attribute_name(name): _attribute(name, item) for name, item in value.items()}
    return checked if removals else {name: item for name, item in checked.items() if item is not None}


def _attribute_name(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise ValueError("has an entry without a name")
    return _named(name, lambda: _one_line(name, MAX_NAME))


def _attribute(name: str, value: Any) -> AttributeValue | None:
    if isinstance(value, str):
        return _named(name, lambda: _text(MAX_ATTRIBUTE_TEXT)(value))
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return _named(name, lambda: _items(value))
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name!r:.60} must be a finite number")
    if isinstance(value, int) and not -INT64.stop <= value < INT64.stop:
        raise ValueError(f"{name!r:.60} does not fit 64 bits; send it as text")
    if value is None or isinstance(value, bool | int | float):
        return value
    raise ValueError(f"{name!r:.60} must be text, a number, true, false or a list of texts")


def _items(value: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    if len(value) > MAX_ITEMS:
        raise ValueError(f"has {len(value):,} items; {MAX_ITEMS:,} are allowed")
    return tuple(map(_text(MAX_ATTRIBUTE_TEXT), value))


def _named(name: str, check: Callable[[], _T]) -> _T:
    """Say which attribute a check complains about."""
    try:
        return check()
    except ValueError as error:
        raise ValueError(f"{name!r:.60} {error}") from None


def _full_attributes(value: Any) -> dict[str, Any]:
    return _attributes(value, removals=False)


def _changed_attributes(value: Any) -> dict[str, Any]:
    return _attributes(value, removals=True)


_Json = bool | int | float | str | list[str] | None
_ATTRIBUTE_SIZES: dict[str, Any] = {"maxProperties": MAX_ATTRIBUTES, "propertyNames": {"maxLength": MAX_NAME}}


def _longest(size: int) -> Any:
    """For the published schema; what is checked is bytes, of which there are at least as many."""
    return Field(json_schema_extra={"maxLength": size})


_AsIs = PlainSerializer(dict, return_type=dict[str, Any])
_OrNull = BeforeValidator(_blank, json_schema_input_type=str | None)

ProductId = Annotated[str, AfterValidator(as_identifier), _longest(MAX_ID)]
SchemaVersion = Annotated[int, AfterValidator(as_schema_version), Field(json_schema_extra={"const": SCHEMA_VERSION})]
Version = Annotated[int, AfterValidator(as_version), Field(json_schema_extra={"minimum": 0, "maximum": INT64[-1]})]
Title = Annotated[str, AfterValidator(_text(MAX_TITLE)), _OrNull, _longest(MAX_TITLE)]
Description = Annotated[str, AfterValidator(_text(MAX_DESCRIPTION)), _OrNull, _longest(MAX_DESCRIPTION)]
GroupId = Annotated[str, AfterValidator(_line(MAX_ID)), _OrNull, _longest(MAX_ID)]
Url = Annotated[str, AfterValidator(_url), Field(json_schema_extra={"minLength": 1})]
Sha256 = Annotated[str, AfterValidator(_sha256), Field(json_schema_extra={"pattern": f"^{_SHA256.pattern}$"})]
Etag = Annotated[str, AfterValidator(_line(MAX_ETAG)), _longest(MAX_ETAG)]
Attributes = Annotated[
    dict[str, AttributeValue],
    PlainValidator(_full_attributes, json_schema_input_type=dict[str, _Json] | None),
    _AsIs,
    Field(json_schema_extra=_ATTRIBUTE_SIZES),
]
ChangedAttributes = Annotated[
    dict[str, AttributeValue | None],
    PlainValidator(_changed_attributes, json_schema_input_type=dict[str, _Json]),
    _AsIs,
    Field(json_schema_extra=_ATTRIBUTE_SIZES),
]
