"""The published JSON Schema says what the models say."""

from pathlib import Path

from fourtower_ingest.schema import event_schema, event_schema_text

PUBLISHED = Path(__file__).parents[2] / "docs" / "event.schema.json"


def test_the_published_schema_is_in_step_with_the_contract():
    assert PUBLISHED.read_text(encoding="utf-8") == event_schema_text(), "write event_schema_text() to that file"


def test_the_schema_names_every_kind_of_event_and_forbids_the_rest():
    definitions = event_schema()["$defs"]
    assert set(definitions) == {"Upsert", "Patch", "Delete", "Product", "ProductChange", "Image"}
    assert all(definition["additionalProperties"] is False for definition in definitions.values())
    assert definitions["Product"]["properties"]["title"]["maxLength"] == 4000
    assert {kind["type"] for kind in definitions["ProductChange"]["properties"]["title"]["anyOf"]} == {"string", "null"}
    assert definitions["Upsert"]["required"] == ["op", "product_id", "version", "product"]
