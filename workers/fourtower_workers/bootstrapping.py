"""Creates what streaming needs where it is missing, and says how what is there differs; changes and drops nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from fourtower_encoders.checkpoint import Checkpoint
from fourtower_encoders.errors import InvalidConfig
from fourtower_ingest.errors import TopicMismatch
from fourtower_search.index.generations import GenerationPlan, GenerationRecord, Generations
from fourtower_search.index.settings import IndexSettings
from fourtower_search.query.forms import first_problem
from fourtower_search.schema import CatalogSchema
from fourtower_workers.reindexing.turns import Turn

if TYPE_CHECKING:
    from fourtower_ingest.broker.admin import LogAdmin, TopicFacts
    from fourtower_ingest.settings import TopicSettings
    from fourtower_ingest.topics import TopicPlan

TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one thing."""

    what: str
    state: Literal["created", "right", "differs"]
    message: str


def arrange_topics(admin: LogAdmin, settings: TopicSettings) -> tuple[list[Finding], TopicFacts | None]:
    """Create the topics that are missing and compare the others; what happened, and the facts of the events' topic."""
    from fourtower_ingest.topics import compare_all, plan_topics, with_room_for_letters

    plans = plan_topics(settings)
    names = [plan.name for plan in plans]
    before = admin.topics(names)
    for plan in with_room_for_letters(plans, before):
        if before[plan.name] is None:
            _create(admin, plan)
    after = admin.topics(names)
    left = compare_all(plans, after)
    findings = []
    for name in names:
        told = [difference.message for difference in left if difference.topic == name]
        facts = after[name]
        partitions = f"{facts.partitions} partitions" if facts else ""
        state: Literal["created", "right"] = "created" if before[name] is None else "right"
        findings.append(Finding(f"topic {name}", "differs" if told else state, " ".join(told) or partitions))
    return findings, after[settings.updates]


def plan_of(
    checkpoint: Checkpoint, source: str, catalog: CatalogSchema, layout: IndexSettings, topic: TopicFacts | None
) -> GenerationPlan:
    """How an index for a checkpoint, a catalog and a topic is made."""
    plan = GenerationPlan(
        model=source_of(checkpoint, source),
        model_id=checkpoint.model_id,
        dim=2 * checkpoint.config.dim,
        catalog=catalog,
        kappa_image=checkpoint.params.kappa_image,
        kappa_text=checkpoint.params.kappa_text,
        index=layout,
    )
    return filled_by(plan, topic)


def filled_by(plan: GenerationPlan, topic: TopicFacts | None) -> GenerationPlan:
    """A plan with the topic from which the index will be filled, if there is one."""
    if topic is None:
        return plan
    return plan.model_copy(update={"topic_id": topic.topic_id, "partition_count": topic.partitions})


def layout_from(settings: str, option: str = "--settings") -> IndexSettings:
    """Index type and parameters from JSON.

    Raises:
        InvalidConfig: they can't be used.
    """
    try:
        return IndexSettings.model_validate_json(settings)
    except ValidationError as error:
        raise InvalidConfig(f"{option} can't be used: {first_problem(error)}.") from error


def source_of(checkpoint: Checkpoint, source: str) -> str:
    """How a checkpoint is recorded: where it lies, unless it is the one that is shipped."""
    return source if source == "demo" else str(checkpoint.folder.resolve())


def check_plan(generations: Generations, plan: GenerationPlan) -> None:
    """Refuse a plan that can't be carried out, where it would be, before anything is made.

    Raises:
        InvalidQuery: a parameter of the vector index is missing, or can't be used.
        Unsupported: the engine lacks what the plan asks for.
    """
    if generations.current(timeout_s=TIMEOUT_S) is None:
        generations.check(plan)


