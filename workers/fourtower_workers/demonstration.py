"""The demonstration: a drawn catalog is indexed, searched in every way, measured, and shown on a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fourtower_encoders.embedder import Embedder
from fourtower_encoders.manifest import Dataset, Task, load_dataset
from fourtower_encoders.synth import SynthConfig, holds_catalog, image_count, write_catalog
from fourtower_search.client import SearchClient
from fourtower_search.display import Section
from fourtower_search.evaluation.judgments import Judged, read_judgments
from fourtower_search.filters import F
from fourtower_search.index.opening import create_index, open_index
from fourtower_search.index.product_index import ProductIndex
from fourtower_search.index.settings import IndexSettings
from fourtower_search.query.parts import Image, Text
from fourtower_search.results import SearchResult
from fourtower_search.schema import CatalogSchema
from fourtower_workers.bootstrapping import plan_of
from fourtower_workers.indexing import Indexer
from fourtower_workers.loading import Loader, LoadReport, Rejects

Advance = Callable[[int], None]
METHODS = ("image and text", "image alone", "text alone", "filter, then image")
SPLIT = "test"
AT_ONCE = 50
"""Queries of one round trip."""


@dataclass(frozen=True)
class Figures:
    """Hit@1 by kind of task and method; NaN where a method has nothing to search with."""

    queries: dict[str, int]
    hit_at_1: dict[str, dict[str, float]]


def configure(products: int, seed: int) -> SynthConfig:
    """A catalog that is nearly all for searching: nothing is trained here."""
    return SynthConfig(products=products, seed=seed, photos=1, val_share=0.0, test_share=0.9)


def draw(folder: Path, config: SynthConfig, *, workers: int, started: Callable[[int], Advance]) -> None:
    """Draw the catalog, unless an earlier run drew the same one."""
    if not holds_catalog(folder, config):
        write_catalog(folder, config, workers=workers, progress=started(image_count(config)))


def index(folder: Path, db: Path, embedder: Embedder, *, progress: Advance) -> LoadReport:
    """Put the catalog's events into an index in a file; of one that is there already nothing is encoded again."""
    with _index(folder, db, embedder) as made:
        indexer = Indexer(made, embedder, image_root=folder, source="demo")
        with Rejects(db.with_suffix(".rejects.jsonl")) as rejects, (folder / "events.jsonl").open("rb") as events:
            report = Loader(indexer, rejects, progress=progress).load(events)
        made.store.flush(timeout_s=60)
    return report


def _index(folder: Path, db: Path, embedder: Embedder) -> ProductIndex:
    if db.exists():
        return open_index(str(db), params=embedder.params)
    schema = CatalogSchema.load(folder / "catalog.toml")
    plan = plan_of(embedder.checkpoint, "demo", schema, IndexSettings(), None)
    return create_index(str(db), plan, params=embedder.params)


def show(client: SearchClient, folder: Path) -> Iterator[Section]:
    """One search of each kind, explained."""
    dataset = load_dataset(folder, SPLIT)
    category, negation = (_recognised(client, dataset, kind) for kind in ("change_category", "negation"))
    photo, other = _photo(category, folder), _photo(negation, folder)
    shown = {pair.query_image: pair.product_id for pair in dataset.pairs}
    options: dict[str, Any] = {"limit": 5, "explain": True}
    by_photo = client.search(image=photo, **options)
    right = frozenset({shown[category.query_image or ""]})
    yield Section("A photo", by_photo, "client.search(image=photo)", (photo,), right)
    yield Section("Words", client.search("green striped bag", **options), 'client.search("green striped bag")')
    both = client.search(category.text, image=photo, image_amount=0.5, **options)
    code = f'client.search("{category.text}", image=photo, image_amount=0.5)'
    yield Section("A photo and words", both, code, (photo,), frozenset(category.relevant))
    cheap = client.search(image=photo, where=F.price.between(10, 40) & (F.in_stock == True), **options)  # noqa: E712
    yield Section("A filter", cheap, "where=F.price.between(10, 40) & (F.in_stock == True)", (photo,))
    without = client.search(f'-"{negation.minus}"', image=other, **options)
    code = f"""client.search('-"{negation.minus}"', image=photo)"""
    yield Section("Not like that", without, code, (other,), frozenset(negation.relevant))
    first = by_photo.hits[0].product_id
    yield Section(f"Similar to {first}", client.similar(first, **options), f'client.similar("{first}")')


