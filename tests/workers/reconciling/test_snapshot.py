"""What a snapshot says of the log: what is committed, whether it knows every product, and if it is the right one."""

from __future__ import annotations

import pytest
from tests.workers.reconciling.shelves import TOPICS, Log
from tests.workers.shop import upsert

from fourtower_ingest.broker.admin import TopicFacts
from fourtower_ingest.errors import TopicMismatch
from fourtower_search.index.generations import GenerationRecord
from fourtower_workers.reconciling.snapshot import Snapshot, kept_ms, same_topic

FACTS = TopicFacts("shop", "t1", 6, 1, {"delete.retention.ms": "5", "retention.ms": "7"})
OFFSETS = TOPICS.model_copy(update={"version_source": "offset"})


def record(topic_id="", partitions=0):
    return GenerationRecord.model_construct(collection="c", topic_id=topic_id, partition_count=partitions)


def test_a_snapshot_survives_being_written_down():
    log = Log()
    first, second = log.add(upsert(1)), log.add(upsert(2), committed=False)
    snapshot = Snapshot.model_validate_json(log.snapshot().model_dump_json())
    assert snapshot == log.snapshot()
    assert (snapshot.is_committed(first.place), snapshot.is_committed(second.place)) == (True, False)
    assert snapshot.records == 2
    assert snapshot.ends()[first.place.partition] == 2


@pytest.mark.parametrize(("compacted", "begin", "whole"), [(True, 5, True), (False, 0, True), (False, 5, False)])
def test_a_log_is_whole_if_it_is_compacted_or_has_its_beginning(compacted, begin, whole):
    snapshot = Log().snapshot()
    stretches = tuple(stretch._replace(begin=begin) for stretch in snapshot.stretches)
    assert snapshot.model_copy(update={"compacted": compacted, "stretches": stretches}).whole_log is whole


def test_a_topic_that_was_made_anew_is_known_by_its_id():
    assert same_topic(record(), FACTS, TOPICS)
    assert same_topic(record("t1", 6), FACTS, TOPICS)
    assert same_topic(record("t1", 3), FACTS, TOPICS), "versions settle what has moved"
    assert not same_topic(record("t0"), FACTS, TOPICS)


@pytest.mark.parametrize("built_from", [record("t0"), record("t1", 3)])
def test_offsets_of_another_topic_are_not_compared(built_from):
    assert same_topic(record("t1", 6), FACTS, OFFSETS)
    with pytest.raises(TopicMismatch, match="versions are offsets"):
        same_topic(built_from, FACTS, OFFSETS)


def test_deletes_are_kept_as_long_as_the_brokers_say():
    assert kept_ms(FACTS, compacted=True) == 5
    assert kept_ms(FACTS, compacted=False) == 7
    assert kept_ms(TopicFacts("shop", "t1", 6, 1, {"retention.ms": "-1"}), compacted=False) == -1