def arrange_index(generations: Generations, plan: GenerationPlan, *, catalog_given: bool) -> list[Finding]:
    """Create an index's first generation and its alias, or compare those that are there.

    Args:
        generations: of the index.
        plan: what a new one is made by, and an old one compared with.
        catalog_given: whether the plan's catalog was asked for; if not, any will do.

    Raises:
        IndexUnavailable: another process changes generations all the time.
    """
    live = generations.current(timeout_s=TIMEOUT_S)
    if live is not None:  # nothing is made, so nobody need wait for us
        return _verified(live, plan, catalog_given=catalog_given)
    with Turn(generations, "`fourtower bootstrap`") as turn:
        return _arranged(generations, plan, turn, catalog_given=catalog_given)


def _arranged(generations: Generations, plan: GenerationPlan, turn: Turn, *, catalog_given: bool) -> list[Finding]:
    """Create what is missing now that nobody else does."""
    live = generations.current(timeout_s=TIMEOUT_S)
    if live is not None:  # somebody was faster
        return _verified(live, plan, catalog_given=catalog_given)
    records = generations.records(timeout_s=TIMEOUT_S)
    if records:
        record = records[-1]
        found = _compared(record, plan, catalog_given=catalog_given)
    else:
        record = generations.create(plan, timeout_s=TIMEOUT_S)
        found = Finding(f"collection {record.collection}", "created", _described(record))
    if found.state == "differs":
        missing = f"There is none, and {record.collection} is not what it should point to."
        return [found, Finding(f"alias {record.alias}", "differs", missing)]
    turn.check()
    generations.point(record.generation, timeout_s=TIMEOUT_S)
    return [found, Finding(f"alias {record.alias}", "created", f"points to {record.collection}")]


def _verified(live: GenerationRecord, plan: GenerationPlan, *, catalog_given: bool) -> list[Finding]:
    alias = Finding(f"alias {live.alias}", "right", f"points to {live.collection}")
    return [_compared(live, plan, catalog_given=catalog_given), alias]


def _compared(record: GenerationRecord, plan: GenerationPlan, *, catalog_given: bool) -> Finding:
    told = list(_differences(record, plan, catalog_given=catalog_given))
    what = f"collection {record.collection}"
    return Finding(what, "differs", " ".join(told)) if told else Finding(what, "right", _described(record))


def _create(admin: LogAdmin, plan: TopicPlan) -> None:
    with suppress(TopicMismatch):  # somebody was faster; what was made is compared afterwards
        admin.create(plan.name, partitions=plan.partitions, replication=plan.replication, configs=plan.configs)


def _described(record: GenerationRecord) -> str:
    count = len(record.catalog.attributes)
    return f"model {record.model} ({record.model_id}), {count} attribute{'' if count == 1 else 's'}"


def _differences(record: GenerationRecord, plan: GenerationPlan, *, catalog_given: bool) -> Iterator[str]:
    if record.model_id != plan.model_id:
        yield (
            f"{record.collection} was built with model {record.model_id}, {plan.model} is {plan.model_id}; "
            "name the checkpoint that built it, or build the next generation."
        )
    if catalog_given and record.schema_hash != plan.catalog.hash:
        yield (
            f"{record.collection} was made for another catalog ({_changed(record, plan)}); "
            "build the next generation for the new one."
        )
    if record.topic_id and plan.topic_id and record.topic_id != plan.topic_id:
        yield (
            f"{record.collection} was built from a topic of this name that was deleted since; "
            "build the next generation from the new one."
        )
    elif record.partition_count and plan.partition_count and record.partition_count != plan.partition_count:
        yield (
            f"The topic had {record.partition_count} partitions when {record.collection} was built and has "
            f"{plan.partition_count} now, so products have moved between them; build the next generation."
        )


def _changed(record: GenerationRecord, plan: GenerationPlan) -> str:
    ours: Mapping[str, object] = record.catalog.attributes
    theirs: Mapping[str, object] = plan.catalog.attributes
    names = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    return f"attributes that differ: {', '.join(names)}" if names else "other settings"
