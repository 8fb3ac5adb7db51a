"""The drawn catalog as rows of an index, and its judged queries, all embedded by the demo towers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from fourtower_encoders.embedder import Embedder
from fourtower_encoders.joint import Array, QueryParams
from fourtower_encoders.runtimes import usable_cores
from fourtower_encoders.synth import SynthConfig, holds_catalog, write_catalog
from fourtower_ingest.events import Upsert
from fourtower_ingest.parsing import parse_event
from fourtower_search.evaluation.judgments import Judged, Judgments, read_judgments
from fourtower_search.index.generations import GenerationPlan
from fourtower_search.index.memory import MemoryRows
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.index.rows import ProductWrite
from fourtower_search.query.parts import Vector
from fourtower_search.query.vector import build, terms_of
from fourtower_search.query.words import MINUS_WEIGHT
from fourtower_search.schema import CatalogSchema
from fourtower_workers.indexing import Indexer

SPLIT = "test"
Kind = Literal["image", "text", "mixed", "negative"]
KINDS: tuple[Kind, ...] = ("image", "text", "mixed", "negative")


@dataclass(frozen=True)
class Asked:
    """A judged query, embedded: photo, words, photo with words, or a photo without what some words say."""

    judged: Judged
    kind: Kind
    parts: tuple[Vector, ...]

    def vector(self, params: QueryParams) -> Array:
        """What the engine is asked with, [2 D]."""
        terms = [term for part in self.parts for term in terms_of(part)]
        return build(terms, params.weights, dim=len(self.parts[0].values)).vector


@dataclass(frozen=True)
class Catalog:
    """A catalog that nothing was trained on."""

    writes: tuple[ProductWrite, ...]
    """All products, each with one row per view."""
    queries: tuple[Asked, ...]
    judgments: Judgments
    plan: GenerationPlan
    params: QueryParams

    def of_kind(self, kind: Kind, most: int | None = None) -> list[Asked]:
        """The queries of one kind, at most so many."""
        return [query for query in self.queries if query.kind == kind][:most]

    @cached_property
    def by_id(self) -> dict[str, Asked]:
        """All queries by their ids."""
        return {query.judged.query_id: query for query in self.queries}


def load_catalog(folder: Path, config: SynthConfig, embedder: Embedder) -> Catalog:
    """Draw a catalog into a folder, unless it holds this very one, and embed all of it."""
    if not holds_catalog(folder, config):
        write_catalog(folder, config, workers=usable_cores())
    plan = _plan(embedder, CatalogSchema.load(folder / "catalog.toml"))
    judgments = read_judgments(folder / f"judgments.{SPLIT}.jsonl")
    queries = _asked(judgments.queries, embedder)
    return Catalog(_writes(folder, embedder, plan), queries, judgments, plan, embedder.params)


def _plan(embedder: Embedder, schema: CatalogSchema) -> GenerationPlan:
    return GenerationPlan(
        model="demo",
        model_id=embedder.model_id,
        dim=2 * embedder.dim,
        catalog=schema,
        kappa_image=embedder.params.kappa_image,
        kappa_text=embedder.params.kappa_text,
    )


def _writes(folder: Path, embedder: Embedder, plan: GenerationPlan) -> tuple[ProductWrite, ...]:
    """What a worker would write of the catalog's events; the index in memory is only asked what it holds: nothing."""
    store = MemoryRows(plan.catalog, plan.dim)
    with ProductIndex(store, params=embedder.params, model_id=embedder.model_id) as nothing:
        indexer = Indexer(nothing, embedder, image_root=folder, source="benchmark")
        parsed = [parse_event(line) for line in (folder / "events.jsonl").read_bytes().splitlines()]
        return tuple(indexer.prepare([event for event in parsed if isinstance(event, Upsert)]).writes)


def _asked(queries: Sequence[Judged], embedder: Embedder) -> tuple[Asked, ...]:
    images = sorted({query.image for query in queries if query.image})
    texts = sorted({text for query in queries for text in (query.text, query.minus) if text})
    pictures = dict(zip(images, embedder.embed_images(images, role="query_image"), strict=True))
    words = dict(zip(texts, embedder.embed_texts(texts, role="query_text"), strict=True))
    return tuple(_embedded(query, pictures, words) for query in queries)


def _embedded(query: Judged, pictures: dict[Path, Array], words: dict[str, Array]) -> Asked:
    parts = [Vector(pictures[query.image])] if query.image else []
    if query.text:
        parts.append(Vector(words[query.text], modality="text"))
    if query.minus:
        parts.append(Vector(words[query.minus], MINUS_WEIGHT, "text"))
    return Asked(query, _kind(query), tuple(parts))


def _kind(query: Judged) -> Kind:
    if query.minus:
        return "negative"
    if query.image:
        return "mixed" if query.text else "image"
    return "text"


def spread_out(queries: Sequence[Asked], count: int) -> list[Asked]:
    """So many queries, evenly from the whole list: mixed ones come task by task."""
    places = np.linspace(0, len(queries) - 1, min(count, len(queries))).round().astype(int)
    return [queries[place] for place in dict.fromkeys(places.tolist())]
