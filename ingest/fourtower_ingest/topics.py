"""Which topics the settings call for, and how those that exist differ from them: pure, it asks no broker.

Every difference is one sentence. Some can be mended by changing a setting of the topic; the number of partitions
can't, because it decides in which partition a product lies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from fourtower_ingest.errors import TopicMismatch

if TYPE_CHECKING:
    from fourtower_ingest.broker.admin import TopicFacts
    from fourtower_ingest.settings import TopicSettings

BATCH_BYTES = 64 * 1024
"""What key, headers and the batch around it may add to an event; brokers limit the batch."""
CONTEXT_BYTES = 64 * 1024
"""What a dead letter's headers add to its record."""
HOUR_MS = 3_600_000
FOREVER = -1

Remedy = Literal["create", "configure", "by hand"]


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """A topic as it should be."""

    name: str
    purpose: str
    partitions: int
    replication: int
    configs: Mapping[str, str]
    fixed_partitions: bool = True
    """Whether another number of partitions would be wrong."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which a topic is not what was planned."""

    topic: str
    what: str
    """`missing`, `partitions`, `replication`, or the name of a setting."""
    wanted: str
    found: str
    remedy: Remedy
    message: str
    """A sentence about it."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """When a setting that is found will do, and why it matters if it will not."""

    suits: Callable[[str, str], bool]
    why: str
    remedy: Remedy = field(default="configure")


def plan_topics(settings: TopicSettings) -> list[TopicPlan]:
    """The topics that the settings call for.

    Raises:
        TopicMismatch: two of them have the same name.
    """
    letters = str(settings.max_event_bytes + BATCH_BYTES + CONTEXT_BYTES)
    kept = str(settings.retention_hours * HOUR_MS)
    plans = [
        _plan(settings, settings.updates, "events of the catalog", _updates_configs(settings)),
        _plan(
            settings,
            settings.dead_letters,
            "records that could not be indexed",
            {
                "cleanup.policy": "delete",
                "retention.ms": str(settings.dead_letter_retention_hours * HOUR_MS),
                "max.message.bytes": letters,
            },
            partitions=1,
        ),
    ]
    if settings.compacted:
        configs = {"cleanup.policy": "delete", "retention.ms": kept, "max.message.bytes": letters}
        plans.append(_plan(settings, settings.replays, "dead letters that are sent again", configs))
    names = [plan.name for plan in plans]
    if len(set(names)) < len(names):
        raise TopicMismatch(f"The topics {', '.join(names)} must have different names; change FOURTOWER_TOPIC_....")
    return plans


def compare(plan: TopicPlan, facts: TopicFacts | None) -> list[Difference]:
    """How a topic differs from its plan; nothing if it will do."""
    if facts is None:
        message = f"There is no topic {plan.name} ({plan.purpose})."
        return [Difference(plan.name, "missing", str(plan.partitions), "", "create", message)]
    found = [*_partitions(plan, facts), *_replication(plan, facts)]
    for name, wanted in plan.configs.items():
        value = facts.configs.get(name, "")
        rule = _RULES[name]
        if not rule.suits(value, wanted):
            message = f"{name} of {plan.name} is {value or 'not set'}, wanted is {wanted}: {rule.why}."
            found.append(Difference(plan.name, name, wanted, value, rule.remedy, message))
    return found


def compare_all(plans: Sequence[TopicPlan], facts: Mapping[str, TopicFacts | None]) -> list[Difference]:
    """How topics differ from their plans; what carries dead letters must take whatever the first topic takes."""
    return [
        difference for plan in with_room_for_letters(plans, facts) for difference in compare(plan, facts.get(plan.name))
    ]


def with_room_for_letters(plans: Sequence[TopicPlan], facts: Mapping[str, TopicFacts | None]) -> list[TopicPlan]:
    """Plans by which every record that the first topic takes, whoever set its limit, fits into the others."""
    updates = facts.get(plans[0].name)
    taken = int(updates.configs.get("max.message.bytes", "0")) if updates else 0
    return [plans[0], *(_taking(plan, taken + CONTEXT_BYTES) for plan in plans[1:])]


def _taking(plan: TopicPlan, size: int) -> TopicPlan:
    size = max(size, int(plan.configs["max.message.bytes"]))
    configs = {**plan.configs, "max.message.bytes": str(size)}
    return TopicPlan(plan.name, plan.purpose, plan.partitions, plan.replication, configs, plan.fixed_partitions)


def _plan(
    settings: TopicSettings, name: str, purpose: str, configs: dict[str, str], *, partitions: int | None = None
) -> TopicPlan:
    if settings.replication >= 3:
        configs = {**configs, "min.insync.replicas": "2"}
    return TopicPlan(
        name=name,
        purpose=purpose,
        partitions=partitions or settings.partitions,
        replication=settings.replication,
        configs=configs,
        fixed_partitions=partitions is None,
    )


def _updates_configs(settings: TopicSettings) -> dict[str, str]:
    kept = str(settings.retention_hours * HOUR_MS)
    size = {"max.message.bytes": str(settings.max_event_bytes + BATCH_BYTES)}
    if settings.compacted:
        return {"cleanup.policy": "compact", "delete.retention.ms": kept, **size}
    return {"cleanup.policy": "delete", "retention.ms": kept, **size}


def _partitions(plan: TopicPlan, facts: TopicFacts) -> list[Difference]:
    if not plan.fixed_partitions or facts.partitions == plan.partitions:
        return []
    message = (
        f"{plan.name} has {facts.partitions} partitions, wanted are {plan.partitions}: the number decides where a "
        f"product's events lie and can't be changed in place; set FOURTOWER_TOPIC_PARTITIONS={facts.partitions}, "
        "or move to a new topic."
    )
    return [
        Difference(plan.name, "partitions", str(plan.partitions), str(facts.partitions), "by hand", message),
    ]


def _replication(plan: TopicPlan, facts: TopicFacts) -> list[Difference]:
    if facts.replication >= plan.replication:
        return []
    message = (
        f"{plan.name} has {facts.replication} replicas, wanted are {plan.replication}: fewer lost brokers lose its "
        "records; add replicas with kafka-reassign-partitions, or set FOURTOWER_TOPIC_REPLICATION."
    )
    return [
        Difference(plan.name, "replication", str(plan.replication), str(facts.replication), "by hand", message),
    ]


def _at_least(found: str, wanted: str) -> bool:
    return int(found or 0) >= int(wanted)


def _kept_at_least(found: str, wanted: str) -> bool:
    return int(found or 0) == FOREVER or _at_least(found, wanted)


def _same_policy(found: str, wanted: str) -> bool:
    return {each.strip() for each in found.split(",")} == {each.strip() for each in wanted.split(",")}


_RULES = {
    "cleanup.policy": _Rule(
        _same_policy,
        "the other policy would delete records, so it is changed by hand (kafka-configs), "
        "or FOURTOWER_TOPIC_COMPACTED is",
        "by hand",
    ),
    "retention.ms": _Rule(_kept_at_least, "records would be deleted before they must have been read"),
    "delete.retention.ms": _Rule(_at_least, "a reader that was away for longer would miss deletes"),
    "max.message.bytes": _Rule(_at_least, "records that may come would be refused"),
    "min.insync.replicas": _Rule(_at_least, "a record could be acknowledged by one broker and lost with it"),
}
