"""Rows become what Milvus takes, and come back as the columns say."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymilvus.client.search_result import Hit as SearchHit

from fourtower_search.index.columns import row_from, to_columns
from fourtower_search.index.milvus.entities import (
    MAX_MESSAGE,
    LazyPayload,
    RowReader,
    entity_of,
    from_engine,
    messages,
    to_engine,
)
from fourtower_search.index.rows import Order, Row
from fourtower_search.schema import Attribute, CatalogSchema

SCHEMA = CatalogSchema(
    attributes={
        "price": Attribute(type="float"),
        "stock": Attribute(type="int"),
        "brand": Attribute(type="string"),
        "tags": Attribute(type="strings", searchable=True),
        "sale": Attribute(type="bool"),
        "since": Attribute(type="time"),
    }
)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        "price": st.floats(allow_nan=False, allow_infinity=False).filter(lambda value: value > -1.7e308),
        "stock": st.integers(-(2**63) + 1, 2**63 - 1),
        "brand": TEXT.filter(bool),
        "tags": st.lists(TEXT.filter(bool), min_size=1, max_size=3).map(tuple),
        "sale": st.booleans(),
        "since": st.integers(0, 2**40),
    },
)
JSON = st.dictionaries(TEXT, st.none() | st.booleans() | st.integers() | TEXT | st.lists(TEXT, max_size=2), max_size=3)


@given(attributes=ATTRIBUTES, payload=JSON, title=TEXT, deleted=st.booleans(), view=st.integers(0, 9))
def test_hits_are_read_as_the_columns_say(attributes, payload, title, deleted, view):
    row = Row("p", Order(3, deleted, "d"), view, 10, "i", "t", "text", True, None, attributes, "g", "s", title, payload)
    columns = to_columns(row, SCHEMA)
    read = RowReader(SCHEMA, "float32").row(columns)
    assert read == row_from(columns, SCHEMA) == row
    assert all(type(value) is type(attributes[name]) for name, value in read.attributes.items())
    assert to_columns(read, SCHEMA) == columns


@given(version=st.integers(0, 9), deleted=st.booleans(), view=st.integers(0, 9), score=st.floats(-1, 1))
def test_a_hit_says_of_its_row_what_the_row_says(version, deleted, view, score):
    row = Row("p", Order(version, deleted, "d"), view, 10, title="A mug")
    found = SearchHit({"key": row.key, "distance": score, "entity": to_columns(row, SCHEMA)}, pk_name="key")
    [hit] = RowReader(SCHEMA, "float32").hits([found])
    assert (hit.product_id, hit.view, hit.order, hit.key, hit.score) == ("p", view, row.order, row.key, score)
    assert hit.row == row
    assert hit.row is hit.row


def test_a_payload_is_parsed_when_it_is_looked_at_and_then_equals_the_original():
    payload = LazyPayload("not JSON")
    with pytest.raises(json.JSONDecodeError):
        payload.get("images")
    payload = LazyPayload('{"a": [1], "b": null}')
    assert dict(payload) == payload == {"a": [1], "b": None}
    assert (payload.get("a"), payload.get("c"), payload.get("c", 3)) == ([1], None, 3)
    assert (len(payload), "a" in payload, payload["a"], repr(payload)) == (2, True, [1], "{'a': [1], 'b': None}")
    assert pickle.loads(pickle.dumps(payload)) == payload


@given(values=st.lists(st.floats(width=32, allow_nan=False, min_value=-60000, max_value=60000), min_size=1, max_size=9))
def test_vectors_survive_in_each_type_to_its_precision(values):
    vector = np.array(values, dtype=np.float32)
    assert from_engine(to_engine(vector, "float32").tolist(), "float32").tobytes() == vector.tobytes()
    half = to_engine(vector, "float16")
    assert from_engine([half.tobytes()], "float16") == pytest.approx(vector, rel=2**-10, abs=6e-5)
    brain = from_engine(to_engine(vector, "bfloat16"), "bfloat16")
    assert brain == pytest.approx(vector, rel=2**-8, abs=1e-38)


def test_bfloat16_rounds_to_nearest_and_ties_to_even():
    values = np.array([1.0, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20], dtype=np.float32)
    assert from_engine(to_engine(values, "bfloat16"), "bfloat16").tolist() == [1.0, 1.0, 1 + 2**-6, 1 + 2**-7]


def test_a_write_is_split_into_messages_that_a_server_takes():
    big = Row("p", Order(1, False, "d"), 0, 1, vector=np.zeros(8, np.float32), payload={"description": "x" * 59_000})
    entities = [entity_of(big, SCHEMA, 8, "float32", lexical=True) for _ in range(200)]
    parts = list(messages(entities))
    assert [entity for part in parts for entity in part] == entities
    assert len(parts) > 1
    for part in parts:
        assert sum(len(json.dumps(entity, default=len)) for entity in part) < MAX_MESSAGE
    assert list(messages([])) == []


def test_deleted_rows_have_no_words_to_find():
    row = Row("p", Order(1, True, "d"), 0, 1, title="left over")
    assert entity_of(row, SCHEMA, 4, "float32", lexical=True)["words"] == ""
    assert not entity_of(row, SCHEMA, 4, "float32", lexical=True)["vector"].any()