def _recognised(client: SearchClient, dataset: Dataset, kind: str) -> Task:
    """The first task of a kind whose photo finds its product, as about four photos in five do."""
    tasks = [task for task in dataset.tasks if task.task == kind]
    shown = {pair.query_image: pair.product_id for pair in dataset.pairs}
    for task in tasks:
        first = client.search(image=_photo(task, dataset.root), limit=1).hits
        if first and first[0].product_id == shown.get(task.query_image or ""):
            return task
    return tasks[0]


def measure(client: SearchClient, folder: Path, *, most: int, progress: Advance) -> Figures:
    """Hit@1 of photos with words, beside simpler searches for the same thing, on products nobody trained on."""
    tasks = _spread(load_dataset(folder, SPLIT).tasks, most)
    judged = {query.query_id: query for query in read_judgments(folder / f"judgments.{SPLIT}.jsonl").queries}
    hits: dict[str, dict[str, list[float]]] = {}
    for start in range(0, len(tasks), AT_ONCE):
        some = tasks[start : start + AT_ONCE]
        for method in METHODS:
            for (query_id, task), found in zip(some, _ask(client, folder, some, method), strict=True):
                values = hits.setdefault(task.task, {name: [] for name in METHODS})[method]
                values.append(_hit(found, judged[query_id]))
        progress(len(some))
    return Figures(
        queries={kind: len(methods[METHODS[0]]) for kind, methods in hits.items()},
        hit_at_1={
            kind: {method: float(np.mean(values)) for method, values in methods.items()}
            for kind, methods in hits.items()
        },
    )


def _spread(tasks: Sequence[Task], most: int) -> list[tuple[str, Task]]:
    """At most so many tasks, as many of each kind, with the ids that they have among the judgments."""
    numbered = [(f"{task.task}-{number}", task) for number, task in enumerate(tasks)]
    kinds = list(dict.fromkeys(task.task for task in tasks))
    return [
        pair for kind in kinds for pair in [each for each in numbered if each[1].task == kind][: most // len(kinds)]
    ]


def _ask(
    client: SearchClient, folder: Path, tasks: Sequence[tuple[str, Task]], method: str
) -> list[SearchResult | None]:
    """One result per task; None where the method has nothing to search with."""
    asked = [_query(task, folder, method) for _, task in tasks]
    found = iter(client.search_many([each for each in asked if each], limit=1, depth=10, mode="vector"))
    return [next(found) if each else None for each in asked]


def _query(task: Task, folder: Path, method: str) -> dict[str, Any] | None:
    photo = Image(_photo(task, folder))
    if method == "image alone":
        return {"query": photo}
    if method == "text alone":
        return {"query": Text(task.text)} if task.text else None
    if method == "filter, then image":
        return {"query": photo, "where": _exact(task)}
    words = [Text(task.text)] if task.text else []
    return {"query": [photo, *words, *([Text(task.minus, -1.0)] if task.minus else [])]}


def _exact(task: Task) -> dict[str, Any]:
    """The words as somebody who knows the attributes would put them."""
    leaves = [(name, value.removeprefix("!"), value[:1] == "!") for name, value in task.filter.items()]
    must = [{"field": name, "eq": value} for name, value, negated in leaves if not negated]
    return {"must": must, "must_not": [{"field": name, "eq": value} for name, value, negated in leaves if negated]}


def _hit(found: SearchResult | None, judged: Judged) -> float:
    if found is None:
        return float("nan")
    return float(bool(found.hits) and found.hits[0].product_id in judged.grades)


def _photo(task: Task, folder: Path) -> Path:
    assert task.query_image is not None, "tasks of a drawn catalog start from a photo"
    return folder / task.query_image
