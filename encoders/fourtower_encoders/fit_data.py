"""The embeddings of one split in the form that fitting needs, made from a data folder by any embedder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fourtower_encoders.config import ROLES, Role
from fourtower_encoders.evaluate import Embeds
from fourtower_encoders.joint import Array
from fourtower_encoders.manifest import Dataset, Product

Bools = NDArray[np.bool_]

_T = TypeVar("_T")

MOST_PRODUCTS = 2000
"""More than these tell nothing new about a handful of numbers."""
MOST_QUERIES = 1000


@dataclass(frozen=True)
class Composed:
    """T photos with words that ask for something else than the photo shows."""

    image: Array
    """[T, D]"""
    text: Array
    """[T, D]"""
    relevant: Bools
    """Which products answer, [T, N]."""


@dataclass(frozen=True)
class FitData:
    """Embeddings of one split: Q photos, U short queries, N products."""

    query_image: Array
    """[Q, D]"""
    owner: NDArray[np.int64]
    """The photographed product, [Q]."""
    query_text: Array
    """[U, D]"""
    answers: Bools
    """Which products answer which short query, [U, N]."""
    product_image: Array
    """The first view of each product, [N, D]; zero where it has none."""
    product_text: Array
    """[N, D]"""
    has_image: Bools
    """[N]"""
    composed: Composed | None = None
    """None where a data folder has no such tasks."""

    def role(self, role: Role) -> Array:
        """The embeddings of a role."""
        array: Array = getattr(self, role)
        return array

    def centred(self, means: dict[Role, Array]) -> FitData:
        """The same data with `means` subtracted, unit norm again."""
        given: dict[str, Any] = {role: _unit(self.role(role) - means[role]) for role in ROLES}
        if self.composed is not None:
            image = _unit(self.composed.image - means["query_image"])
            text = _unit(self.composed.text - means["query_text"])
            given["composed"] = replace(self.composed, image=image, text=text)
        return replace(self, **given)


def embed_fit_data(embedder: Embeds, dataset: Dataset, *, seed: int = 0) -> FitData:
    """Embed a sample of a split; the embedder should not centre yet, for the means are to be found."""
    rng = np.random.default_rng(seed)
    products = _sample(dataset.products, MOST_PRODUCTS, rng)
    position = {product.product_id: number for number, product in enumerate(products)}
    pairs = _sample([pair for pair in dataset.pairs if pair.product_id in position], MOST_QUERIES, rng)
    queries = _sample(sorted({query for product in products for query in product.queries}), MOST_QUERIES, rng)
    with_image = [number for number, product in enumerate(products) if product.images]
    product_image = np.zeros((len(products), embedder.dim), dtype=np.float32)
    first_views = [products[number].images[0] for number in with_image]
    product_image[with_image] = embedder.embed_images(first_views, role="product_image", root=dataset.root)
    photos = [pair.query_image for pair in pairs]
    return FitData(
        query_image=embedder.embed_images(photos, role="query_image", root=dataset.root),
        owner=np.array([position[pair.product_id] for pair in pairs], dtype=np.int64),
        query_text=embedder.embed_texts(queries, role="query_text"),
        answers=_answers(queries, products),
        product_image=product_image,
        product_text=embedder.embed_texts([product.text for product in products], role="product_text"),
        has_image=np.array([bool(product.images) for product in products], dtype=bool),
        composed=_composed(embedder, dataset, products, rng),
    )


def _composed(
    embedder: Embeds, dataset: Dataset, products: Sequence[Product], rng: np.random.Generator
) -> Composed | None:
    """The tasks that add words to a photo; those whose answers were not sampled say nothing."""
    tasks = [task for task in dataset.tasks if task.query_image and task.text and not task.minus]
    relevant = np.array([[product.product_id in task.relevant for product in products] for task in tasks], dtype=bool)
    usable = _sample([number for number in range(len(tasks)) if relevant[number].any()], MOST_QUERIES, rng)
    if not usable:
        return None
    chosen = [tasks[number] for number in usable]
    photos = [task.query_image for task in chosen if task.query_image]
    return Composed(
        image=embedder.embed_images(photos, role="query_image", root=dataset.root),
        text=embedder.embed_texts([task.text for task in chosen if task.text], role="query_text"),
        relevant=relevant[usable],
    )


def _answers(queries: Sequence[str], products: Sequence[Product]) -> Bools:
    number = {query: row for row, query in enumerate(queries)}
    answers = np.zeros((len(queries), len(products)), dtype=bool)
    for column, product in enumerate(products):
        answers[[number[query] for query in product.queries if query in number], column] = True
    return answers


def _sample(items: Sequence[_T], most: int, rng: np.random.Generator) -> list[_T]:
    """At most so many of the items, in their own order."""
    if len(items) <= most:
        return list(items)
    return [items[number] for number in np.sort(rng.permutation(len(items))[:most])]


def _unit(array: Array) -> Array:
    norm = np.linalg.norm(array, axis=1, keepdims=True)
    return np.asarray(array / np.maximum(norm, 1e-12), dtype=np.float32)
