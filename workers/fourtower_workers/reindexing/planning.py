"""Says how the next generation is built: as the live one, but for what was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fourtower_encoders.checkpoint import Checkpoint
from fourtower_ingest.broker.admin import TopicFacts
from fourtower_search.index.generations import GenerationPlan, GenerationRecord
from fourtower_search.index.settings import IndexSettings, Metric
from fourtower_search.schema import CatalogSchema
from fourtower_workers.bootstrapping import source_of


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to differ; None stays as it is."""

    checkpoint: Checkpoint | None = None
    source: str = ""
    """What the checkpoint was called."""
    catalog: CatalogSchema | None = None
    layout: IndexSettings | None = None
    metric: Metric | None = None
    """Goes over that of the layout."""


def plan_next(live: GenerationRecord, changes: Changes, topic: TopicFacts) -> GenerationPlan:
    """How the next generation is built; the topic is the one that fills it now."""
    kept = {name: getattr(live, name) for name in GenerationPlan.model_fields}
    changed: dict[str, object] = {"topic_id": topic.topic_id, "partition_count": topic.partitions}
    if changes.checkpoint is not None:
        changed |= {
            "model": source_of(changes.checkpoint, changes.source),
            "model_id": changes.checkpoint.model_id,
            "dim": 2 * changes.checkpoint.config.dim,
            "kappa_image": changes.checkpoint.params.kappa_image,
            "kappa_text": changes.checkpoint.params.kappa_text,
        }
    if changes.catalog is not None:
        changed["catalog"] = changes.catalog
    layout = changes.layout or live.index
    changed["index"] = layout.model_copy(update={"metric": changes.metric or layout.metric})
    return GenerationPlan.model_validate({**kept, **changed})


def differences(live: GenerationPlan, other: GenerationPlan) -> list[str]:
    """In what a generation differs from the live one, in words; nothing where it would hold the same rows."""
    return list(_differences(live, other))


def _differences(live: GenerationPlan, other: GenerationPlan) -> Iterator[str]:
    if live.model_id != other.model_id:
        yield f"model {live.model_id} -> {other.model_id}"
    if live.catalog.hash != other.catalog.hash:
        yield f"catalog: {_changed(live.catalog, other.catalog)}"
    if _kappa(live) != _kappa(other):
        yield f"kappa {_numbers(live)} -> {_numbers(other)}"
    if live.index != other.index:
        yield f"index: {_settings(live.index, other.index)}"
    if live.topic_id and other.topic_id and live.topic_id != other.topic_id:
        yield "another topic of the same name"
    elif live.partition_count and other.partition_count and live.partition_count != other.partition_count:
        yield f"partitions {live.partition_count} -> {other.partition_count}"


def _kappa(plan: GenerationPlan) -> tuple[float, float]:
    return plan.kappa_image, plan.kappa_text


def _numbers(plan: GenerationPlan) -> str:
    return f"{plan.kappa_image:g}/{plan.kappa_text:g}"


def _changed(before: CatalogSchema, after: CatalogSchema) -> str:
    ours: Mapping[str, object] = before.attributes
    theirs: Mapping[str, object] = after.attributes
    marks = {
        **{f"+{name}": name for name in theirs.keys() - ours.keys()},
        **{f"-{name}": name for name in ours.keys() - theirs.keys()},
        **{f"~{name}": name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name]},
    }
    return ", ".join(sorted(marks, key=lambda mark: marks[mark])) or "other settings"


def _settings(before: IndexSettings, after: IndexSettings) -> str:
    ours, theirs = before.model_dump(), after.model_dump()
    return ", ".join(f"{name} {ours[name]} -> {theirs[name]}" for name in ours if ours[name] != theirs[name])
