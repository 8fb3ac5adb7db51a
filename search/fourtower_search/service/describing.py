"""Describes requests and answers for OpenAPI, where the framework can't: bodies that are JSON or a form.

Descriptions of bodies stand where they are used, without references, so that they are whole in the application of
any host. A filter inside a filter is described as an object: it has the form of the outer one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from fourtower_search.service.answers import ErrorAnswer
from fourtower_search.service.uploads import LITERALS, WORDS

ResponsesForm = dict[int | str, dict[str, Any]]
_RETRY = {"Retry-After": {"description": "Seconds to wait.", "required": True, "schema": {"type": "integer"}}}


def answers(kind: type[BaseModel]) -> ResponsesForm:
    """What a route answers: one thing if it works, else an error."""
    return {
        200: {"model": kind, "description": "It worked."},
        429: {"model": ErrorAnswer, "description": "Too many requests with this key.", "headers": _RETRY},
        503: {"model": ErrorAnswer, "description": "Not now: try again later.", "headers": _RETRY},
        "default": {"model": ErrorAnswer, "description": "It did not work; `code` says why."},
    }


def takes(kind: type[BaseModel], examples: Mapping[str, Any], *, pictures: bool = False, fields: bool = False) -> Any:
    """The body of a request.

    Args:
        kind: of its JSON.
        examples: of it, by what they show.
        pictures: it may be a form with files, too.
        fields: which may have options as fields of their own.
    """
    shown = {name: {"summary": name, "value": value} for name, value in examples.items()}
    content: dict[str, Any] = {"application/json": {"schema": inlined(kind.model_json_schema()), "examples": shown}}
    if pictures:
        content["multipart/form-data"] = {"schema": _form(fields=fields)}
    return {"requestBody": {"required": True, "content": content}}


def inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without references and titles."""
    found = _inlined(schema, schema.get("$defs", {}), ())
    assert isinstance(found, dict)
    return found


def _inlined(value: Any, known: Mapping[str, Any], outer: tuple[str, ...]) -> Any:
    if isinstance(value, list):
        return [_inlined(each, known, outer) for each in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        if name in outer:
            return {"type": "object", "description": "Of the same form as the one that it is in."}
        return _inlined(known[name], known, (*outer, name))
    return {key: _inlined(each, known, outer) for key, each in value.items() if not _is_left_out(key, each)}


def _is_left_out(key: str, value: Any) -> bool:
    no_default = key == "default" and value is None
    return no_default or key in ("$defs", "discriminator") or (key == "title" and isinstance(value, str))


def _form(*, fields: bool) -> dict[str, Any]:
    file = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
    pictures = {"type": "array", "items": file, "maxItems": 16, "description": "JPEG, PNG, WebP or GIF files."}
    request = {"type": "string", "contentMediaType": "application/json", "description": "The JSON body, as text."}
    properties: dict[str, Any] = {"image": pictures, "request": request}
    if fields:
        properties |= {name: {"type": "string"} for name in sorted(WORDS)}
        properties |= {name: {"type": ["number", "boolean"]} for name in sorted(LITERALS)}
    return {"type": "object", "properties": properties, "additionalProperties": False}
