"""How the next generation is begun, refused, or taken up again."""

import pytest
from tests.workers.reindexing.halls import TIMEOUT_S, Hall
from tests.workers.shop import SCHEMA

from fourtower_encoders.checkpoint import read_checkpoint
from fourtower_ingest.broker.admin import TopicFacts
from fourtower_ingest.errors import TopicMismatch
from fourtower_ingest.log import Partition
from fourtower_search.errors import IndexMismatch, InvalidQuery
from fourtower_search.index.generations import MemoryGenerations
from fourtower_search.index.life import Life
from fourtower_search.index.settings import IndexSettings
from fourtower_search.schema import Attribute, CatalogSchema
from fourtower_workers.reindexing.groups import group_of, next_group
from fourtower_workers.reindexing.planning import differences
from fourtower_workers.reindexing.switching import amend_life

FLAT = IndexSettings(type="FLAT")
WIDER = CatalogSchema(attributes={**SCHEMA.attributes, "colour": Attribute(type="string")})
P0, P1 = Partition("shop", 0), Partition("shop", 1)


def test_the_next_generation_is_as_the_live_one_but_for_what_is_asked(hall):
    begun = hall.begin(layout=FLAT)
    record = begun.record
    assert (record.generation, record.life.group, record.index) == (2, "shop.g2", FLAT)
    assert differences(hall.live, record) == [
        "index: type HNSW -> FLAT, params {'M': 32, 'efConstruction': 300} -> {}, search {'ef': 128} -> {}"
    ]
    assert begun.copies
    assert begun.commands == (
        "fourtower worker --generation 2",
        "fourtower ingest --generation 2 --group shop.g2 --no-dead-letters",
    )
    assert hall.generations.current(timeout_s=TIMEOUT_S).generation == 1, "never live by itself"
    assert hall.record(2) == record, "recorded before anything is read"


def test_where_patches_are_the_consumers_begin_where_the_live_ones_were(hall):
    begun = hall.begin(layout=FLAT)
    assert begun.seeding.offsets == {"shop": {0: 7, 1: 9}}
    assert hall.offsets.groups["shop.g2"] == {P0: 7, P1: 9}


def test_a_whole_log_is_read_from_its_beginning(counting_embedder, tmp_path):
    hall = Hall(counting_embedder, tmp_path, compacted=True)
    hall.offsets.commit("shop.g2", {P0: 3})  # of an index of the same name that is no more
    assert hall.begin(layout=FLAT).seeding.offsets == {}
    assert "shop.g2" not in hall.offsets.groups


def test_nothing_different_is_refused_unless_it_is_wanted(hall):
    with pytest.raises(InvalidQuery, match="would not differ from products_g1; name another --model"):
        hall.begin()
    assert hall.begin(again=True).record.generation == 2


def test_another_plan_is_refused_while_one_is_being_filled(hall):
    hall.begin(layout=FLAT)
    with pytest.raises(InvalidQuery, match=r"Generation 2 of products is being filled.*`fourtower reindex drop 2`"):
        hall.begin(catalog=WIDER)
    assert len(hall.generations.records(timeout_s=TIMEOUT_S)) == 2


@pytest.mark.parametrize("asked", [{}, {"layout": FLAT}])
def test_what_was_interrupted_goes_on_where_it_was(hall, asked):
    first = hall.begin(layout=FLAT)
    amend_life(hall.generations, first.record, seeding=first.seeding.model_copy(update={"after": "p5", "copied": 5}))
    hall.offsets.commit("shop", {P0: 70})
    hall.offsets.commit("shop.g2", {P0: 8})
    again = hall.begin(**asked)
    assert (again.resumed, again.record.generation, again.seeding.after) == (True, 2, "p5")
    assert hall.offsets.groups["shop.g2"] == {P0: 8, P1: 9}, "its own progress stays"


def test_killed_between_creation_and_record_it_is_taken_up(hall, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MemoryGenerations, "amend", killed)
        with pytest.raises(KeyboardInterrupt):
            hall.begin(layout=FLAT)
    assert hall.record(2).life == Life()
    begun = hall.begin(layout=FLAT)
    assert (begun.record.generation, begun.record.life.group) == (2, "shop.g2")


