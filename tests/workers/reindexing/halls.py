"""Generations in memory that are filled by the real indexer, and a log of which only the offsets matter."""

from __future__ import annotations

from tests.workers.shop import SCHEMA

from fourtower_encoders.checkpoint import locate, read_checkpoint
from fourtower_ingest.broker.admin import TopicFacts
from fourtower_ingest.log import Partition
from fourtower_ingest.settings import (
    FlowSettings,
    IngesterSettings,
    IngestSettings,
    KafkaSettings,
    RedisSettings,
    TopicSettings,
)
from fourtower_search.index.generations import GenerationPlan, MemoryGenerations
from fourtower_search.index.opening import open_generation
from fourtower_search.index.settings import IndexSettings
from fourtower_workers.bootstrapping import plan_of
from fourtower_workers.indexing import Indexer
from fourtower_workers.reindexing.planning import Changes
from fourtower_workers.reindexing.starting import begin

TIMEOUT_S = 10


def settings(*, compacted=False, group="shop"):
    return IngestSettings(
        KafkaSettings(),
        RedisSettings(),
        TopicSettings(updates="shop", replays="replays", compacted=compacted),
        FlowSettings(),
        IngesterSettings(group=group),
    )


class Offsets:
    """What brokers know of the topic and of its groups."""

    def __init__(self, *, compacted=False):
        self.facts = TopicFacts("shop", "t1", 2, 1, {"cleanup.policy": "compact" if compacted else "delete"})
        self.groups = {}
        self.end = 0
        self.busy = set()

    def topic(self, name):
        return self.facts if name == "shop" else None

    def committed(self, group):
        return dict(self.groups.get(group, {}))

    def commit(self, group, offsets):
        if offsets:
            self.groups[group] = {**self.groups.get(group, {}), **offsets}

    def forget(self, group):
        self.groups.pop(group, None)

    def begins(self, topics):
        return {Partition(topic, number): 0 for topic in topics for number in (0, 1)}

    def ends(self, topics):
        return {Partition(topic, number): self.end for topic in topics for number in (0, 1)}


class Hall:
    """An index with generations, the first of which is live and filled by an indexer."""

    def __init__(self, embedder, folder, *, compacted=False, catalog=SCHEMA):
        self.embedder, self.folder = embedder, folder
        self.generations = MemoryGenerations("products")
        self.offsets = Offsets(compacted=compacted)
        self.offsets.commit("shop", {Partition("shop", 0): 7, Partition("shop", 1): 9})
        self.settings = settings(compacted=compacted)
        plan = plan_of(read_checkpoint(locate("demo")), "demo", catalog, IndexSettings(), self.offsets.facts)
        self.live = self.generations.create(plan, timeout_s=TIMEOUT_S)
        self.generations.point(1, timeout_s=TIMEOUT_S)

    def begin(self, **how):
        changes = {
            name: how.pop(name) for name in ("checkpoint", "source", "catalog", "layout", "metric") if name in how
        }
        return begin(self.generations, self.offsets, self.settings, Changes(**changes), **how)

    def create(self, record):
        """Another generation built like one, but by nobody's plan."""
        plan = GenerationPlan(**{name: getattr(record, name) for name in GenerationPlan.model_fields})
        return self.generations.create(plan, timeout_s=TIMEOUT_S)

    def record(self, number):
        return next(each for each in self.generations.records(timeout_s=TIMEOUT_S) if each.generation == number)

    def open(self, number):
        return open_generation(self.generations, self.record(number))

    def indexer(self, number, embedder=None, source="shop"):
        return Indexer(self.open(number), embedder or self.embedder, image_root=self.folder, source=source, threads=2)

    def send(self, *events, number=1):
        return self.indexer(number).index_events(events)

    def rows(self, number):
        """All rows of a generation by key, vectors included."""
        from fourtower_workers.reindexing.copying import whole_products

        with self.open(number) as index:
            return {row.key: row for some in whole_products(index, vectors=True) for each in some for row in each.rows}
