"""From bytes to an event: strict JSON, then the contract, and one sentence about the first thing that is wrong."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from fourtower_ingest.errors import MalformedEvent
from fourtower_ingest.events import EVENTS, Delete, Image, Patch, Upsert

_WANTED = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "string_unicode": "holds half a character (a lone surrogate), which is no text",
}


class EventRules(BaseModel):
    """What a topic or file of events may hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_bytes: int = Field(default=1_048_576, ge=1)
    """Of one event; raise it together with the broker's limit where pictures come inside events."""
    unknown_fields: Literal["refuse", "ignore"] = "refuse"
    """A field that is not in the contract is more often a misspelt one than one for somebody else."""


DEFAULT_RULES = EventRules()


def parse_event(
    raw: bytes, *, key: bytes | None = None, version: int | None = None, rules: EventRules = DEFAULT_RULES
) -> Upsert | Patch | Delete:
    """Read one event.

    Args:
        raw: its JSON in UTF-8.
        key: the key under which it was published; it must be the product's id.
        version: takes the place of the event's own version, if it has one at all.
        rules: what is accepted.

    Raises:
        MalformedEvent: it breaks the contract.
    """
    fields = _as_object(raw, rules)
    if version is not None:
        fields = {**fields, "version": version}
    op = fields.get("op")
    model = EVENTS.get(op) if isinstance(op, str) else None
    if model is None:
        what = "is missing" if "op" not in fields else f"is {shown(op)}"
        raise MalformedEvent("invalid", f"op {what}; it must be upsert, patch or delete.", where="op")
    event = _validated(model, fields, rules)
    check_key(event.product_id, key)
    return event


def check_key(product_id: str, key: bytes | None) -> None:
    """Refuse an event that was published under another key: the order of its product's events would be lost."""
    if key is not None and key != product_id.encode():
        raise MalformedEvent(
            "key_mismatch",
            f"The record's key {shown(key)} differs from product_id {shown(product_id)}; publish it under its id.",
            where="product_id",
        )


def shown(value: object) -> str:
    """A value in a message: in ASCII, never longer than a line, never the inside of a container."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**20:
        return "a number of more than 20 digits"
    text = ascii(value[:60] if isinstance(value, str | bytes) else value)
    return f"{text:.60}"


def _as_object(raw: bytes, rules: EventRules) -> dict[str, Any]:
    if len(raw) > rules.max_bytes:
        raise MalformedEvent("too_big", f"The event has {len(raw):,} bytes; {rules.max_bytes:,} are allowed.")
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise MalformedEvent("not_json", f"The event is not UTF-8: byte {error.start} begins no character.") from error
    except json.JSONDecodeError as error:
        hint = "; leave out the byte order mark" if raw.startswith(b"\xef\xbb\xbf") else ""
        raise MalformedEvent(
            "not_json", f"The event is not JSON: {error.msg} at character {error.pos}{hint}."
        ) from error
    except ValueError as error:  # more digits than Python converts
        raise MalformedEvent("invalid", "The event holds a number of thousands of digits; send it as text.") from error
    except RecursionError as error:
        raise MalformedEvent("too_deep", "The event nests objects or lists hundreds of levels deep.") from error
    if not isinstance(value, dict):
        raise MalformedEvent("invalid", f"The event is {shown(value)}; it must be a JSON object.")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise MalformedEvent("duplicate_key", f"The key {shown(twice)} appears twice in one object; keep one of them.")
    return fields


def _refuse_constant(name: str) -> Any:
    raise MalformedEvent("not_finite", f"{name} is not a number of JSON; leave the field out, or send null.")


def _validated(
    model: type[Upsert] | type[Patch] | type[Delete], fields: dict[str, Any], rules: EventRules
) -> Upsert | Patch | Delete:
    known = _known_only(model, fields) if rules.unknown_fields == "ignore" else fields
    try:
        return model.model_validate(known)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = _path(first["loc"])
        code = "unknown_field" if first["type"] == "extra_forbidden" else "invalid"
        raise MalformedEvent(code, f"{where or 'The event'} {_complaint(first, model)}.", where=where) from error


def _complaint(first: ErrorDetails, model: type[BaseModel]) -> str:
    kind, value = first["type"], first["input"]
    if kind == "value_error":
        return str(first["ctx"]["error"])
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        names = sorted(_model_at(model, first["loc"][:-1]).model_fields)
        return f"is no field of the contract; known here are {', '.join(names)}"
    if kind == "literal_error":
        return f"is {shown(value)}; it must be {first['ctx']['expected']}"
    wanted = _WANTED.get(kind)
    return f"{wanted}, not {shown(value)}" if wanted else f"can't be used: {first['msg']}"


def _path(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{shown(part)[1:-1]}"
    return text.removeprefix(".")


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel]:
    if not location:
        return model
    return Image if "images" in location else _product_model(model)


def _product_model(model: type[BaseModel]) -> type[BaseModel]:
    inner = model.model_fields["product"].annotation
    assert isinstance(inner, type)
    assert issubclass(inner, BaseModel)
    return inner


def _known_only(model: type[BaseModel], fields: dict[str, Any]) -> dict[str, Any]:
    """An event without the fields that the contract does not have."""
    known = {name: value for name, value in fields.items() if name in model.model_fields}
    product = known.get("product")
    if not isinstance(product, dict):
        return known
    kept = {name: value for name, value in product.items() if name in _product_model(model).model_fields}
    if isinstance(kept.get("images"), list):
        kept["images"] = [_known_image(image) for image in kept["images"]]
    return {**known, "product": kept}


def _known_image(image: Any) -> Any:
    if not isinstance(image, dict):
        return image
    return {name: value for name, value in image.items() if name in Image.model_fields}
