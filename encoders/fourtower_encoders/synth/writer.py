"""Writes a synthetic catalog to a folder: pictures, manifests, tasks, judgments and catalog events."""

from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from fourtower_encoders.synth.config import GENERATOR_VERSION, SynthConfig
from fourtower_encoders.synth.declaration import CATALOG_TOML
from fourtower_encoders.synth.judgments import make_judgments
from fourtower_encoders.synth.photo import Pixels, render_catalog
from fourtower_encoders.synth.products import SPLITS, SynthProduct, held_out_cells, make_product, make_products
from fourtower_encoders.synth.street import render_street
from fourtower_encoders.synth.tasks import make_tasks, street_name

Progress = Callable[[int], None]
"""Called with the number of pictures that were just written."""
_CHUNK = 32
_EVENT_VERSION = 1
_DATASET, _EVENTS, _DECLARATION = "dataset.json", "events.jsonl", "catalog.toml"
_LISTINGS = (
    _DATASET,
    _EVENTS,
    _DECLARATION,
    *(f"{kind}.{split}.jsonl" for split in SPLITS for kind in ("products", "queries")),
    *(f"{kind}.{split}.jsonl" for split in SPLITS[1:] for kind in ("tasks", "judgments")),
)


@dataclass(frozen=True)
class CatalogSummary:
    """What was written."""

    products: dict[str, int]
    catalog_images: int
    street_images: int
    tasks: dict[str, dict[str, int]]
    """How many of each kind, by split."""

    @property
    def images(self) -> int:
        """Pictures of both kinds."""
        return self.catalog_images + self.street_images


def image_count(config: SynthConfig) -> int:
    """How many pictures `write_catalog` will write."""
    return sum(product.views + photo_count(config, product) for product in make_products(config))


def photo_count(config: SynthConfig, product: SynthProduct) -> int:
    """Street photos of a product."""
    return config.photos if product.split == "train" else config.eval_photos


