"""The event contract as JSON Schema, for producers in other languages."""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter

from fourtower_ingest.events import EVENTS, Event


def event_schema() -> dict[str, Any]:
    """The schema of one event; what it can't express (sizes in bytes, addresses) the parser checks all the same."""
    schema = TypeAdapter[Any](Event).json_schema()
    for model in EVENTS.values():
        schema["$defs"][model.__name__]["required"].insert(0, "op")  # a default only in our own code
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Catalog event",
        "description": "One change of one product, published under its product_id as key.",
    }
    return {**head, **schema}


def event_schema_text() -> str:
    """The published file's content."""
    return json.dumps(event_schema(), indent=2, sort_keys=True) + "\n"
