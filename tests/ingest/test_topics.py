"""Which topics the settings call for, and how differences from them are explained; without a broker."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourtower_ingest.broker.admin import TopicFacts
from fourtower_ingest.errors import TopicMismatch
from fourtower_ingest.settings import TopicSettings
from fourtower_ingest.topics import compare, compare_all, plan_topics

HOUR_MS = 3_600_000


def facts_of(plan, *, partitions=None, replication=None, **configs):
    """A topic just as it was planned, but for some changes."""
    named = {name.replace("_", "."): value for name, value in configs.items()}
    return TopicFacts(
        plan.name,
        "an-id",
        partitions or plan.partitions,
        replication or plan.replication,
        {"segment.bytes": "1", **plan.configs, **named},
    )


def planned(**settings):
    return {plan.name: plan for plan in plan_topics(TopicSettings(**settings))}


UPDATES, LETTERS, REPLAYS = "catalog.updates", "catalog.updates.dlq", "catalog.updates.replay"


def test_a_compacted_topic_keeps_the_last_event_of_each_product_for_ever():
    plans = planned(retention_hours=2)
    assert list(plans) == [UPDATES, LETTERS, REPLAYS]
    configs = plans[UPDATES].configs
    assert configs["cleanup.policy"] == "compact"
    assert configs["delete.retention.ms"] == str(2 * HOUR_MS)
    assert "retention.ms" not in configs
    assert plans[REPLAYS].configs["retention.ms"] == str(2 * HOUR_MS)


def test_a_topic_with_patches_keeps_all_events_for_a_time_and_needs_no_replays():
    plans = planned(compacted=False, retention_hours=2)
    assert list(plans) == [UPDATES, LETTERS]
    assert plans[UPDATES].configs["cleanup.policy"] == "delete"
    assert plans[UPDATES].configs["retention.ms"] == str(2 * HOUR_MS)


def test_events_and_replays_have_the_partitions_that_were_asked_for():
    plans = planned(partitions=12, replication=3)
    assert (plans[UPDATES].partitions, plans[REPLAYS].partitions) == (12, 12)
    assert {plan.replication for plan in plans.values()} == {3}
    assert {plan.configs["min.insync.replicas"] for plan in plans.values()} == {"2"}
    assert "min.insync.replicas" not in planned(replication=2)[UPDATES].configs


@given(st.integers(1024, 10**8))
def test_what_carries_dead_letters_takes_more_than_what_carries_events(size):
    plans = planned(max_event_bytes=size)
    event, letter, replay = (int(plans[name].configs["max.message.bytes"]) for name in (UPDATES, LETTERS, REPLAYS))
    assert size < event < letter
    assert event < replay


def test_topics_of_one_name_are_refused():
    with pytest.raises(TopicMismatch, match="different names"):
        planned(dead_letters=UPDATES)


@pytest.mark.parametrize("settings", [{}, {"compacted": False}, {"replication": 3}])
def test_a_topic_as_planned_does_not_differ(settings):
    plans = plan_topics(TopicSettings(**settings))
    assert compare_all(plans, {plan.name: facts_of(plan) for plan in plans}) == []


def test_a_missing_topic_is_to_be_created():
    (difference,) = compare(planned()[UPDATES], None)
    assert (difference.what, difference.remedy) == ("missing", "create")


@pytest.mark.parametrize("found", [3, 12])
def test_another_number_of_partitions_can_not_be_mended(found):
    plan = planned(partitions=6)[UPDATES]
    (difference,) = compare(plan, facts_of(plan, partitions=found))
    assert (difference.what, difference.wanted, difference.found) == ("partitions", "6", str(found))
    assert difference.remedy == "by hand"
    assert f"FOURTOWER_TOPIC_PARTITIONS={found}" in difference.message


def test_dead_letters_may_lie_in_any_number_of_partitions():
    plan = planned()[LETTERS]
    assert compare(plan, facts_of(plan, partitions=9)) == []


def test_too_few_replicas_can_not_be_mended_and_more_do():
    plan = planned(replication=3)[UPDATES]
    assert compare(plan, facts_of(plan, replication=4)) == []
    (difference,) = compare(plan, facts_of(plan, replication=2))
    assert (difference.what, difference.remedy) == ("replication", "by hand")


@pytest.mark.parametrize(
    ("name", "worse", "better"),
    [
        ("max_message_bytes", "1000", "99999999"),
        ("delete_retention_ms", "1000", str(10**12)),
    ],
)
def test_a_limit_that_is_too_low_can_be_mended_and_a_higher_one_will_do(name, worse, better):
    plan = planned()[UPDATES]
    assert compare(plan, facts_of(plan, **{name: better})) == []
    (difference,) = compare(plan, facts_of(plan, **{name: worse}))
    assert (difference.what, difference.found, difference.remedy) == (name.replace("_", "."), worse, "configure")
    assert worse in difference.message


def test_records_may_be_kept_for_ever_but_not_too_short():
    plan = planned(compacted=False)[UPDATES]
    assert compare(plan, facts_of(plan, retention_ms="-1")) == []
    assert [each.what for each in compare(plan, facts_of(plan, retention_ms="5"))] == ["retention.ms"]


@pytest.mark.parametrize("found", ["delete", "compact,delete", ""])
def test_another_way_to_clean_up_is_changed_by_hand_because_it_deletes(found):
    plan = planned()[UPDATES]
    (difference,) = compare(plan, facts_of(plan, cleanup_policy=found))
    assert (difference.what, difference.remedy) == ("cleanup.policy", "by hand")


@pytest.mark.parametrize(("policy", "keeps"), [("compact", True), ("delete", False), ("compact,delete", False)])
def test_only_a_topic_that_does_nothing_but_compact_keeps_every_product(policy, keeps):
    assert facts_of(planned()[UPDATES], cleanup_policy=policy).compacted is keeps


def test_dead_letters_must_take_whatever_the_topic_of_events_takes_by_now():
    plans = plan_topics(TopicSettings())
    facts = {plan.name: facts_of(plan) for plan in plans}
    facts[UPDATES] = facts_of(plans[0], max_message_bytes="50000000")
    differences = compare_all(plans, facts)
    assert {each.topic for each in differences} == {LETTERS, REPLAYS}
    assert all(int(each.wanted) > 50_000_000 for each in differences)
    mended = {each.topic: each.wanted for each in differences}
    facts |= {
        name: replace(facts[name], configs={**facts[name].configs, "max.message.bytes": mended[name]})
        for name in mended
    }
    assert compare_all(plans, facts) == []


def test_every_difference_is_one_sentence_that_names_its_topic():
    plans = plan_topics(TopicSettings(replication=3))
    bad = dict.fromkeys(("cleanup_policy", "retention_ms", "delete_retention_ms"), "1")
    facts = {
        plan.name: facts_of(plan, partitions=2, replication=1, max_message_bytes="1", min_insync_replicas="1", **bad)
        for plan in plans
    }
    differences = compare_all(plans, facts)
    assert len(differences) >= 14
    for each in differences:
        assert each.topic in each.message
        assert each.message.endswith(".")
        assert each.message.count(". ") == 0
