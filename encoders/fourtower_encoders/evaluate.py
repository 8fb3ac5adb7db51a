"""Measures how well an embedder finds the products of a dataset: embed once, then score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from fourtower_encoders.config import ROLES, ImageRole, TextRole
from fourtower_encoders.embedded import EmbeddedDataset, Inputs
from fourtower_encoders.images import ImageSource
from fourtower_encoders.joint import Array, QueryParams
from fourtower_encoders.manifest import Dataset
from fourtower_encoders.scoring import Evaluation, score

__all__ = ["EmbeddedDataset", "Embeds", "Evaluation", "Inputs", "Progress", "embed_dataset", "evaluate", "score"]

Progress = Callable[[int, int], None]
"""Told (embedded, total) after each batch."""


class Embeds(Protocol):
    """What evaluation needs of an embedder; embeddings are unit vectors [N, D]."""

    @property
    def dim(self) -> int:
        """Width D of one embedding."""

    @property
    def model_id(self) -> str:
        """Names what determines the embeddings."""

    @property
    def params(self) -> QueryParams:
        """The checkpoint's own numbers for combining the towers."""

    def embed_images(self, sources: Sequence[ImageSource], *, role: ImageRole, root: Path | None) -> Array:
        """Embed pictures; relative paths start at `root`."""

    def embed_texts(self, texts: Sequence[str], *, role: TextRole) -> Array:
        """Embed texts."""


def evaluate(
    embedder: Embeds,
    dataset: Dataset,
    *,
    params: QueryParams | None = None,
    batch_size: int = 512,
    progress: Progress | None = None,
) -> Evaluation:
    """Embed a dataset and measure the search over it.

    Args:
        embedder: The towers.
        dataset: Products, street photos and tasks.
        params: Query weights; the checkpoint's own if not given.
        batch_size: How many pictures or texts are handed to the embedder at once.
        progress: Told (embedded, total) after each batch.
    """
    embedded = embed_dataset(embedder, dataset, batch_size=batch_size, progress=progress)
    return score(embedded, params or embedder.params)


def embed_dataset(
    embedder: Embeds, dataset: Dataset, *, batch_size: int = 512, progress: Progress | None = None
) -> EmbeddedDataset:
    """Run each tower once over its inputs; the result can be scored with any weights."""
    inputs = Inputs.of(dataset)
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if progress:
            progress(done, sum(len(getattr(inputs, role)) for role in ROLES))

    def images(role: ImageRole) -> Array:
        def run(paths: Sequence[str]) -> Array:
            return embedder.embed_images(paths, role=role, root=dataset.root)

        return _in_batches(getattr(inputs, role), run, batch_size, embedder.dim, advance)

    def texts(role: TextRole) -> Array:
        def run(texts: Sequence[str]) -> Array:
            return embedder.embed_texts(texts, role=role)

        return _in_batches(getattr(inputs, role), run, batch_size, embedder.dim, advance)

    return EmbeddedDataset(
        dataset,
        query_image=images("query_image"),
        product_image=images("product_image"),
        query_text=texts("query_text"),
        product_text=texts("product_text"),
        model_id=embedder.model_id,
    )


def _in_batches(
    items: Sequence[str],
    embed: Callable[[Sequence[str]], Array],
    batch_size: int,
    dim: int,
    advance: Callable[[int], None],
) -> Array:
    """Embed all items [N, D], a batch at a time."""
    parts = [np.zeros((0, dim), dtype=np.float32)]
    for start in range(0, len(items), batch_size):
        batch = items[start : start + batch_size]
        parts.append(embed(batch))
        advance(len(batch))
    return np.concatenate(parts)
