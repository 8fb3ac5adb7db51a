"""Generations of an index: numbered, recorded, switched in one step, dropped for good; alike on every engine."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest
from pydantic import ValidationError
from tests.search.index.conftest import new_name

from fourtower_encoders.joint import QueryParams, Weights
from fourtower_search.errors import IndexMismatch, InvalidQuery, SearchError
from fourtower_search.index.conditions import Every
from fourtower_search.index.deadline import Deadline
from fourtower_search.index.generations import (
    GenerationPlan,
    GenerationRecord,
    MemoryGenerations,
    parse_record,
    record_of,
)
from fourtower_search.index.milvus.collections import exists
from fourtower_search.index.opening import create_index, open_generation, open_generations, open_index
from fourtower_search.index.rows import Order, ProductWrite, Row
from fourtower_search.index.settings import IndexSettings
from fourtower_search.schema import Attribute, CatalogSchema

SECONDS = 60.0
DIM = 8
PLAN = GenerationPlan(
    model="checkpoints/one",
    model_id="m1",
    dim=DIM,
    catalog=CatalogSchema(attributes={"brand": Attribute(type="string", searchable=True)}),
    kappa_image=0.25,
    kappa_text=0.5,
    lexical_k=3.0,
    lexical_weight=0.2,
    topic_id="abc",
    partition_count=6,
    index=IndexSettings(type="FLAT"),
)
ROW = Row("p1", Order(1, False, "d"), 0, 1, vector=np.ones(DIM, np.float32), attributes={"brand": "x"})


def remove_all(generations):
    """Drop everything that a test made of an alias, live or not."""
    connection = generations._connection
    deadline = Deadline(SECONDS)
    for record in generations.records(timeout_s=SECONDS):
        connection.call("drop_collection", "clean up", deadline, collection_name=record.collection)
    connection.call("drop_alias", "clean up", deadline, missing=(100, 1600), alias=generations.alias)
    connection.call("drop_collection", "clean up", deadline, collection_name=f"{generations.alias}_generations")


@pytest.fixture
def alias(engine, request):
    """A name of an index; what is under it is removed afterwards."""
    alias = new_name()
    address = None if engine == "memory" else request.getfixturevalue("address")
    yield alias
    if address is not None:
        with closing(open_generations(address, alias=alias)) as generations:
            remove_all(generations)


@pytest.fixture
def generations(engine, alias, request):
    if engine == "memory":
        yield MemoryGenerations(alias)
        return
    with closing(open_generations(request.getfixturevalue("address"), alias=alias)) as generations:
        yield generations


def test_generations_are_built_switched_and_dropped(generations, alias):
    assert generations.records(timeout_s=SECONDS) == []
    assert generations.current(timeout_s=SECONDS) is None

    first = generations.create(PLAN, timeout_s=SECONDS)
    assert (first.generation, first.alias, first.collection) == (1, alias, f"{alias}_g1")
    assert GenerationPlan(**{name: getattr(first, name) for name in GenerationPlan.model_fields}) == PLAN
    assert first.schema_hash == PLAN.catalog.hash
    assert generations.current(timeout_s=SECONDS) is None
    generations.point(1, timeout_s=SECONDS)
    assert generations.current(timeout_s=SECONDS) == first

    second = generations.create(PLAN.model_copy(update={"model_id": "m2", "dim": 12}), timeout_s=SECONDS)
    assert second.generation == 2
    rows = generations.open(first, timeout_s=SECONDS)
    rows.upsert([ROW], timeout_s=SECONDS)
    other = generations.open(second, timeout_s=SECONDS)
    assert (other.dim, other.schema) == (12, PLAN.catalog)
    assert other.count(Every(()), consistency="strong", timeout_s=SECONDS) == 0

    generations.point(2, timeout_s=SECONDS)
    assert generations.current(timeout_s=SECONDS) == second
    with pytest.raises(InvalidQuery, match=r"Generation 2 of \w+ is live"):
        generations.drop(2, timeout_s=SECONDS)
    generations.point(1, timeout_s=SECONDS)
    generations.drop(2, timeout_s=SECONDS)
    assert generations.records(timeout_s=SECONDS) == [first]
    # A client that still holds the second one must never find a third model under its name.
    assert generations.create(PLAN, timeout_s=SECONDS).generation == 3
    for act in (generations.point, generations.drop):
        with pytest.raises(InvalidQuery, match="has no generation 2; it has 1, 3"):
            act(2, timeout_s=SECONDS)
    with pytest.raises(SearchError):
        generations.open(second, timeout_s=SECONDS)
    assert rows.count(Every(()), consistency="strong", timeout_s=SECONDS) == 1
    for store in (rows, other):
        store.close()


@pytest.mark.parametrize("engine", ["memory", "lite_file", "milvus"])
def test_what_was_fitted_may_be_recorded_anew_but_not_what_rows_were_built_with(generations):
    record = generations.create(PLAN, timeout_s=SECONDS)
    amended = record.model_copy(update={"kappa_image": 0.75, "lexical_weight": 0.0})
    generations.amend(amended, timeout_s=SECONDS)
    assert generations.records(timeout_s=SECONDS) == [amended]
    for change in ({"model_id": "m2"}, {"dim": 99}, {"catalog": CatalogSchema()}, {"index": IndexSettings()}):
        with pytest.raises(IndexMismatch, match="can't change; build a new generation"):
            generations.amend(record.model_copy(update=change), timeout_s=SECONDS)


@pytest.mark.parametrize("engine", ["lite_file", "lite_server", "milvus"])
def test_an_index_is_created_once_and_opened_by_its_address(address, alias):
    with pytest.raises(IndexMismatch, match=rf"There is no index {alias} at .*; create it first"):
        open_index(address, alias=alias)
    params = QueryParams(weights=Weights(ii=2.0), kappa_image=0.99)
    with create_index(address, PLAN, alias=alias, params=params) as index:
        assert index.apply([ProductWrite("p1", ROW.order, (ROW,))], timeout_s=SECONDS)[0].status == "applied"
    with pytest.raises(IndexMismatch, match=rf"There is an index {alias} at .* already"):
        create_index(address, PLAN, alias=alias)

    with open_index(address, alias=alias, params=params) as index:
        assert index.record is not None
        assert (index.model_id, index.record.generation, index.dim, index.schema) == ("m1", 1, DIM, PLAN.catalog)
        # Weights are the model's, kappa is what the stored rows were built with.
        assert (index.params.weights.ii, index.params.kappa_image, index.params.kappa_text) == (2.0, 0.25, 0.5)
        assert set(index.get(["p1"], timeout_s=SECONDS)) == {"p1"}


@pytest.mark.parametrize("engine", ["lite_file", "milvus"])
def test_a_generation_opens_beside_the_live_one(generations):
    first, second = generations.create(PLAN, timeout_s=SECONDS), generations.create(PLAN, timeout_s=SECONDS)
    generations.point(1, timeout_s=SECONDS)
    with open_generation(generations, second) as building, open_generation(generations, first) as live:
        building.apply([ProductWrite("p1", ROW.order, (ROW,))], timeout_s=SECONDS)
        assert building.store.count(Every(()), consistency="strong", timeout_s=SECONDS) == 1
        assert live.store.count(Every(()), consistency="strong", timeout_s=SECONDS) == 0


@pytest.mark.parametrize("engine", ["lite_file", "milvus"])
def test_an_interrupted_drop_and_an_interrupted_creation_are_done_again(generations, alias):
    generations.create(PLAN, timeout_s=SECONDS)
    deadline = Deadline(SECONDS)
    connection = generations._connection
    connection.call("drop_collection", "crash", deadline, collection_name=f"{alias}_g1")
    with pytest.raises(IndexMismatch):
        generations.open(generations.records(timeout_s=SECONDS)[0], timeout_s=SECONDS)
    generations.drop(1, timeout_s=SECONDS)
    assert generations.records(timeout_s=SECONDS) == []

    # A creation that died before its record: one with the same columns takes it up, one with others goes past it.
    generations.create(PLAN, timeout_s=SECONDS)
    delete = {"collection_name": f"{alias}_generations", "filter": "generation == 2"}
    connection.call("delete", "crash", deadline, **delete)
    assert generations.create(PLAN.model_copy(update={"dim": 12}), timeout_s=SECONDS).collection == f"{alias}_g3"
    assert exists(connection, f"{alias}_g2", deadline)
    connection.call("drop_collection", "clean up", deadline, collection_name=f"{alias}_g2")


@pytest.mark.parametrize("engine", ["lite_file"])
def test_an_alias_of_somebody_else_is_not_taken_for_an_index(generations, alias):
    record = generations.create(PLAN, timeout_s=SECONDS)
    doing = {"collection_name": f"{alias}_generations", "alias": alias}
    generations._connection.call("create_alias", "test", Deadline(SECONDS), **doing)
    with pytest.raises(IndexMismatch, match="which is no recorded generation"):
        generations.current(timeout_s=SECONDS)
    generations.point(record.generation, timeout_s=SECONDS)
    assert generations.current(timeout_s=SECONDS) == record


def test_a_record_survives_its_storage_and_nothing_else_is_read():
    record = record_of(PLAN, "products", 4)
    text = record.model_dump_json()
    assert parse_record(text, "here") == record
    with pytest.raises(IndexMismatch, match=r"recorded at here can't be read \(wings: Extra"):
        parse_record(text.replace('"alias"', '"wings":2,"alias"'), "here")
    with pytest.raises(IndexMismatch, match="can't be read"):
        parse_record("{", "here")
    with pytest.raises(IndexMismatch, match="does not fit its own hash"):
        parse_record(text.replace(record.schema_hash, "0" * 16), "here")
    with pytest.raises(ValidationError):
        GenerationRecord.model_validate({**record.model_dump(), "generation": 0})


@pytest.mark.parametrize("alias", ["", "Products", "a-b", "1a", "a" * 65, 'x"; drop', "ünï"])
def test_names_that_milvus_would_refuse_are_refused(alias):
    with pytest.raises(InvalidQuery, match="can't name an index"):
        MemoryGenerations(alias)