def write_catalog(
    out: Path, config: SynthConfig, *, workers: int = 1, progress: Progress | None = None
) -> CatalogSummary:
    """Write a whole data folder; the files are the same for any number of workers.

    Args:
        out: the folder; it is made if missing, files of the same names are replaced.
        config: what to invent.
        workers: processes that draw; 1 draws in this one.
        progress: called now and then with the number of pictures that were just written.
    """
    for folder in ("images", "street"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for listing in _LISTINGS:  # what they name is about to change; an interrupted call leaves none
        (out / listing).unlink(missing_ok=True)
    products = make_products(config)
    digests: dict[str, list[str]] = {}
    for drawn in _draw_all(out, config, workers):
        digests.update(drawn.digests)
        if progress:
            progress(drawn.pictures)
    tasks = _write_splits(out, config, products)
    _write_lines(out / _EVENTS, (_event(product, digests[product.product_id]) for product in products))
    (out / _DECLARATION).write_text(CATALOG_TOML, encoding="utf-8", newline="\n")
    summary = _summary(config, products, tasks)
    _write_dataset(out, config, summary)
    return summary


def holds_catalog(out: Path, config: SynthConfig) -> bool:
    """Whether a folder holds this very catalog, and all of it: its description is written last.

    A folder of an earlier release may lack files that are written today.
    """
    try:
        description = json.loads((out / _DATASET).read_bytes())
        version, written = description["generator_version"], SynthConfig.model_validate(description["config"])
    except (OSError, ValueError, TypeError, KeyError):
        return False
    complete = all((out / listing).is_file() for listing in _LISTINGS)
    return bool(version == GENERATOR_VERSION and written == config and complete)


@dataclass(frozen=True)
class _Drawn:
    """Some products' pictures, saved."""

    digests: dict[str, list[str]]
    """SHA-256 of the catalog pictures, by product."""
    pictures: int


def _draw_all(out: Path, config: SynthConfig, workers: int) -> Iterator[_Drawn]:
    starts = range(0, config.products, _CHUNK)
    with _mapper(workers) as run:
        yield from run(_draw_chunk, (out for _ in starts), (config for _ in starts), starts)


@contextmanager
def _mapper(workers: int) -> Iterator[Callable[..., Iterator[Any]]]:
    if workers <= 1:
        yield map
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool.map


def _draw_chunk(out: Path, config: SynthConfig, start: int) -> _Drawn:
    """Draw and save the pictures of the products from `start` on."""
    digests, pictures = {}, 0
    for index in range(start, min(start + _CHUNK, config.products)):
        product = make_product(config, index)
        digests[product.product_id] = [
            _save(out / image_name(product, view), render_catalog(product, view, config.size), config.jpeg_quality)
            for view in range(product.views)
        ]
        photos = photo_count(config, product)
        for photo in range(photos):
            pixels = render_street(product, photo, config.size, config.street)
            _save(out / street_name(product, photo), pixels, config.jpeg_quality)
        pictures += product.views + photos
    return _Drawn(digests, pictures)


def image_name(product: SynthProduct, view: int) -> str:
    """Where a catalog picture lies, relative to the data folder."""
    return f"images/{product.product_id}-{view}.jpg"


def _save(path: Path, pixels: Pixels, quality: int) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    path.write_bytes(buffer.getvalue())
    return hashlib.sha256(buffer.getbuffer()).hexdigest()


def _write_splits(out: Path, config: SynthConfig, products: list[SynthProduct]) -> dict[str, dict[str, int]]:
    """The manifests and judgments of each split; returns how many tasks of each kind the evaluated splits have."""
    counts: dict[str, dict[str, int]] = {}
    for split in SPLITS:
        members = [product for product in products if product.split == split]
        _write_lines(out / f"products.{split}.jsonl", map(_product_line, members))
        _write_lines(out / f"queries.{split}.jsonl", _pair_lines(config, members))
        if split == "train":
            continue
        tasks = make_tasks(members, per_kind=config.tasks_per_kind)
        _write_lines(out / f"tasks.{split}.jsonl", (task.model_dump(exclude_defaults=True) for task in tasks))
        judgments = make_judgments(products, tasks, split=split, per_kind=config.tasks_per_kind)
        _write_lines(out / f"judgments.{split}.jsonl", judgments)
        counts[split] = dict(Counter(task.task for task in tasks))
    return counts


def _product_line(product: SynthProduct) -> dict[str, Any]:
    return {
        "product_id": product.product_id,
        "title": product.title,
        "description": product.description,
        "category": product.look.category,
        "group": product.group,
        "images": [image_name(product, view) for view in range(product.views)],
        "queries": product.queries,
        "attributes": product.attributes,
    }


def _pair_lines(config: SynthConfig, products: list[SynthProduct]) -> Iterator[dict[str, Any]]:
    for product in products:
        for photo in range(photo_count(config, product)):
            yield {"query_image": street_name(product, photo), "product_id": product.product_id}


def _event(product: SynthProduct, digests: list[str]) -> dict[str, Any]:
    """The product as a change of the catalog topic."""
    return {
        "op": "upsert",
        "product_id": product.product_id,
        "version": _EVENT_VERSION,
        "product": {
            "title": product.title,
            "description": product.description,
            "images": [{"url": image_name(product, view), "sha256": digest} for view, digest in enumerate(digests)],
            "group_id": product.group,
            "attributes": product.attributes,
        },
    }


def _summary(config: SynthConfig, products: list[SynthProduct], tasks: dict[str, dict[str, int]]) -> CatalogSummary:
    return CatalogSummary(
        products={split: sum(product.split == split for product in products) for split in SPLITS},
        catalog_images=sum(product.views for product in products),
        street_images=sum(photo_count(config, product) for product in products),
        tasks=tasks,
    )


def _write_dataset(out: Path, config: SynthConfig, summary: CatalogSummary) -> None:
    """What made this folder, so that it can be made again."""
    description = {
        "generator_version": GENERATOR_VERSION,
        "config": config.model_dump(),
        "counts": {
            "products": summary.products,
            "catalog_images": summary.catalog_images,
            "street_images": summary.street_images,
            "tasks": summary.tasks,
        },
        "held_out_cells": sorted(held_out_cells(config.seed, config.held_out)),
    }
    (out / _DATASET).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")


def _write_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Write a file that has its name only once all lines are in it."""
    draft = path.with_suffix(".partial")
    with draft.open("w", encoding="utf-8", newline="\n") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    draft.replace(path)