def test_killed_before_its_group_was_placed_it_is_placed_later(hall):
    first = hall.begin(layout=FLAT)
    hall.offsets.forget("shop.g2")
    hall.begin(layout=FLAT)
    assert hall.offsets.groups["shop.g2"] == {P0: 7, P1: 9}
    assert first.record == hall.record(2)


def test_a_filled_one_is_not_built_twice(hall):
    begun = hall.begin(layout=FLAT)
    amend_life(hall.generations, begun.record, seeding=begun.seeding.model_copy(update={"done": True}))
    with pytest.raises(InvalidQuery, match="`fourtower reindex verify 2`, or say --again"):
        hall.begin(layout=FLAT)
    assert hall.begin(catalog=WIDER).record.generation == 3
    assert hall.record(2).life.seeding.done


def test_what_it_was_filled_from_must_not_be_gone(hall):
    hall.begin(layout=FLAT)
    hall.generations.point(2, timeout_s=TIMEOUT_S)
    hall.generations.drop(1, timeout_s=TIMEOUT_S)
    other = hall.begin(catalog=WIDER).record
    amend_life(hall.generations, other, seeding=other.life.seeding.model_copy(update={"source": 1}))
    with pytest.raises(IndexMismatch, match=r"Generation 1, .* is gone; drop that one \(`fourtower reindex drop 3`\)"):
        hall.begin()


def test_a_group_that_did_nothing_tells_nothing_of_the_live_generation(hall):
    hall.offsets.groups.clear()
    assert hall.begin(layout=FLAT).seeding.offsets == {}, "an empty log owes nothing"
    hall.generations.drop(2, timeout_s=TIMEOUT_S)
    hall.offsets.end = 5
    with pytest.raises(TopicMismatch, match="The group shop has committed nothing of shop"):
        hall.begin(layout=FLAT)


def test_without_an_index_there_is_nothing_to_follow(hall):
    hall.generations = MemoryGenerations("other")
    with pytest.raises(IndexMismatch, match="There is no index other yet; make it with `fourtower bootstrap`"):
        hall.begin(layout=FLAT)
    hall.offsets.facts = None
    hall.generations = Hall(hall.embedder, hall.folder).generations
    with pytest.raises(TopicMismatch, match="Kafka has no topic shop"):
        hall.begin(layout=FLAT)


def test_model_catalog_topic_and_kappa_are_told_apart(hall, tiny_towers):
    checkpoint = read_checkpoint(tiny_towers)
    hall.offsets.facts = TopicFacts("shop", "t1", 6, 1, {"cleanup.policy": "compact"})
    begun = hall.begin(checkpoint=checkpoint, source=str(tiny_towers), catalog=WIDER)
    record = begun.record
    assert not begun.copies
    assert (record.model, record.model_id, record.dim) == (str(tiny_towers.resolve()), checkpoint.model_id, 32)
    assert differences(hall.live, record) == [
        f"model {hall.live.model_id} -> {checkpoint.model_id}",
        "catalog: +colour",
        f"kappa {hall.live.kappa_image:g}/{hall.live.kappa_text:g} -> 0.5/0.5",
        "partitions 2 -> 6",
    ]
    fewer = CatalogSchema(attributes={"price": Attribute(type="int"), "brand": SCHEMA.attributes["brand"]})
    other = hall.live.model_copy(update={"catalog": fewer, "topic_id": "t2"})
    assert differences(hall.live, other) == [
        "catalog: ~price, -released, -sizes, -stock",
        "another topic of the same name",
    ]


def test_the_metric_goes_over_that_of_the_settings(hall):
    begun = hall.begin(metric="COSINE")
    assert differences(hall.live, begun.record) == ["index: metric IP -> COSINE"]
    assert begun.record.index.type == "HNSW"
    assert not begun.record.index.exact_scores
    hall.generations.drop(2, timeout_s=TIMEOUT_S)
    assert hall.begin(layout=FLAT, metric="L2").record.index == FLAT.model_copy(update={"metric": "L2"})


def test_groups_are_named_after_the_first_one(hall):
    assert next_group("shop", 2) == next_group("shop.g7", 2) == "shop.g2"
    assert group_of(hall.live, "shop.g2") == "shop"
    assert group_of(hall.begin(layout=FLAT).record, "else") == "shop.g2"
