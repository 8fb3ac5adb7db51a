"""Begins the next generation, or takes up one whose filling was interrupted; every step can be done again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fourtower_ingest.errors import TopicMismatch
from fourtower_ingest.log import Partition
from fourtower_search.errors import IndexMismatch, InvalidQuery
from fourtower_search.index.generations import GenerationPlan, GenerationRecord, Generations
from fourtower_search.index.life import Life, Seeding
from fourtower_workers.reindexing.groups import group_of, ingester_of, next_group
from fourtower_workers.reindexing.lag import places_of
from fourtower_workers.reindexing.planning import Changes, differences, plan_next
from fourtower_workers.reindexing.turns import Turn

if TYPE_CHECKING:
    from fourtower_ingest.broker.admin import LogAdmin, TopicFacts
    from fourtower_ingest.settings import IngestSettings

TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Begun:
    """A generation that is to be filled, and where from."""

    record: GenerationRecord
    source: GenerationRecord
    resumed: bool

    @property
    def seeding(self) -> Seeding:
        """How far it is filled."""
        assert self.record.life.seeding is not None, "begun"
        return self.record.life.seeding

    @property
    def copies(self) -> bool:
        """Whether stored vectors can be used again."""
        return self.record.model_id == self.source.model_id

    @property
    def commands(self) -> tuple[str, str]:
        """What fills it from now on."""
        return f"fourtower worker --generation {self.record.generation}", ingester_of(self.record)


def begin(
    generations: Generations, admin: LogAdmin, settings: IngestSettings, changes: Changes, *, again: bool = False
) -> Begun:
    """Create and record the next generation; where its consumers begin is noted before any row is read.

    Args:
        generations: of the index.
        admin: of the log that fills it.
        settings: of the ingester.
        changes: how it differs from the live one.
        again: build it even if it does not differ.

    Raises:
        InvalidQuery: nothing would differ, or another generation is being filled.
        IndexMismatch: there is no index.
        TopicMismatch: the topic is missing, or the group of the live generation has committed nothing.
        BrokerRefused: somebody reads as the new generation's group already.
        IndexUnavailable: another process changes generations all the time.
    """
    _live(generations)
    facts = _facts(admin, settings)
    with Turn(generations, "`fourtower reindex start`"):
        return _begun(generations, admin, settings, changes, facts, again=again)


def _begun(
    generations: Generations,
    admin: LogAdmin,
    settings: IngestSettings,
    changes: Changes,
    facts: TopicFacts,
    *,
    again: bool,
) -> Begun:
    live = _live(generations)
    plan = plan_next(live, changes, facts)
    records = generations.records(timeout_s=TIMEOUT_S)
    unfinished = _unfinished(records, live, plan, nothing_asked=changes == Changes())
    if unfinished is None:
        _check_worth(records, live, plan, again=again)
        unfinished = generations.create(plan, timeout_s=TIMEOUT_S)
    source, begun = live, unfinished
    if begun.life.seeding is None:
        begun = _noted(generations, admin, settings, live, begun, whole_log=facts.compacted)
        resumed = False
    else:
        source = _source(records, begun, begun.life.seeding.source)
        resumed = True
    _place(admin, begun.life.group, places_of(begun))
    return Begun(begun, source, resumed)


def _unfinished(
    records: Sequence[GenerationRecord], live: GenerationRecord, plan: GenerationPlan, *, nothing_asked: bool
) -> GenerationRecord | None:
    """The generation whose filling was interrupted, if it is the one that is wanted."""
    for record in records:
        seeding = record.life.seeding
        if record.generation < live.generation or record == live or (seeding is not None and seeding.done):
            continue
        if _as_planned(record, plan) or (nothing_asked and seeding is not None):
            return record
        raise InvalidQuery(
            f"Generation {record.generation} of {record.alias} is being filled, and was begun with another plan; "
            f"finish it with `fourtower reindex start` alone, or drop it (`fourtower reindex status`, "
            f"`fourtower reindex drop {record.generation}`)."
        )
    return None


def _check_worth(
    records: Sequence[GenerationRecord], live: GenerationRecord, plan: GenerationPlan, *, again: bool
) -> None:
    if again:
        return
    if not differences(live, plan):
        raise InvalidQuery(
            f"The next generation would not differ from {live.collection}; name another --model, "
            f"--catalog, --settings or --metric, or say --again to build it all the same."
        )
    for record in records:
        if record.generation > live.generation and _as_planned(record, plan):
            raise InvalidQuery(
                f"Generation {record.generation} of {record.alias} is filled already, and just like that; go on with "
                f"`fourtower reindex verify {record.generation}`, or say --again to build another one."
            )


def _noted(
    generations: Generations,
    admin: LogAdmin,
    settings: IngestSettings,
    live: GenerationRecord,
    new: GenerationRecord,
    *,
    whole_log: bool,
) -> GenerationRecord:
    """Record where the generation comes from; from then on it is known how to go on."""
    group = next_group(settings.ingester.group, new.generation)
    # What another index of this name left behind would have it begin too late.
    admin.forget(group)
    offsets = {} if whole_log else _committed(admin, settings, group_of(live, settings.ingester.group))
    life = Life(group=group, seeding=Seeding(source=live.generation, offsets=_by_topic(offsets)))
    record = new.model_copy(update={"life": life})
    generations.amend(record, timeout_s=TIMEOUT_S)
    return record


def _place(admin: LogAdmin, group: str, wanted: Mapping[Partition, int]) -> None:
    """Have the group begin where it was noted, wherever it has not begun yet."""
    if wanted:
        begun = admin.committed(group)
        admin.commit(group, {partition: offset for partition, offset in wanted.items() if partition not in begun})


def _committed(admin: LogAdmin, settings: IngestSettings, group: str) -> dict[Partition, int]:
    """What the live generation's group is done with: all of it is in the rows that are read after this."""
    topics = settings.topics.read
    committed = {each: offset for each, offset in admin.committed(group).items() if each.topic in topics}
    if not committed and admin.ends(topics) != admin.begins(topics):
        raise TopicMismatch(
            f"The group {group} has committed nothing of {settings.topics.updates}, so nobody knows what the live "
            "generation holds; name the ingester's group (FOURTOWER_INGESTER_GROUP)."
        )
    return committed


def _by_topic(offsets: Mapping[Partition, int]) -> dict[str, dict[int, int]]:
    found: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for partition, offset in sorted(offsets.items()):
        found[partition.topic][partition.number] = offset
    return dict(found)


def _live(generations: Generations) -> GenerationRecord:
    live = generations.current(timeout_s=TIMEOUT_S)
    if live is None:
        raise IndexMismatch(f"There is no index {generations.alias} yet; make it with `fourtower bootstrap`.")
    return live


def _facts(admin: LogAdmin, settings: IngestSettings) -> TopicFacts:
    facts = admin.topic(settings.topics.updates)
    if facts is None:
        raise TopicMismatch(
            f"Kafka has no topic {settings.topics.updates}; name the one that fills the index "
            "(FOURTOWER_TOPIC_UPDATES)."
        )
    return facts


def _as_planned(record: GenerationRecord, plan: GenerationPlan) -> bool:
    return all(getattr(record, name) == getattr(plan, name) for name in GenerationPlan.model_fields)


def _source(records: Sequence[GenerationRecord], begun: GenerationRecord, number: int) -> GenerationRecord:
    found = next((record for record in records if record.generation == number), None)
    if found is None:
        raise IndexMismatch(
            f"Generation {number}, from which generation {begun.generation} was being filled, is gone; drop that one "
            f"(`fourtower reindex drop {begun.generation}`), and start anew."
        )
    return found
