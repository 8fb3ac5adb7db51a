"""What `/schema` says: the facts of an index as JSON, and back."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError

from fourtower_search.answering import IndexFacts
from fourtower_search.schema import Attribute, CatalogSchema
from fourtower_search.wire.reading import as_bool, as_integer, as_object, as_text, texts, unfit

_KNOWN = frozenset(Attribute.model_fields)


def facts_form(facts: IndexFacts) -> dict[str, Any]:
    """Facts as JSON. Of a model's folder only the last part is said: where it lies is the server's own business."""
    return {
        "generation": facts.generation,
        "model_id": facts.model_id,
        "model": re.split(r"[/\\]", facts.model.rstrip("/\\"))[-1],
        "demo": facts.demo,
        "dim": facts.dim,
        "engine": facts.engine,
        "lexical": facts.lexical,
        "rerankers": list(facts.rerankers),
        "image_root": facts.image_root,
        "schema": facts.schema.model_dump(mode="json"),
    }


def read_facts(form: Any) -> IndexFacts:
    """Facts from their JSON; what a later version says beside them is passed over.

    Raises:
        IndexMismatch: they are none; the message names what does not fit.
    """
    said = as_object(form, "the answer")
    return IndexFacts(
        generation=as_text(said.get("generation"), "generation"),
        schema=_schema(as_object(as_object(said.get("schema"), "schema").get("attributes"), "attributes")),
        model_id=as_text(said.get("model_id"), "model_id"),
        model=as_text(said.get("model", ""), "model"),
        demo=as_bool(said.get("demo", False), "demo"),
        dim=as_integer(said.get("dim"), "dim"),
        engine=as_text(said.get("engine", ""), "engine"),
        lexical=as_bool(said.get("lexical", False), "lexical"),
        rerankers=texts(said.get("rerankers", []), "rerankers"),
        image_root=as_bool(said.get("image_root", False), "image_root"),
    )


def _schema(attributes: dict[str, Any]) -> CatalogSchema:
    known = {
        name: {key: value for key, value in as_object(each, "attributes").items() if key in _KNOWN}
        for name, each in attributes.items()
    }
    try:
        return CatalogSchema.model_validate({"attributes": known})
    except ValidationError as error:
        raise unfit("attributes", "a catalog's declaration") from error
